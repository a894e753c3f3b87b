import picocolors from "picocolors";
import { control } from "./print.ts";

type Paint = (text: string | number) => string;

function paint(colour: (text: string) => string): Paint {
  const [open = "", close = ""] = colour("|").split("|");
  return (text) => (open === "" ? String(text) : `${control(open)}${text}${control(close)}`);
}

/** Colours, where the terminal has some. */
export const style = {
  bold: paint(picocolors.bold),
  dim: paint(picocolors.dim),
  red: paint(picocolors.red),
  green: paint(picocolors.green),
  yellow: paint(picocolors.yellow),
  blue: paint(picocolors.blue),
  magenta: paint(picocolors.magenta),
};

export const { isColorSupported } = picocolors;

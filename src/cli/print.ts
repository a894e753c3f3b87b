import { randomBytes } from "node:crypto";
import { visibleLine, visibleText } from "../visibleText.ts";

/** Where output goes: a stream of the process, or whatever stands for one. */
export interface Output {
  write(text: string): unknown;
}

/** Stands around what Rotor itself wants to tell the terminal. Nobody's data can hold it: it is drawn anew in every process. */
const mark = `\0${randomBytes(12).toString("hex")}:`;
const marked = new RegExp(`${mark}([0-9a-f]*);`, "g");

/** A control sequence of Rotor's own, as a part of a text for {@link print}. */
export function control(sequence: string): string {
  return `${mark}${Buffer.from(sequence).toString("hex")};`;
}

/** A text in which every escape sequence is Rotor's own: a chart with colours. */
export function ownSequences(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  return text.replace(/\x1b\[[0-9;]*m/g, control);
}

/** A text without Rotor's own control sequences, for a file. */
export function withoutStyle(text: string): string {
  return text.replace(marked, "");
}

/**
 * The one way to the terminal: control characters from data become visible, those of `style.ts` and {@link control} take effect. A test
 * keeps all other ways out of the command.
 */
export function print(text: string, output: Output = process.stdout): void {
  const parts = text.split(marked);
  output.write(
    parts.map((part, i) => (i % 2 === 0 ? visibleText(part) : Buffer.from(part, "hex").toString())).join(""),
  );
}

/** Prints bytes of a model as they are, where a person asked for that. */
export function printRaw(text: string): void {
  process.stdout.write(text);
}

/** One or more lines to standard output. */
export function out(text: string): void {
  print(`${text}\n`);
}

/** A remark beside the result, in one line on standard error. */
export function warn(message: string): void {
  print(`rotor: ${visibleLine(message)}\n`, process.stderr);
}

/** Takes back what stands in the terminal's line. */
export const clearLine = control("\r\x1b[K");

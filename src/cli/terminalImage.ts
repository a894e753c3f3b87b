import { encodePng, type Image, resizeImage } from "../data/index.ts";
import { control, print } from "./print.ts";

/** How a terminal can show an image: by a protocol of its own, or by coloured half blocks. */
export type ImageProtocol = "kitty" | "iterm2" | "blocks";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What a terminal understands, by its environment; null where nothing should be drawn: no terminal, `TERM=dumb`, or `NO_COLOR`.
 * In tmux and screen only half blocks come through.
 */
export function imageProtocol(environment: Environment, isTerminal: boolean): ImageProtocol | null {
  const { TERM = "", TERM_PROGRAM = "", NO_COLOR, TMUX, KITTY_WINDOW_ID } = environment;
  if (!isTerminal || TERM === "dumb" || (NO_COLOR !== undefined && NO_COLOR !== "")) return null;
  if (TMUX !== undefined || /^(tmux|screen)/.test(TERM)) return "blocks";
  if (KITTY_WINDOW_ID !== undefined || TERM === "xterm-kitty" || /ghostty/i.test(TERM + TERM_PROGRAM))
    return "kitty";
  if (TERM_PROGRAM === "iTerm.app" || TERM_PROGRAM === "WezTerm") return "iterm2";
  return "blocks";
}

/** Whether a terminal says that it shows 24-bit colours; others show a palette of 256. */
export function hasTrueColour({ COLORTERM }: Environment): boolean {
  return COLORTERM === "truecolor" || COLORTERM === "24bit";
}

const kittyChunk = 4096;

/**
 * Text that makes a terminal show an image.
 *
 * @param columns columns of the terminal; half blocks are never wider
 */
export async function terminalImage(
  image: Image,
  protocol: ImageProtocol,
  { columns, trueColour }: { columns: number; trueColour: boolean },
): Promise<string> {
  if (protocol === "blocks") return halfBlocks(await narrowed(image, columns), trueColour);
  const png = Buffer.from(await encodePng(image));
  const text = png.toString("base64");
  if (protocol === "iterm2") return `\x1b]1337;File=inline=1;size=${png.length}:${text}\x07\n`;
  let out = "";
  for (let at = 0; at < text.length; at += kittyChunk) {
    const header = at === 0 ? "f=100,a=T," : "";
    const more = at + kittyChunk < text.length ? 1 : 0;
    out += `\x1b_G${header}m=${more};${text.slice(at, at + kittyChunk)}\x1b\\`;
  }
  return `${out}\n`;
}

async function narrowed(image: Image, columns: number): Promise<Image> {
  if (image.width <= columns) return image;
  return resizeImage(image, Math.max(1, Math.round((image.height * columns) / image.width)), columns);
}

/** Two rows of pixels in one line of characters: the upper in the colour of `▀`, the lower in its background. */
function halfBlocks({ height, width, channels, pixels }: Image, trueColour: boolean): string {
  const colour = (y: number, x: number, ground: 38 | 48) => {
    const at = (y * width + x) * channels;
    const [red, green, blue] =
      channels === 1
        ? [pixels[at]!, pixels[at]!, pixels[at]!]
        : [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
    return trueColour
      ? `\x1b[${ground};2;${red};${green};${blue}m`
      : `\x1b[${ground};5;${paletteIndex(red, green, blue)}m`;
  };
  let out = "";
  for (let y = 0; y < height; y += 2) {
    let last = "";
    for (let x = 0; x < width; x++) {
      const style = colour(y, x, 38) + (y + 1 < height ? colour(y + 1, x, 48) : "");
      out += style === last ? "▀" : `${style}▀`;
      last = style;
    }
    out += "\x1b[0m\n";
  }
  return out;
}

/** Nearest entry of xterm's palette: a cube of six levels, or, for greys, a ramp of 24. */
function paletteIndex(red: number, green: number, blue: number): number {
  if (red === green && green === blue) {
    if (red < 4) return 16;
    if (red > 246) return 231;
    return 232 + Math.min(23, Math.max(0, Math.round((red - 8) / 10)));
  }
  const level = (value: number) => (value < 48 ? 0 : value < 115 ? 1 : Math.floor((value - 35) / 40));
  return 16 + 36 * level(red) + 6 * level(green) + level(blue);
}

/** Shows an image on standard output if that is a terminal that can. */
export async function showImage(image: Image): Promise<void> {
  const protocol = imageProtocol(process.env, process.stdout.isTTY === true);
  if (protocol === null) return;
  const options = { columns: process.stdout.columns ?? 80, trueColour: hasTrueColour(process.env) };
  print(control(await terminalImage(image, protocol, options)));
}

import { readFileSync } from "node:fs";
import type { Sharp, SharpInput } from "sharp";
import { DataError } from "../errors.ts";
import { writeOutput } from "./outputFile.ts";

/** One image. */
export interface Image {
  readonly height: number;
  readonly width: number;
  /** 1 for grey, 3 for red, green, blue. */
  readonly channels: 1 | 3;
  /** [height, width, channels], 0 to 255. */
  readonly pixels: Uint8Array;
}

/** Endings of the files that a folder of images is read from. */
export const imageFileName = /\.(png|jpe?g)$/i;

/** The decoder, which is loaded only where images are read or written. */
async function decoder() {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    throw new DataError(`images: the package sharp can't be loaded: ${reason(error)}`, { cause: error });
  }
}

/**
 * Reads a PNG or JPEG file, turned upright as its EXIF entry says. Transparent parts are laid on white; 16 bits become 8; colours are
 * made grey by their luminance.
 *
 * @param channels 1 for grey, 3 for colour
 * @throws DataError naming a file that is missing, of another format, cut off or damaged
 */
export async function readImage(file: string, channels: 1 | 3): Promise<Image> {
  const sharp = await decoder();
  try {
    const source = sharp(readFileSync(file), { failOn: "error" });
    const { format } = await source.metadata();
    if (format !== "png" && format !== "jpeg") throw new Error(`is ${format}, expected PNG or JPEG`);
    return await pixelsOf(source.autoOrient().flatten({ background: "#ffffff" }), channels);
  } catch (error) {
    throw new DataError(`image "${file}": ${imageProblem(error)}`, { cause: error });
  }
}

async function pixelsOf(source: Sharp, channels: 1 | 3): Promise<Image> {
  const converted = channels === 1 ? source.greyscale() : source.toColourspace("srgb");
  const { data, info } = await converted.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { height, width, channels, pixels: new Uint8Array(data.buffer, data.byteOffset, data.length) };
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n").find((line) => line !== "")!;
}

function imageProblem(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "is a folder, expected a file";
  if (code !== undefined) return `can't be read (${code})`;
  const text = reason(error);
  if (/unsupported image format|Buffer is empty/.test(text)) return "is not an image, expected PNG or JPEG";
  if (/premature end|truncated|not enough data|read error/i.test(text)) return "is cut off";
  return /^is /.test(text) ? text : `is damaged: ${text}`;
}

function rawInput({ height, width, channels, pixels }: Image): [SharpInput, { raw: object }] {
  return [pixels, { raw: { width, height, channels } }];
}

/** An image scaled to another size, by Lanczos' filter. */
export async function resizeImage(image: Image, height: number, width: number): Promise<Image> {
  const sharp = await decoder();
  const resized = sharp(...(rawInput(image) as [SharpInput, never])).resize(width, height, { fit: "fill" });
  return pixelsOf(resized, image.channels);
}

/** The bytes of a PNG file. */
export async function encodePng(image: Image): Promise<Uint8Array> {
  const sharp = await decoder();
  const source = sharp(...(rawInput(image) as [SharpInput, never]));
  return (image.channels === 1 ? source.toColourspace("b-w") : source).png().toBuffer();
}

/**
 * Writes a PNG file, as {@link writeOutput} does.
 *
 * @throws OutputError if it can't be written
 */
export async function writePng(file: string, image: Image): Promise<void> {
  writeOutput(file, await encodePng(image));
}

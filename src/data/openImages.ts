import { createHash } from "node:crypto";
import path from "node:path";
import { ConfigError, DataError } from "../errors.ts";
import { checkSeed } from "../numbers/index.ts";
import { photographs } from "./dataPackages.ts";
import type { Image } from "./imageFile.ts";
import { checkImageSize, type ImageFit, type ImageSize, imageFits, imagePatches } from "./imageFit.ts";
import { imageFiles, readImages } from "./imageFolder.ts";
import { type ImageSet, imageSet } from "./imageSet.ts";
import { type LabelledImages, mnistDigits } from "./mnist.ts";
import { type PhotographName, readPhotograph } from "./photographs.ts";

export interface ImageDataOptions {
  /** `"mnist"`, `"photographs"`, the name of one of them, or paths of folders and PNG or JPEG files. */
  readonly source: string | readonly string[];
  /** A square's side, or height and width. Default 32; 28 for MNIST, which has no other. */
  readonly size?: number | ImageSize;
  /** `"grey"` or `"colour"`. Default `"grey"` for MNIST and the photographs, `"colour"` for files. */
  readonly colours?: "grey" | "colour";
  /** Default `"patches"` for the photographs, which have no other, and `"cover"` for files. */
  readonly fit?: ImageFit;
  /** Pixels from one patch to the next, at least 1. Default the size: patches don't overlap. */
  readonly stride?: number;
  /**
   * Share that is kept for validation, in (0, 1): of files, chosen by their names; of each photograph, its right side. MNIST keeps
   * every tenth image of a digit, whatever this says. Default 0.1.
   */
  readonly validationFraction?: number;
  /** Chooses the files for validation. Default 0. */
  readonly seed?: number;
}

/** Images for training and others for validation. */
export interface ImageDataset {
  readonly train: ImageSet | LabelledImages;
  readonly validation: ImageSet | LabelledImages;
}

const photographNames = Object.keys(photographs) as PhotographName[];

/** Sources that need no files. */
export const imageSourceNames: readonly string[] = ["mnist", "photographs", ...photographNames];

/**
 * Opens images of one size, split without overlap: no file, and no pixel of a photograph, is in both parts.
 *
 * @throws ConfigError for options that don't go together; DataError naming the file that can't be used, or the part that is empty
 */
export async function openImages(options: ImageDataOptions): Promise<ImageDataset> {
  const { source, colours, fit, validationFraction = 0.1, stride } = options;
  if (colours !== undefined && colours !== "grey" && colours !== "colour")
    throw new ConfigError(`images: colours "${colours}": expected grey or colour`);
  if (fit !== undefined && !imageFits.includes(fit))
    throw new ConfigError(`images: fit "${fit}": expected ${imageFits.join(", ")}`);
  if (!(validationFraction > 0 && validationFraction < 1))
    throw new ConfigError(`images: validationFraction ${validationFraction}: expected a number in (0, 1)`);
  if (stride !== undefined && !(Number.isInteger(stride) && stride > 0))
    throw new ConfigError(`images: stride ${stride}: expected a positive integer`);
  const size = sizeOf(options);
  if (source === "mnist") {
    if (size.height !== 28 || size.width !== 28 || colours === "colour" || fit !== undefined)
      throw new ConfigError(
        "images: mnist holds grey images of 28×28: expected no other size, colours or fit",
      );
    return { train: mnistDigits("train"), validation: mnistDigits("validation") };
  }
  if (stride !== undefined && fit !== "patches" && !isPhotograph(source))
    throw new ConfigError(`images: stride ${stride}: expected the fit patches as well`);
  const step = stride === undefined ? size : { height: stride, width: stride };
  if (isPhotograph(source)) {
    if (fit !== undefined && fit !== "patches")
      throw new ConfigError(`images: fit "${fit}": expected patches, as photographs are cut into them`);
    const names = source === "photographs" ? photographNames : [source];
    return openPhotographs(names, size, step, colours === "colour" ? 3 : 1, validationFraction);
  }
  return openFiles(typeof source === "string" ? [source] : source, size, step, options);
}

function isPhotograph(source: ImageDataOptions["source"]): source is "photographs" | PhotographName {
  return source === "photographs" || photographNames.includes(source as PhotographName);
}

function sizeOf({ source, size = source === "mnist" ? 28 : 32 }: ImageDataOptions): ImageSize {
  const sides = typeof size === "number" ? { height: size, width: size } : size;
  checkImageSize("images: size", sides);
  return sides;
}

async function openPhotographs(
  names: readonly PhotographName[],
  size: ImageSize,
  stride: ImageSize,
  channels: 1 | 3,
  validationFraction: number,
): Promise<ImageDataset> {
  const [train, validation]: [Image[], Image[]] = [[], []];
  for (const name of names) {
    const photograph = await readPhotograph(name, channels);
    const parts = splitPhotograph(photograph, size, stride, validationFraction);
    if (parts.train.length === 0 || parts.validation.length === 0) {
      throw new DataError(
        `photograph "${name}": is ${photograph.height}×${photograph.width}, of which ${validationFraction} is kept for validation: too small for patches of ${size.height}×${size.width} in both parts`,
      );
    }
    train.push(...parts.train);
    validation.push(...parts.validation);
  }
  return { train: imageSet(train), validation: imageSet(validation) };
}

/** Patches of the left of a photograph for training, of its right for validation; none crosses the border between them. */
export function splitPhotograph(
  photograph: Image,
  size: ImageSize,
  stride: ImageSize,
  validationFraction: number,
): { train: Image[]; validation: Image[] } {
  const border = Math.round(photograph.width * (1 - validationFraction));
  return {
    train: imagePatches(photograph, size, { stride, to: border }),
    validation: imagePatches(photograph, size, { stride, from: border }),
  };
}

async function openFiles(
  sources: readonly string[],
  size: ImageSize,
  stride: ImageSize,
  { colours = "colour", fit = "cover", validationFraction = 0.1, seed = 0 }: ImageDataOptions,
): Promise<ImageDataset> {
  const files = imageFiles(sources);
  if (files.length < 2) {
    throw new DataError(
      `images ${JSON.stringify(sources.length === 1 ? sources[0] : sources)}: ${files.length} file, expected at least two: one for training, one for validation`,
    );
  }
  checkSeed("data seed", seed);
  const kept = validationFiles(files, seed, validationFraction);
  const parts = {
    train: files.filter((file) => !kept.has(file)),
    validation: files.filter((file) => kept.has(file)),
  };
  const read = async (part: "train" | "validation") => {
    const images: Image[] = [];
    const channels = colours === "colour" ? 3 : 1;
    for await (const { image } of readImages(parts[part], { size, channels, fit, stride }))
      images.push(image);
    return imageSet(images);
  };
  return { train: await read("train"), validation: await read("validation") };
}

/** Files for validation, at least one but not all: those whose names have the smallest hashes. */
function validationFiles(files: readonly string[], seed: number, fraction: number): Set<string> {
  const hash = (file: string) =>
    createHash("sha256")
      .update(`${seed}\0${path.basename(file)}`)
      .digest("hex");
  const ranked = files
    .map((file) => ({ file, rank: hash(file) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0));
  const count = Math.min(files.length - 1, Math.max(1, Math.round(files.length * fraction)));
  return new Set(ranked.slice(0, count).map(({ file }) => file));
}

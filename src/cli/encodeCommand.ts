import { statSync } from "node:fs";
import path from "node:path";
import {
  bytesPerImage,
  type Image,
  type ImageCodes,
  type ImageFit,
  type ImageSet,
  imageAt,
  imageFiles,
  imageFits,
  imageSet,
  readImages,
  reconstructionGrid,
  writeCodeFile,
  writePng,
} from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { meanSquaredError } from "../quantize/index.ts";
import { RunStore } from "../runs/index.ts";
import { ImageCodec, loadImageModel } from "../sample/index.ts";
import { compactNumber } from "./format.ts";
import { type PlacementFlags, placementFor } from "./placementFor.ts";
import { out, warn } from "./print.ts";
import { showImage } from "./terminalImage.ts";

export interface EncodeFlags extends PlacementFlags {
  readonly out: string;
  readonly fit?: string;
  readonly grid?: string;
  readonly checkpoint?: number;
  readonly json?: boolean;
  readonly home: string;
}

/** Images that are held at once. */
const chunkSize = 64;
/** Images of a grid. */
const gridImages = 16;

/** Names for people and for decoded files: paths below the folder that was given, with `/` between. */
function namesOf(sources: readonly string[], files: readonly string[]): Map<string, string> {
  const folders = sources.filter((source) => statSync(source).isDirectory());
  return new Map(
    files.map((file) => {
      const folder = folders.find((each) => !path.relative(each, file).startsWith(".."));
      const name = folder === undefined ? path.basename(file) : path.relative(folder, file);
      return [file, name.split(path.sep).join("/")];
    }),
  );
}

function checkFit(fit: string): ImageFit {
  if (!(imageFits as readonly string[]).includes(fit))
    throw new ConfigError(`--fit ${fit}: expected ${imageFits.join(", ")}`);
  return fit as ImageFit;
}

/** `rotor encode`: images become codes in a file. */
export async function encodeCommand(
  reference: string,
  sources: readonly string[],
  flags: EncodeFlags,
): Promise<number> {
  const fit = checkFit(flags.fit ?? "exact");
  using store = new RunStore(flags.home, { readOnly: true });
  const loaded = await loadImageModel(store, store.getRun(reference), flags.checkpoint, warn);
  const { config, quantizer } = loaded.model;
  const { image, latent } = config;
  const channels = image.channels as 1 | 3;
  const files = imageFiles(sources);
  const fileNames = namesOf(sources, files);
  const codec = new ImageCodec(loaded.model, await placementFor(loaded.config, flags));
  try {
    const names: string[] = [];
    const codes: Int32Array[] = [];
    const shown: { originals: Image[]; reconstructions: Image[] } = { originals: [], reconstructions: [] };
    let squares = 0;
    const pieces = new Map<string, number>();
    const encode = async (set: ImageSet) => {
      const own = (await codec.encode(set)).codes;
      const decoded = await codec.decode(own);
      codes.push(own);
      squares += meanSquaredError(set.pixels, decoded.pixels) * set.count;
      for (let i = 0; i < set.count && shown.originals.length < gridImages; i++) {
        shown.originals.push(imageAt(set, i));
        shown.reconstructions.push(imageAt(decoded, i));
      }
    };
    let chunk: Image[] = [];
    for await (const { file, image: each } of readImages(files, { size: image, channels, fit })) {
      names.push(pieceName(fileNames.get(file)!, fit, pieces));
      chunk.push(each);
      if (chunk.length === chunkSize) {
        await encode(imageSet(chunk));
        chunk = [];
      }
    }
    if (chunk.length > 0) await encode(imageSet(chunk));
    const result: ImageCodes = {
      identity: loaded.identity,
      run: loaded.run.id,
      step: loaded.step,
      image: { height: image.height, width: image.width, channels },
      grid: { height: latent.height, width: latent.width },
      codebookSizes: [...quantizer.codebookSizes] as [number, ...number[]],
      names,
      codes: concatenated(codes),
    };
    writeCodeFile(flags.out, result);
    const grid = reconstructionGrid(shown.originals, shown.reconstructions);
    if (flags.grid !== undefined) await writePng(flags.grid, grid);
    const summary = {
      file: flags.out,
      images: names.length,
      codes: result.codes.length,
      bitsPerPixel: (8 * bytesPerImage(result)) / (image.height * image.width),
      psnr: 10 * Math.log10(255 ** 2 / (squares / names.length)),
      ...(flags.grid === undefined ? {} : { grid: flags.grid }),
    };
    report(summary, flags.json === true);
    if (flags.json !== true) await showImage(grid);
    return 0;
  } finally {
    await codec.dispose();
  }
}

/** The name of an image; patches of one file are numbered. */
function pieceName(name: string, fit: ImageFit, pieces: Map<string, number>): string {
  if (fit !== "patches") return name;
  const piece = pieces.get(name) ?? 0;
  pieces.set(name, piece + 1);
  const { dir, name: stem, ext } = path.posix.parse(name);
  return path.posix.join(dir, `${stem}-${String(piece).padStart(4, "0")}${ext}`);
}

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface EncodeSummary {
  readonly file: string;
  readonly images: number;
  readonly codes: number;
  readonly bitsPerPixel: number;
  /** In dB, of pixels from 0 to 255, over all images. */
  readonly psnr: number;
  readonly grid?: string;
}

function report(summary: EncodeSummary, json: boolean): void {
  if (json) {
    out(JSON.stringify(summary));
    return;
  }
  const { file, images, codes, bitsPerPixel, psnr, grid } = summary;
  out(
    `wrote ${file}: ${images} images, ${compactNumber(codes)} codes, ${bitsPerPixel.toFixed(3)} bits per pixel, PSNR of the reconstructions ${psnr.toFixed(2)} dB`,
  );
  if (grid !== undefined) out(`wrote ${grid}: originals with their reconstructions below`);
}

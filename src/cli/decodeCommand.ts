import path from "node:path";
import { codesPerImage, imageAt, imageGrid, readCodeFile, visibleScale, writePng } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { RunStore } from "../runs/index.ts";
import { ImageCodec, loadImageModel } from "../sample/index.ts";
import { type PlacementFlags, placementFor } from "./placementFor.ts";
import { out, warn } from "./print.ts";
import { showImage } from "./terminalImage.ts";

export interface DecodeFlags extends PlacementFlags {
  readonly out: string;
  readonly checkpoint?: number;
  readonly home: string;
}

const chunkSize = 64;
const gridImages = 16;
const longestName = 100;

/**
 * Names of PNG files for images: their own, without folders and what systems don't allow, each once. A file from elsewhere can't
 * write outside of the folder.
 */
export function outputNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const stem = name
      .replace(/\.(png|jpe?g)$/i, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\x00-\x1f\x7f\\/:*?"<>|]+/g, "-")
      .replace(/^[-. ]+|[-. ]+$/g, "")
      .slice(0, longestName);
    const base = stem === "" ? "image" : stem;
    let unique = base;
    // Some file systems don't tell cases apart.
    for (let i = 2; taken.has(unique.toLowerCase()); i++) unique = `${base}-${i}`;
    taken.add(unique.toLowerCase());
    return `${unique}.png`;
  });
}

/** `rotor decode`: codes become PNG files in a folder. */
export async function decodeCommand(reference: string, file: string, flags: DecodeFlags): Promise<number> {
  using store = new RunStore(flags.home, { readOnly: true });
  const run = store.getRun(reference);
  const codes = readCodeFile(file);
  const loaded = await loadImageModel(store, run, flags.checkpoint, warn);
  if (codes.identity !== loaded.identity) {
    throw new DataError(
      `code file "${file}": was made by step ${codes.step} of run ${codes.run}, with another decoder or codebook than step ${loaded.step} of run ${run.id}: expected that run, and that step as --checkpoint`,
    );
  }
  const codec = new ImageCodec(loaded.model, await placementFor(loaded.config, flags));
  try {
    const perImage = codesPerImage(codes);
    const names = outputNames(codes.names);
    const shown = [];
    for (let start = 0; start < names.length; start += chunkSize) {
      const part = codes.codes.subarray(start * perImage, (start + chunkSize) * perImage);
      const images = await codec.decode(part);
      for (let i = 0; i < images.count; i++) {
        await writePng(path.join(flags.out, names[start + i]!), imageAt(images, i));
        if (shown.length < gridImages) shown.push(imageAt(images, i));
      }
    }
    out(`wrote ${names.length} images to ${flags.out}`);
    if (shown.length > 0) await showImage(imageGrid(shown, { columns: 8, scale: visibleScale(shown[0]!) }));
    return 0;
  } finally {
    await codec.dispose();
  }
}

import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { DataError } from "../errors.ts";
import { type Image, imageFileName, readImage } from "./imageFile.ts";
import { fitImage, type ImageFit, type ImageSize } from "./imageFit.ts";

/**
 * Paths of the image files of folders (and the folders in them) and of files, each folder's sorted by name. In folders only names that
 * end in `.png`, `.jpg` or `.jpeg` count; a file that is given by name is taken as it is.
 *
 * @throws DataError if one is missing or a folder holds none
 */
export function imageFiles(sources: readonly string[]): string[] {
  const files: string[] = [];
  for (const source of sources) {
    const before = files.length;
    addFiles(source, true, files);
    if (files.length === before)
      throw new DataError(`image folder "${source}": no .png, .jpg or .jpeg file in it`);
  }
  return files;
}

function addFiles(file: string, isListed: boolean, files: string[]): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(file).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DataError(
      `image "${file}": ${code === "ENOENT" ? "no such file or folder" : `can't be read (${code})`}`,
      { cause: error },
    );
  }
  if (isFolder) for (const name of readdirSync(file).sort()) addFiles(path.join(file, name), false, files);
  else if (isListed || imageFileName.test(file)) files.push(file);
}

export interface ReadImagesOptions {
  readonly size: ImageSize;
  /** 1 for grey, 3 for colour. */
  readonly channels: 1 | 3;
  readonly fit: ImageFit;
  /** Pixels from one patch to the next. Default the size, so that they don't overlap. */
  readonly stride?: ImageSize;
}

/** An image of the size that was asked for, and the file that it is from. */
export interface NamedImage {
  readonly file: string;
  readonly image: Image;
}

/**
 * Reads files one after the other, as images of one size.
 *
 * @throws DataError naming the file that can't be used
 */
export async function* readImages(
  files: readonly string[],
  { size, channels, fit, stride = size }: ReadImagesOptions,
): AsyncGenerator<NamedImage> {
  for (const file of files) {
    for (const image of await fitImage(await readImage(file, channels), size, fit, file, stride))
      yield { file, image };
  }
}

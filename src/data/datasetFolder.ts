import path from "node:path";
import { DataError } from "../errors.ts";
import { checkShards } from "./completeShards.ts";
import { readDatasetCard } from "./datasetCard.ts";
import { namedFormat } from "./records/index.ts";
import { splitNamed, splitOf } from "./splitNames.ts";

/** Which part of a data set is meant, where a folder has several. */
export interface SplitOptions {
  /** The subset of a data set whose card names several. By default the one called `default`, or the only one. */
  readonly subset?: string;
  /** The split to train on. Default `"train"`. */
  readonly split?: string;
  /** The split to validate on. By default `"validation"`, if there is one. */
  readonly validationSplit?: string;
}

/** A file of a folder, and the part that it plays. */
export interface FolderFile {
  readonly path: string;
  /** Absent in folders without splits. */
  readonly split?: "train" | "validation";
  /** Where the card says what the ending doesn't. */
  readonly format?: "jsonl";
}

/**
 * What a folder holds: the splits of a data set as `datasets` finds them, by the card or by names, or files that are all alike.
 *
 * @param filesBelow - paths of all files of known endings in a folder, in order
 * @throws DataError if a split that is asked for isn't there, one of its files is missing, or it can't be told which split a file belongs to
 */
export function readDatasetFolder(
  folder: string,
  options: SplitOptions,
  filesBelow: (folder: string) => readonly string[],
): FolderFile[] {
  const files = filesOfParts(folder, options, filesBelow);
  checkShards(
    folder,
    files.map((file) => file.path),
  );
  return files;
}

function filesOfParts(
  folder: string,
  { subset, ...options }: SplitOptions,
  filesBelow: (folder: string) => readonly string[],
): FolderFile[] {
  const card = readDatasetCard(folder, subset ?? null);
  if (card === null && subset !== undefined)
    throw new DataError(
      `data source "${folder}": has no README.md that names subsets; expected none but "${subset}" was given`,
    );
  if (card !== null && card.folder === null) return chosenSplits(folder, card.splits, options);
  const root = card?.folder ?? folder;
  const all = filesBelow(root);
  const tables = all.filter((file) => namedFormat(file).format !== "text");
  // Beside tables a README is their description.
  const isData = (file: string) => tables.length === 0 || !/^readme\.md$/i.test(path.basename(file));
  const files = all.filter(isData);
  const considered = tables.length > 0 ? tables : files;
  const splits = new Map<string | null, string[]>();
  for (const file of considered) {
    const split = splitOf(path.relative(root, file));
    splits.set(split, [...(splits.get(split) ?? []), file]);
  }
  const names = [...splits.keys()].filter((name) => name !== null);
  const isAlike = splits.size === 1 || (tables.length === 0 && names.every((name) => name === "train"));
  if (isAlike && options.split === undefined && options.validationSplit === undefined)
    return files.map((file) => ({ path: file }));
  const stray = splits.get(null)?.[0];
  if (stray !== undefined)
    throw new DataError(
      `data source "${folder}": ${path.relative(root, stray)} belongs to none of its splits ${names.join(", ")}; name the files, or move it`,
    );
  return chosenSplits(folder, splits as ReadonlyMap<string, readonly string[]>, options);
}

function chosenSplits(
  folder: string,
  splits: ReadonlyMap<string, readonly string[]>,
  { split = "train", validationSplit }: Omit<SplitOptions, "subset">,
): FolderFile[] {
  const filesOf = (name: string) => {
    const files = splits.get(splitNamed(name));
    if (files !== undefined) return files;
    throw new DataError(
      `data source "${folder}": has no split "${name}"; its splits are ${[...splits.keys()].join(", ")}`,
    );
  };
  const train = filesOf(split);
  const own = splits.has("validation") && splitNamed(split) !== "validation" ? "validation" : null;
  const validation = validationSplit === undefined ? own : validationSplit;
  if (validation !== null && splitNamed(validation) === splitNamed(split))
    throw new DataError(`data source "${folder}": split "${split}": expected another one for validation`);
  const part = (files: readonly string[], role: "train" | "validation") =>
    files.map((file) => ({
      path: file,
      split: role,
      // The hub's `.json` is mostly JSON Lines.
      ...(namedFormat(file).format === null && /\.json(\.gz|\.zst)?$/i.test(file)
        ? { format: "jsonl" as const }
        : {}),
    }));
  return [...part(train, "train"), ...(validation === null ? [] : part(filesOf(validation), "validation"))];
}

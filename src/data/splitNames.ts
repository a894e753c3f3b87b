import path from "node:path";
import { namedFormat } from "./records/index.ts";

/** Words that name a split, as `datasets` reads them (docs: Structure your repository). */
const splitWords: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
  eval: "test",
  evaluation: "test",
};

/** The split that a name stands for: `dev` is `validation`, names of one's own are themselves. */
export const splitNamed = (name: string): string =>
  Object.hasOwn(splitWords, name) ? splitWords[name]! : name;

/** Files that a data set is cut into: `train-00000-of-00002`, in older ones with a hash behind. */
const shard = /^(.+?)-\d{5,}-of-\d{5,}(-[0-9a-f]+)?$/;

/**
 * The split that a file of a folder belongs to by its path in it, or null. Of tables any word of the path may say it, the last first
 * (`data/train-00000-of-00002.parquet`, `validation/a.jsonl`, `squad_dev.csv`); of plain texts, which may be called anything, only a whole name
 * (`train.txt`, `valid/a.md`).
 */
export function splitOf(relative: string): string | null {
  const { stem, format } = namedFormat(relative);
  const cut = shard.exec(stem);
  if (cut !== null) return splitNamed(cut[1]!.toLowerCase());
  const parts = [...path.dirname(relative).split(/[/\\]/), stem].map((part) => part.toLowerCase()).reverse();
  const words = format === "text" ? parts : parts.flatMap((part) => part.split(/[-._ \d]+/));
  const word = words.find((one) => Object.hasOwn(splitWords, one));
  return word === undefined ? null : splitWords[word]!;
}

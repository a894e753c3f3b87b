import { DataError } from "../../errors.ts";
import { readAligned } from "./alignedTable.ts";
import { readDelimited } from "./delimitedText.ts";
import { readJson } from "./jsonTable.ts";
import { isPlainNumber, type Table } from "./table.ts";

const utf8 = new TextEncoder();

/** Beginnings of files that hold tables in a form that isn't text. */
const binaries: readonly (readonly [beginning: string, what: string])[] = [
  ["PK\x03\x04", "a workbook or an archive (zip): save its table as CSV"],
  ["PAR1", "a Parquet file: write it as CSV, `pandas.read_parquet(…).to_csv(…)`"],
  ["ARROW1", "an Arrow file: write it as CSV"],
  ["SQLite format 3\0", "a SQLite database, not text"],
  ["\x1f\x8b", "compressed with gzip: decompress it first"],
  ["\x28\xb5\x2f\xfd", "compressed with zstd: decompress it first"],
  ["\x89HDF", "an HDF5 file: write its table as CSV"],
  ["\x80\x04", "a Python pickle: write its table as CSV"],
  ["\x80\x05", "a Python pickle: write its table as CSV"],
  [":W&B", "a W&B record, not text"],
];

const byteOrder = (bytes: Uint8Array): "utf-16le" | "utf-16be" | null => {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  // Without a mark: every second byte of ASCII text is zero.
  const sample = bytes.subarray(0, 64);
  if (sample.length < 4 || sample.length % 2 > 0) return null;
  const zeros = (offset: number) => sample.every((byte, i) => i % 2 !== offset || byte === 0);
  return zeros(1) && !sample.some((byte, i) => i % 2 === 0 && byte === 0)
    ? "utf-16le"
    : zeros(0) && !sample.some((byte, i) => i % 2 === 1 && byte === 0)
      ? "utf-16be"
      : null;
};

function isAscii(bytes: Uint8Array): boolean {
  let all = 0;
  for (let i = 0; i < bytes.length; i++) all |= bytes[i]!;
  return all < 128;
}

/** UTF-8 without a byte order mark; UTF-16 becomes it. */
function asUtf8(source: string | Uint8Array): Uint8Array {
  if (typeof source === "string") return utf8.encode(source.replace(/^\uFEFF/, ""));
  for (const [beginning, what] of binaries)
    if ([...beginning].every((letter, i) => source[i] === letter.charCodeAt(0)))
      throw new DataError(`the file is ${what}`);
  const order = byteOrder(source);
  if (order !== null) return utf8.encode(new TextDecoder(order).decode(source));
  const bytes = source[0] === 0xef && source[1] === 0xbb && source[2] === 0xbf ? source.subarray(3) : source;
  try {
    // Throws for what isn't UTF-8; pieces keep the memory small, and those of ASCII at the beginning need no look.
    const strict = new TextDecoder("utf-8", { fatal: true });
    let inside = false;
    for (let at = 0; at < bytes.length; at += 1 << 16) {
      const piece = bytes.subarray(at, at + (1 << 16));
      if (!inside && isAscii(piece)) continue;
      inside = true;
      strict.decode(piece, { stream: true });
    }
    strict.decode();
  } catch (error) {
    throw new DataError("the file is neither UTF-8 nor UTF-16: save it as CSV in UTF-8", { cause: error });
  }
  return bytes;
}

/** Beginning of the first line that is neither empty nor a comment, and the comment line before it. */
function findHeader(text: string): { start: number; comment: string | null } {
  let start = 0;
  let comment: string | null = null;
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) comment = line.replace(/^#+/, "").trim() || comment;
    else if (line.trim() !== "") break;
    start += line.length + 1;
  }
  return { start, comment };
}

const delimiters = [",", ";", "\t", "|"];

/** Cells of a line, quotation marks respected: for finding out about it only. */
function roughCells(line: string, delimiter: string): string[] {
  const cells = [""];
  let open = false;
  for (const letter of line) {
    if (letter === '"') open = !open;
    if (letter === delimiter && !open) cells.push("");
    else cells[cells.length - 1] += letter;
  }
  return cells.map((cell) => cell.trim());
}

/** The delimiter that splits the header, and the lines after it into as many cells, or null. */
function findDelimiter(lines: readonly string[]): string | null {
  const scored = delimiters
    .map((delimiter) => {
      const [width, ...others] = lines.map((line) => roughCells(line, delimiter).length) as [
        number,
        ...number[],
      ];
      const even = others.filter((count) => count === width || count === width + 1).length;
      return { delimiter, width, share: others.length === 0 ? 1 : even / others.length };
    })
    .filter(({ width }) => width > 1)
    .sort((a, b) => Number(b.share >= 0.5) - Number(a.share >= 0.5) || b.width - a.width);
  return scored[0]?.delimiter ?? null;
}

/**
 * Reads a table from text in the forms that people have: separated by commas, semicolons, tabs or bars, aligned by spaces, drawn (Markdown,
 * psql), JSON in several shapes, or JSON lines. Bytes may be UTF-8 or UTF-16.
 *
 * @throws DataError if it's no table
 *
 * @example
 * ```ts
 * const table = readTable("| lr | loss |\n|---|---|\n| 0.001 | 3.2 |\n");
 * table.columns.map(({ name }) => name); // => ["lr", "loss"]
 * table.columns[1]!.text(0); // => "3.2"
 * ```
 */
export function readTable(source: string | Uint8Array): Table {
  const bytes = asUtf8(source);
  const beginning = new TextDecoder().decode(bytes.subarray(0, 1 << 16));
  if (beginning.includes("\0")) throw new DataError("the file isn't text: it holds NUL characters");
  if (beginning.trim() === "" && bytes.length < 1 << 16)
    throw new DataError("the file is empty: expected a header and one row per run");
  if (/^\s*[[{]/.test(beginning)) {
    const json = readJson(new TextDecoder().decode(bytes));
    if (json !== null) return json;
  }
  const { start, comment } = findHeader(beginning);
  const lines = beginning
    .slice(start)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .slice(0, 20);
  const complete = bytes.length <= 1 << 16 || lines.length === 20;
  if (!complete) throw new DataError("the first lines are longer than those of any table of runs");
  if (lines.length === 0)
    throw new DataError("the file holds comments only: expected a header and one row per run");
  const aligned = readAligned(() => new TextDecoder().decode(bytes), lines);
  if (aligned !== null) return aligned;
  const delimiter = findDelimiter(lines);
  if (delimiter === null) {
    const one = lines[0]!.trim();
    throw new DataError(
      `the file is no table: its first line, ${JSON.stringify(one.slice(0, 60))}, has one column; expected names of columns separated by commas, semicolons, tabs, bars or spaces, or JSON`,
    );
  }
  const first = roughCells(lines[0]!, delimiter);
  // NumPy's savetxt writes the header as a comment.
  const said = comment === null ? [] : roughCells(comment, delimiter);
  const numeric = first.every((cell) => isPlainNumber(cell.replaceAll('"', "")));
  const offset = utf8.encode(beginning.slice(0, start)).length;
  if (numeric && said.length === first.length) return readDelimited(bytes, delimiter, offset, said);
  if (numeric)
    throw new DataError(
      `the first line holds numbers only (${first.slice(0, 4).join(", ")}): expected names of columns`,
    );
  const table = readDelimited(bytes, delimiter, offset);
  if (table.length === 0)
    throw new DataError(
      `the file has a header and no rows; columns: ${first.map((name) => JSON.stringify(name.replaceAll('"', ""))).join(", ")}`,
    );
  return table;
}

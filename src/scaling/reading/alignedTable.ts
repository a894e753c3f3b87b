import { DataError } from "../../errors.ts";
import { isPlainNumber, ListColumn, makeTable, type Table } from "./table.ts";

/** A line of a drawn frame: `|---|:-:|`, `+-----+`, `├──┼──┤`, `=== ===`. */
const frame = /^[\s|+\-:=─━═┄│┃║┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╭╮╰╯┏┓┗┛┣┫┳┻╋┡┩╇╈┢┪┠┨┯┷┿╞╡╪╤╧╟╢╫╥╨]+$/;
const bars = /[|│┃║]/;

const clean = (cell: string) =>
  cell
    .trim()
    .replace(/^(\*\*|__|`)(.*)\1$/, "$2")
    .replace(/\\([|_*])/g, "$1")
    .trim();

function barCells(line: string): string[] {
  const parts = line.trim().split(/(?<!\\)[|│┃║]/);
  if (parts[0]!.trim() === "" && bars.test(line.trim()[0]!)) parts.shift();
  if (parts.length > 1 && parts.at(-1)!.trim() === "" && bars.test(line.trim().at(-1)!)) parts.pop();
  return parts.map(clean);
}

function fromRows(rows: readonly (readonly string[])[]): Table {
  const [header, ...body] = rows as [readonly string[], ...(readonly string[])[]];
  body.forEach((cells, i) => {
    if (cells.length !== header.length)
      throw new DataError(`row ${i + 2} has ${cells.length} fields, the header has ${header.length}`);
  });
  if (body.length === 0)
    throw new DataError(
      `the file has a header and no rows; columns: ${header.map((name) => JSON.stringify(name)).join(", ")}`,
    );
  return makeTable(
    header.map(
      (name, i) =>
        new ListColumn(
          name,
          body.map((cells) => cells[i]!),
        ),
    ),
    body.length,
  );
}

/**
 * Reads a table that is drawn or aligned: Markdown, psql's and other frames, columns apart by two spaces or more, or by one where that comes
 * out even (pandas, `column -t`).
 *
 * @param text - all of the text, read if it is such a table
 * @param lines - its first lines that aren't empty or comments
 * @returns null if it isn't
 */
export function readAligned(text: () => string, lines: readonly string[]): Table | null {
  const all = () =>
    text()
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const framed = lines.some((line) => frame.test(line) && /[-─━═=]{2}/.test(line));
  if (framed && lines.some((line) => bars.test(line) && !frame.test(line))) {
    // Text around a table that was copied is no part of it.
    const rows = all().filter((line) => bars.test(line) && !frame.test(line));
    return fromRows(rows.map(barCells));
  }
  if (lines.some((line) => /[,;\t|]/.test(line)) || lines.length < 2) return null;
  for (const gap of [/\s{2,}/, /\s+/]) {
    const split = (line: string) => line.trim().split(gap).map(clean);
    const bare = lines.filter((line) => !frame.test(line));
    const [width, ...others] = bare.map((line) => split(line).length) as [number, ...number[]];
    const index = others.length > 0 && others.every((count) => count === width + 1);
    if (
      (width > 1 && others.length > 0 && others.every((count) => count === width)) ||
      (index && width > 1)
    ) {
      const rows = all()
        .filter((line) => !frame.test(line) && !/^\[\d+ rows x \d+ columns\]$/.test(line.trim()))
        .map(split);
      if (rows[0]!.every(isPlainNumber)) return null;
      // pandas prints its index without a name.
      if (index) rows[0] = ["", ...rows[0]!];
      return fromRows(rows);
    }
  }
  return null;
}

import Papa from "papaparse";
import { DataError } from "../../errors.ts";
import { readText } from "./readText.ts";
import type { DataRecord } from "./record.ts";
import { namedFormat } from "./sourceFormat.ts";

/** No record is longer: a quotation mark that is never closed would take the whole file for one. */
const maxRecordLength = 1 << 28;

/** The text of a record without its line end, and the line that it begins in, from 1. */
interface RecordText {
  readonly line: number;
  readonly text: string;
}

const withoutReturn = (text: string) => (text.endsWith("\r") ? text.slice(0, -1) : text);

/** The records of a file by the megabyte. Line ends inside of quotation marks end none. */
async function* recordTexts(file: string): AsyncGenerator<readonly RecordText[]> {
  let rest = "";
  let isQuoted = false;
  // Of the record that has begun, and of the place where the search is.
  let [firstLine, line] = [1, 1];
  for await (const chunk of readText(file)) {
    const text = rest + chunk;
    const records: RecordText[] = [];
    let start = 0;
    for (let place = rest.length; place < text.length; place++) {
      const code = text.charCodeAt(place);
      if (code === 0x22) isQuoted = !isQuoted;
      if (code !== 0x0a) continue;
      line++;
      if (isQuoted) continue;
      records.push({ line: firstLine, text: withoutReturn(text.slice(start, place)) });
      start = place + 1;
      firstLine = line;
    }
    rest = text.slice(start);
    if (rest.length > maxRecordLength)
      throw new DataError(`${file}: line ${firstLine}: the record that begins here has no end for 256 MiB`);
    yield records;
  }
  if (isQuoted)
    throw new DataError(
      `${file}: line ${firstLine}: the record that begins here is cut off inside of quotation marks`,
    );
  yield [{ line: firstLine, text: withoutReturn(rest) }];
}

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

async function* csvRows(file: string): AsyncGenerator<Row> {
  const { delimiter } = namedFormat(file);
  for await (const texts of recordTexts(file)) {
    const records = texts.filter(({ text }) => text.trim() !== "");
    if (records.length === 0) continue;
    const { data, errors } = Papa.parse<string[]>(records.map(({ text }) => text).join("\n"), {
      delimiter,
      newline: "\n",
    });
    const problem = errors[0];
    if (problem !== undefined || data.length !== records.length) {
      const line = records[problem?.row ?? 0]?.line ?? records[0]!.line;
      throw new DataError(
        `${file}: line ${line} is not CSV: ${problem?.message ?? "misplaced quotation marks"}`,
      );
    }
    for (const [i, cells] of data.entries()) yield { line: records[i]!.line, cells };
  }
}

/**
 * Rows of a CSV (RFC 4180, with tabs for `.tsv`) whose first one names the columns; empty lines are passed over.
 *
 * @throws DataError naming the column that isn't there, or the line of a row that isn't as long as the first one
 */
export async function* csvRecords(
  file: string,
  fields: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<DataRecord> {
  const all = [...fields, ...optional];
  let numColumns: number | null = null;
  let places: readonly number[] = [];
  for await (const { line, cells } of csvRows(file)) {
    if (numColumns === null) {
      numColumns = cells.length;
      places = all.map((field) => cells.indexOf(field));
      all.forEach((field, i) => {
        if (places[i] === -1 && i < fields.length)
          throw new DataError(`${file}: has no column "${field}"; its columns are ${cells.join(", ")}`);
        if (cells.lastIndexOf(field) !== places[i])
          throw new DataError(`${file}: has more than one column "${field}"`);
      });
      continue;
    }
    const where = `${file}: line ${line}`;
    if (cells.length !== numColumns)
      throw new DataError(`${where} has ${cells.length} cells, expected ${numColumns} as in the first line`);
    yield { where, key: `${file}:${line}`, values: places.map((place) => cells[place]) };
  }
}

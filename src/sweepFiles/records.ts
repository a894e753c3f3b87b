import { getOwn, setOwn } from "../reservedNames.ts";
import { ListColumn, makeTable, type Table } from "../scaling/index.ts";

/** A run, or one moment of it, by the names of its values. */
export type RunRecord = Readonly<Record<string, string>>;

/** A table of records; a cell is empty where a record lacks the name. */
export function tableOfRecords(records: readonly RunRecord[], where: string): Table {
  const names = new Set<string>();
  for (const record of records) for (const name of Object.keys(record)) names.add(name);
  const columns = [...names].map(
    (name) =>
      new ListColumn(
        name,
        records.map((record) => getOwn(record, name) ?? ""),
      ),
  );
  return makeTable(columns, records.length, { place: (row) => `entry ${row + 1} of ${where}` });
}

/** A value of a configuration as a cell; nested ones by paths with dots. */
export function flattenInto(record: Record<string, string>, path: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value))
      flattenInto(record, path === "" ? key : `${path}.${key}`, inner);
  } else if (value !== undefined)
    setOwn(
      record,
      path,
      value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value),
    );
}

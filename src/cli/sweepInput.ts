import { ConfigError } from "../errors.ts";
import { readSweep, type SweepTable } from "../scaling/index.ts";
import { openSweepFiles } from "../sweepFiles/index.ts";
import { table } from "./format.ts";
import { type ReadFlags, readOptions } from "./readOptions.ts";

/** What the command is told about its input. */
export interface SweepInputFlags extends ReadFlags {
  /** A sweep of the store in place of files. */
  readonly sweep?: string;
  readonly home: string;
}

/**
 * Reads the sweep that a command is given: files, or one of the store.
 *
 * @param by - columns that the rows keep whatever else they're taken for
 * @throws DataError if it can't be read or used; ConfigError for an impossible option
 */
export async function readSweepInput(
  files: readonly string[],
  flags: SweepInputFlags,
  by: readonly string[] = [],
): Promise<SweepTable> {
  if ((files.length === 0) === (flags.sweep === undefined))
    throw new ConfigError("fit: expected files or --sweep <sweep>, and not both");
  const options = readOptions(flags, by);
  // Loaded only for it: a table of files needs no store.
  const sources =
    flags.sweep === undefined
      ? await openSweepFiles(files)
      : [await (await import("./storedSweep.ts")).storedSweep(flags.sweep, flags.home)];
  return readSweep(sources, options);
}

/** Where rows and columns went, as text. */
export function explanationText({ explanation, where }: SweepTable): string {
  const columns = explanation.columns.map(({ column, use }) => [`  ${JSON.stringify(column)}`, use]);
  const rows = explanation.rows.map(({ fate, count, places }) => [
    `  ${count}`,
    fate,
    count === 0 ? "" : `${places.join(", ")}${places.length === 12 ? ", …" : ""}`,
  ]);
  return [
    `Columns\n\n${table(columns)}`,
    ...(where.length > 0 ? [`Conditions\n\n${where.map((condition) => `  ${condition}`).join("\n")}`] : []),
    `Rows\n\n${table(rows)}`,
  ].join("\n\n");
}

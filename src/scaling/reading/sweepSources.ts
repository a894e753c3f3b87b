import { DataError } from "../../errors.ts";
import { readTable } from "./readTable.ts";
import { ConstantColumn, joinTables, makeTable, type Table } from "./table.ts";
import { meltWide } from "./wideTable.ts";

/** A table in any of the forms that `readTable` reads, with the name of its file where there are several. */
export interface SweepSource {
  readonly name: string;
  readonly content: string | Uint8Array | Table;
  /** What holds for all of its rows: settings that stand beside the file. */
  readonly constants?: Readonly<Record<string, string>>;
  /** Whether the file is the history of one run. */
  readonly oneRun?: boolean;
  /** Which metrics are maximised, where a store says so whatever their names. */
  readonly directions?: Readonly<Record<string, "minimize" | "maximize">>;
}

/** The column that says which file a row comes from, where there are several. */
export const fileColumn = "file";

const isTable = (content: SweepSource["content"]): content is Table =>
  typeof content === "object" && "columns" in content;

/** A wide table becomes a long one; one with a column for the learning rate and one for the batch size is long already. */
function melted(table: Table, metric: string): Table {
  const numeric = table.columns.filter(({ name }) => /\d/.test(name)).length;
  return numeric < 2 ? table : (meltWide(table, metric) ?? table);
}

/**
 * Reads all sources as one table.
 *
 * @param metric - what the cells of a wide table hold
 * @throws DataError naming the source that is no table
 */
export function tableOf(sources: readonly SweepSource[], metric: string): Table {
  const tables = sources.map(({ name, content, constants = {} }): Table => {
    const named = (what: string) => (sources.length > 1 ? `${name}: ${what}` : what);
    let table: Table;
    try {
      table = isTable(content) ? content : readTable(content);
      table = melted(table, metric);
    } catch (error) {
      if (error instanceof DataError && sources.length > 1)
        throw new DataError(`${name}: ${error.message}`, { cause: error });
      throw error;
    }
    const added = Object.entries({ ...constants, ...(sources.length > 1 && { [fileColumn]: name }) })
      .filter(([key]) => !table.columns.some((column) => column.name === key))
      .map(([key, text]) => new ConstantColumn(key, table.length, text));
    if (added.length === 0 && sources.length === 1) return table;
    return makeTable([...table.columns, ...added], table.length, {
      ...table,
      place: (row) => named(table.place(row)),
    });
  });
  return joinTables(tables);
}

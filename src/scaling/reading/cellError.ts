import { DataError } from "../../errors.ts";
import { fields, type SweepField } from "./fields.ts";
import { valuesOf } from "./fieldValues.ts";
import type { FieldSource } from "./findFields.ts";
import type { SayMend } from "./mend.ts";
import type { DecimalSign } from "./quantity.ts";
import type { Table } from "./table.ts";

/** Whether a cell says that there is nothing. */
export const isNothing = (text: string) => /^(|none|null|na|n\/a|nan|-|<na>)$/i.test(text);

/** @throws DataError: a cell that can't be used, with its place, what is allowed, and how to name another column */
export function failCell(
  table: Table,
  row: number,
  field: SweepField,
  source: FieldSource,
  sign: DecimalSign,
  say: SayMend,
): never {
  const { allowed, spoken } = fields[field];
  const column = source.columns[0]!;
  const text = column.text(row);
  const place = `${table.place(row)}, column ${JSON.stringify(column.name)}: ${JSON.stringify(text)}`;
  if (source.expression !== null || source.columns.length > 1)
    throw new DataError(`${place}: ${source.name} is ${valuesOf(source, sign)[row]}: expected ${allowed}`);
  const mend =
    field === "learningRate" || field === "batchSize" || field === "loss"
      ? say({ kind: "column", field })
      : say({ kind: "column", field, column: "none" });
  throw new DataError(`${place}: expected ${allowed}; another column as the ${spoken}: ${mend}`);
}

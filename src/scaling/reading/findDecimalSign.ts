import { DataError } from "../../errors.ts";
import type { SayMend } from "./mend.ts";
import { type DecimalSign, decimalSign } from "./quantity.ts";
import type { Column, Table } from "./table.ts";

/**
 * Decides how the numbers of some columns are written; texts with commas between digits alone raise the question.
 *
 * @throws DataError if they leave it open
 */
export function findDecimalSign(
  table: Table,
  columns: readonly Column[],
  say: SayMend,
  notes: string[],
): DecimalSign {
  const texts: string[] = [];
  const doubtful: { column: Column; text: string }[] = [];
  for (const column of columns) {
    const plain = column.numbers();
    for (let row = 0, looked = 0; row < column.length && looked < 200; row++) {
      if (!Number.isNaN(plain[row]!)) continue;
      const text = column.text(row);
      if (!/\d,\d|^,\d/.test(text)) continue;
      looked++;
      texts.push(text);
      doubtful.push({ column, text });
    }
  }
  if (texts.length === 0) return ".";
  for (const column of table.columns)
    for (let row = 0; row < Math.min(20, column.length); row++) texts.push(column.text(row));
  const sign = decimalSign(texts);
  if (sign === ",") {
    notes.push("numbers are written with decimal commas");
    return ",";
  }
  if (sign === ".") return ".";
  // 16,384 in a batch size is sixteen thousand; nobody has a batch of 16.4.
  const { column, text } =
    doubtful.find(({ column: other }) => !/batch|bs|tokens|steps|param/i.test(other.name)) ?? {};
  if (column !== undefined && text !== undefined)
    throw new DataError(
      `column ${JSON.stringify(column.name)}: ${JSON.stringify(text)} may have a decimal comma or a thousands separator: ${say({ kind: "decimal", sign: "," })} or ${say({ kind: "decimal", sign: "." })}`,
    );
  return ".";
}

import type { Column, Table } from "./table.ts";

/** Rows that are equal to an earlier one in all columns but `except`. */
export function findDuplicates(table: Table, rows: readonly number[], except: string): Set<number> {
  const columns = table.columns.filter(({ name }) => name !== except);
  if (columns.some((column) => column.isUnique())) return new Set();
  const { hashes, equal } =
    table.rows === undefined
      ? byCells(columns, table.length, rows)
      : { hashes: table.rows.hashes(), equal: table.rows.equal };
  let mask = 1023;
  while (mask < 2 * rows.length) mask = 2 * mask + 1;
  const slots = new Int32Array(mask + 1).fill(-1);
  const duplicates = new Set<number>();
  for (const row of rows) {
    let slot = (hashes[row]! ^ (hashes[row]! >>> 15)) & mask;
    for (; slots[slot]! >= 0; slot = (slot + 1) & mask) {
      if (hashes[slots[slot]!] === hashes[row] && equal(slots[slot]!, row)) {
        duplicates.add(row);
        break;
      }
    }
    if (slots[slot]! < 0) slots[slot] = row;
  }
  return duplicates;
}

function byCells(columns: readonly Column[], length: number, rows: readonly number[]) {
  const hashes = new Int32Array(length).fill(0x811c9dc5 | 0);
  for (const column of columns) {
    const { codes } = column.coded();
    for (const row of rows)
      hashes[row] = Math.imul(hashes[row]! ^ codes[row]!, 0x01000193) ^ (hashes[row]! >>> 13);
  }
  const equal = (a: number, b: number) =>
    columns.every((column) => column.coded().codes[a] === column.coded().codes[b]);
  return { hashes, equal };
}

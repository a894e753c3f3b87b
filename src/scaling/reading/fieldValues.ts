import { type Losses, quantities, readLosses } from "./cells.ts";
import type { EffectiveBatch } from "./effectiveBatch.ts";
import type { FieldSource } from "./findFields.ts";
import type { DecimalSign } from "./quantity.ts";

/** Values of a field in all rows; NaN where a cell holds none. */
export function valuesOf(source: FieldSource, sign: DecimalSign): Float64Array {
  const parts = source.columns.map((column) => quantities(column, sign));
  if (source.expression === null) return parts[0]!;
  const cells = new Float64Array(parts.length);
  return Float64Array.from({ length: parts[0]!.length }, (_, row) => {
    for (let i = 0; i < parts.length; i++) cells[i] = parts[i]![row]!;
    return source.expression!.evaluate(cells);
  });
}

/** Batch sizes of an update, all devices and accumulated steps together. */
export function batchSizesOf(
  source: FieldSource,
  { times, over }: EffectiveBatch,
  sign: DecimalSign,
): Float64Array {
  const own = valuesOf(source, sign);
  if (times.length + over.length === 0) return own;
  const batches = own.slice();
  for (const column of times) {
    const factors = quantities(column, sign);
    for (let row = 0; row < batches.length; row++) batches[row]! *= factors[row]!;
  }
  for (const column of over) {
    const divisors = quantities(column, sign);
    for (let row = 0; row < batches.length; row++) batches[row]! /= divisors[row]!;
  }
  return batches;
}

/** Losses of all rows. A formula has one where its columns have one; else what the first of them says. */
export function lossesOf(source: FieldSource, sign: DecimalSign): Losses {
  if (source.expression === null) return readLosses(source.columns[0]!, sign);
  const parts = source.columns.map((column) => readLosses(column, sign));
  const values = valuesOf(source, sign);
  const kinds = new Uint8Array(values.length);
  for (let row = 0; row < values.length; row++) {
    kinds[row] =
      parts.find((part) => part.kinds[row] !== 0)?.kinds[row] ?? (Number.isFinite(values[row]!) ? 0 : 1);
    if (kinds[row] !== 0) values[row] = Number.NaN;
  }
  return { values, kinds };
}

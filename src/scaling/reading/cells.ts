import { type DecimalSign, parseQuantity } from "./quantity.ts";
import { lossMark, overflow } from "./statusWords.ts";
import type { Column } from "./table.ts";

/** Cells of a column as numbers; NaN where a cell holds none. */
export function quantities(column: Column, sign: DecimalSign): Float64Array {
  const plain = column.numbers();
  const known = new Map<string, number>();
  let values = plain;
  for (let row = 0; row < plain.length; row++) {
    if (sign === "." && !Number.isNaN(plain[row]!)) continue;
    const text = column.text(row);
    let value = known.get(text);
    if (value === undefined) {
      value = parseQuantity(text, sign);
      known.set(text, value);
    }
    if (Object.is(value, plain[row])) continue;
    if (values === plain) values = plain.slice();
    values[row] = value;
  }
  return values;
}

/** What a cell of losses holds. */
export const lossKinds = ["number", "diverged", "out of memory", "none", "unreadable"] as const;
export type LossKind = (typeof lossKinds)[number];

export interface Losses {
  readonly values: Float64Array;
  /** Places among `lossKinds`. */
  readonly kinds: Uint8Array;
}

/** Losses of a column: numbers, what stands in their place, overflows. */
export function readLosses(column: Column, sign: DecimalSign): Losses {
  const read = quantities(column, sign);
  let values = read;
  const kinds = new Uint8Array(values.length);
  const known = new Map<string, number>();
  for (let row = 0; row < values.length; row++) {
    if (Math.abs(values[row]!) < overflow) continue;
    if (Number.isNaN(values[row]!)) {
      const text = column.text(row);
      let kind = known.get(text);
      if (kind === undefined) {
        const mark = lossMark(text);
        kind = lossKinds.indexOf(mark ?? "unreadable");
        known.set(text, kind);
      }
      kinds[row] = kind;
    } else {
      kinds[row] = lossKinds.indexOf("diverged");
      // The column's own numbers stay as they are.
      if (values === read) values = read.slice();
      values[row] = Number.NaN;
    }
  }
  return { values, kinds };
}

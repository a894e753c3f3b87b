import { quantities } from "./cells.ts";
import { deviationWords, type FieldSource, findSpread } from "./findFields.ts";
import type { DecimalSign } from "./quantity.ts";
import type { Column } from "./table.ts";

/** Standard deviations over seeds with their number give standard errors of a loss; null where there are none. */
export function seedSpread(
  columns: readonly Column[],
  loss: FieldSource,
  sign: DecimalSign,
  notes: string[],
): ((row: number) => number) | null {
  const deviation = findSpread(columns, loss.columns[0]!.name, deviationWords);
  if (deviation === null) return null;
  const count = columns.find(({ name }) =>
    /^(n|n_?seeds|num_?seeds|n_?runs|num_?runs|count|repeats|n_?repeats|samples|n_?trials)$/i.test(
      name.trim(),
    ),
  );
  if (count === undefined) {
    notes.push(
      `${JSON.stringify(deviation.name)} is a standard deviation and no column tells of how many runs: not used as the error of the loss`,
    );
    return null;
  }
  const [deviations, counts] = [quantities(deviation, sign), quantities(count, sign)];
  notes.push(`the error of the loss is ${JSON.stringify(deviation.name)} / √${JSON.stringify(count.name)}`);
  return (row) => deviations[row]! / Math.sqrt(counts[row]!);
}

import { DataError } from "../../errors.ts";
import { normalizedName } from "./columnName.ts";
import { fields } from "./fields.ts";
import { parseQuantity } from "./quantity.ts";
import { type Column, ListColumn, makeTable, type Table } from "./table.ts";

type Axis = "learningRate" | "batchSize";

const isNamed = (name: string, axis: Axis) => fields[axis].names.flat().some((known) => known === name);

/** `lr=0.001`, `bs16`, `batch size 16`, `16`, `2^4`: the number, and the axis if the name says it. */
function headed(name: string): { value: number; axis: Axis | null } | null {
  const plain = parseQuantity(name);
  if (plain > 0) return { value: plain, axis: null };
  const split = /^(.*?[^\d.\s=:_/-]?)[\s=:_/-]*((?:\d|\.\d).*)$/.exec(name.trim());
  if (split === null) return null;
  const value = parseQuantity(split[2]!);
  const word = normalizedName(split[1]!);
  if (!(value > 0)) return null;
  for (const axis of ["learningRate", "batchSize"] as const) if (isNamed(word, axis)) return { value, axis };
  return null;
}

const otherAxis = { learningRate: "batchSize", batchSize: "learningRate" } as const;
const axisName = { learningRate: "learning_rate", batchSize: "batch_size" } as const;

/**
 * A table with a column for each learning rate or batch size, and losses in its cells, becomes one row a run. Other columns go along.
 *
 * @param metric - what the cells hold
 * @returns null if it's no such table
 * @throws DataError if nothing says which of the two the columns are
 */
export function meltWide(table: Table, metric: string): Table | null {
  const heads = table.columns.map((column) => ({ column, head: headed(column.name) }));
  const across = heads.flatMap(({ column, head }) => (head === null ? [] : [{ column, ...head }]));
  const along = heads.filter(({ head }) => head === null).map(({ column }) => column);
  if (across.length < 2 || along.length === 0) return null;
  const cornered = along.find(({ name }) => axesOf(name).length > 0);
  const named = cornered === undefined ? [] : axesOf(cornered.name);
  const said = across.find(({ axis }) => axis !== null)?.axis ?? null;
  // "lr \ batch_size": the first goes down, the second across.
  let down: Axis | null = named[0] ?? (said === null ? null : otherAxis[said]);
  if (down !== null && said === down) return null;
  const key = cornered ?? (along[0]!.name === "" || along.length === 1 ? along[0]! : null);
  const notes: string[] = [];
  if (down === null && key !== null) {
    const small = (values: readonly number[]) => values.every((value) => value > 0 && value < 1);
    const whole = (values: readonly number[]) =>
      values.every((value) => value >= 1 && Number.isInteger(value));
    const left = Array.from({ length: table.length }, (_, row) => parseQuantity(key!.text(row)));
    const top = across.map(({ value }) => value);
    if (small(left) && whole(top)) down = "learningRate";
    else if (whole(left) && small(top)) down = "batchSize";
  }
  if (down === null || key === null)
    throw new DataError(
      `the columns ${across
        .slice(0, 3)
        .map(({ column }) => JSON.stringify(column.name))
        .join(
          ", ",
        )} … look like one column for each learning rate or batch size: name the first column lr or batch_size, whichever goes down`,
    );
  notes.push(
    `a column for each ${fields[otherAxis[down]].spoken} (${across[0]!.column.name} to ${across.at(-1)!.column.name}): each cell was read as the ${metric} of one run`,
  );
  const rest = along.filter((column) => column !== key);
  const list = (name: string, cell: (row: number, place: number) => string): Column =>
    new ListColumn(
      name,
      Array.from({ length: table.length * across.length }, (_, i) =>
        cell(Math.floor(i / across.length), i % across.length),
      ),
    );
  return makeTable(
    [
      list(axesOf(key.name).length === 1 ? key.name : axisName[down], (row) => key!.text(row)),
      list(axisName[otherAxis[down]], (_, place) => String(across[place]!.value)),
      list(metric, (row, place) => across[place]!.column.text(row)),
      ...rest.map((column) => list(column.name, (row) => column.text(row))),
    ],
    table.length * across.length,
    {
      delimiter: table.delimiter,
      place: (row) =>
        `${table.place(Math.floor(row / across.length))}, column ${JSON.stringify(across[row % across.length]!.column.name)}`,
      notes: [...table.notes, ...notes],
    },
  );
}

/** The axes that a name holds, in its order: `lr`, `batch size`, `lr/bs`. */
function axesOf(name: string): Axis[] {
  const whole = normalizedName(name);
  for (const axis of ["learningRate", "batchSize"] as const) if (isNamed(whole, axis)) return [axis];
  const parts = name
    .split(/[\\/|↓→,]|\bvs\.?\b|\bby\b/)
    .map(normalizedName)
    .filter((part) => part !== "");
  const axes = parts.flatMap((part) =>
    (["learningRate", "batchSize"] as const).filter((axis) => isNamed(part, axis)),
  );
  return axes.length === parts.length ? axes : [];
}

import { lossKinds } from "./cells.ts";
import { normalizedName } from "./columnName.ts";
import type { Column } from "./table.ts";

/** Which rows of a run count: the last one with a loss, the one with the best, the mean of the last tenth, or each as a run. */
export type HistoryChoice = "last" | "best" | "mean" | "rows";

const runNames = [
  "run_id",
  "run",
  "run_name",
  "runid",
  "trial_id",
  "trial",
  "trial_name",
  "experiment_id",
  "exp_id",
  "exp_name",
  "experiment_name",
  "experiment",
  "job_id",
  "uuid",
  "id",
  "name",
  "run_uuid",
  "version",
  "runs",
  "run_number",
];
const stepNames = [
  "step",
  "global_step",
  "steps",
  "training_iteration",
  "iteration",
  "iterations",
  "iter",
  "iters",
  "train_step",
  "trainer_global_step",
  "update",
  "num_updates",
  "updates",
  "epoch",
  "epochs",
  "timestep",
  "timesteps",
  "tokens_seen",
  "samples_seen",
  "consumed_tokens",
];
/** Names that are the moment within a run for certain: `steps` and `epochs` may be budgets. */
const momentNames = new Set([
  "step",
  "global_step",
  "training_iteration",
  "iteration",
  "iter",
  "train_step",
  "trainer_global_step",
  "update",
  "epoch",
  "timestep",
  "tokens_seen",
  "samples_seen",
  "consumed_tokens",
]);

/** Moments that aren't counted in updates. */
const otherUnits = new Set(["epoch", "epochs", "tokens_seen", "samples_seen", "consumed_tokens"]);

function find(columns: readonly Column[], names: readonly string[]): Column | null {
  for (const name of names) {
    const column = columns.find((candidate) => normalizedName(candidate.name) === name);
    if (column !== undefined) return column;
  }
  return null;
}

export const findRunColumn = (columns: readonly Column[]) => find(columns, runNames);
export const findStepColumn = (columns: readonly Column[]) => find(columns, stepNames);
export const isRunName = (name: string) => runNames.includes(normalizedName(name));
export const countsSteps = (name: string) => !otherUnits.has(normalizedName(name));
export const isMomentName = (name: string) => momentNames.has(normalizedName(name));

/** Runs as lists of their rows, in the order of their steps. */
export type Runs = readonly (readonly number[])[];

/** Rows with the same codes in all columns, in the order in which they first come. */
export function groupByColumns(rows: readonly number[], columns: readonly Column[]): number[][] {
  let ids = new Map<number, number>();
  let codes = new Float64Array(rows.length);
  for (const column of columns) {
    const coded = column.coded();
    ids = new Map();
    const next = new Float64Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const key = codes[i]! * coded.count + coded.codes[rows[i]!]!;
      let id = ids.get(key);
      if (id === undefined) {
        id = ids.size;
        ids.set(key, id);
      }
      next[i] = id;
    }
    codes = next;
  }
  const groups: number[][] = [];
  for (let i = 0; i < rows.length; i++) {
    const group = groups[codes[i]!];
    if (group === undefined) groups[codes[i]!] = [rows[i]!];
    else group.push(rows[i]!);
  }
  return groups;
}

/** Whether a number differs between rows of a group, for most groups that have several. */
export function varies(groups: Runs, values: ArrayLike<number>): boolean {
  const several = groups.filter((group) => group.length > 1);
  const differing = several.filter((group) => group.some((row) => values[row] !== values[group[0]!]));
  return several.length > 0 && differing.length >= 0.5 * several.length;
}

/** Whether steps come twice within most groups that have several rows: several runs share the group. */
export function repeats(groups: Runs, steps: ArrayLike<number>): boolean {
  const several = groups.filter((group) => group.length > 1);
  const repeated = several.filter((group) => new Set(group.map((row) => steps[row])).size < group.length);
  return several.length > 0 && repeated.length > 0.1 * several.length;
}

export interface RunEnd {
  /** The row that stands for the run. */
  readonly row: number;
  readonly loss: number;
  /** Place among `lossKinds`. */
  readonly kind: number;
}

/**
 * The loss of a run from its rows in order. Cells without a loss between those that have one weren't logged there; a run ends as diverged if
 * cells without a number follow its last loss for longer than ever before.
 */
export function endOfRun(
  rows: readonly number[],
  losses: { readonly values: Float64Array; readonly kinds: Uint8Array },
  choice: Exclude<HistoryChoice, "rows">,
  maximized: boolean,
): RunEnd {
  const { values, kinds } = losses;
  let lastNumber = -1;
  let gap = 0;
  let longest = 0;
  rows.forEach((row, i) => {
    if (kinds[row] === 0) {
      lastNumber = i;
      longest = Math.max(longest, gap);
      gap = 0;
    } else if (kinds[row] === lossKinds.indexOf("diverged")) gap++;
  });
  if (lastNumber < 0) {
    // Any word about the run is worth more than an empty cell.
    const telling =
      rows.find((row) => kinds[row] === 1) ?? rows.find((row) => kinds[row] === 2) ?? rows.at(-1)!;
    return { row: telling, loss: Number.NaN, kind: kinds[telling]! };
  }
  if (gap > longest) return { row: rows.at(-1)!, loss: Number.NaN, kind: lossKinds.indexOf("diverged") };
  const finite = rows.filter((row) => kinds[row] === 0);
  const last = finite.at(-1)!;
  if (choice === "last") return { row: last, loss: values[last]!, kind: 0 };
  if (choice === "best") {
    const sign = maximized ? -1 : 1;
    const best = finite.reduce((a, b) => (sign * values[b]! < sign * values[a]! ? b : a));
    return { row: best, loss: values[best]!, kind: 0 };
  }
  const tail = finite.slice(-Math.max(3, Math.ceil(finite.length / 10)));
  return { row: last, loss: tail.reduce((sum, row) => sum + values[row]!, 0) / tail.length, kind: 0 };
}

import { DataError } from "../errors.ts";
import type { CurveRuns } from "./learningRateCurve.ts";
import type { SweepRow } from "./sweepRow.ts";

/** Runs of one batch size and ε. */
export interface SweepGroup {
  readonly batchSize: number;
  readonly epsilon: number;
  readonly rows: readonly SweepRow[];
}

export const distinct = <T>(values: readonly T[]) => [...new Set(values)];

/** Equal rows are one run that was exported twice: a loss is never met twice to all its digits. */
export function withoutDuplicates(rows: readonly SweepRow[], warnings: string[]): SweepRow[] {
  const seen = new Set<string>();
  const kept = rows.filter((row) => {
    if (!Number.isFinite(row.loss)) return true;
    const key = [
      row.learningRate,
      row.batchSize,
      row.loss,
      row.epsilon,
      row.seed,
      row.weightDecay,
      row.steps,
    ].join();
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  if (kept.length < rows.length)
    warnings.push(`${rows.length - kept.length} duplicate rows were counted once`);
  return kept;
}

/**
 * Groups by batch size and ε, ascending; groups with fewer than 3 learning rates are left out with a warning.
 *
 * @throws DataError if there is one batch size only, or no group is left
 */
export function groupRows(rows: readonly SweepRow[], warnings: string[]): SweepGroup[] {
  const groups = new Map<string, SweepRow[]>();
  for (const row of rows) {
    const key = `${row.batchSize} ${row.epsilon ?? 0}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const sized = [...groups.values()]
    .map((members) => ({
      batchSize: members[0]!.batchSize,
      epsilon: members[0]!.epsilon ?? 0,
      rows: members,
    }))
    .sort((a, b) => a.epsilon - b.epsilon || a.batchSize - b.batchSize);
  const batches = distinct(sized.map(({ batchSize }) => batchSize));
  if (batches.length < 2) {
    throw new DataError(
      `the sweep has one batch size, ${batches[0]}: expected at least 2, better 4 or more, to see how the best learning rate changes`,
    );
  }
  const usable = sized.filter(({ batchSize, rows: members }) => {
    const rates = distinct(
      members.filter(({ loss }) => Number.isFinite(loss)).map((row) => row.learningRate),
    );
    if (rates.length >= 3) return true;
    warnings.push(
      `batch size ${batchSize} is left out: it has ${rates.length} learning rates with a finite loss, at least 3 are needed`,
    );
    return false;
  });
  if (usable.length === 0) {
    const { batchSize, rows: members } = sized[0]!;
    const count = distinct(members.map(({ learningRate }) => learningRate)).length;
    throw new DataError(
      `no batch size has 3 learning rates with a finite loss (batch size ${batchSize} has ${count} learning rates): expected at least 3, better 5 or more`,
    );
  }
  return usable;
}

/** Warns of rows that look as if they were not of one sweep. */
export function warnOfMixtures(rows: readonly SweepRow[], warnings: string[]): void {
  const batches = distinct(rows.map(({ batchSize }) => batchSize)).sort((a, b) => a - b);
  for (let i = 2; i + 1 < batches.length; i++) {
    if (batches[i]! / batches[i - 1]! >= 64) {
      warnings.push(
        `batch sizes fall into two groups, ${batches[0]} to ${batches[i - 1]} and ${batches[i]} to ${batches.at(-1)}: are some in tokens and others in sequences?`,
      );
    }
  }
  const decays = distinct(rows.map(({ weightDecay }) => weightDecay)).filter((value) => value !== undefined);
  if (decays.length > 1) {
    warnings.push(
      `weight decay takes ${decays.length} values (${decays.slice(0, 4).join(", ")}): they are fitted as one sweep; give one of them for a clean answer`,
    );
  }
  for (const field of ["tokens", "steps"] as const) {
    const perBatch = new Map<number, readonly [least: number, most: number]>();
    for (const row of rows) {
      const value = row[field];
      if (value === undefined || !Number.isFinite(row.loss)) continue;
      const [least, most] = perBatch.get(row.batchSize) ?? [value, value];
      perBatch.set(row.batchSize, [Math.min(least, value), Math.max(most, value)]);
    }
    const mixed = [...perBatch].filter(([, [least, most]]) => most > 1.05 * least);
    if (mixed.length > 0) {
      warnings.push(
        `runs of batch size ${mixed[0]![0]} differ in ${field}: their losses aren't comparable if they stopped early`,
      );
    }
  }
}

/** The runs of a group as a curve over log learning rate. */
export function curveRuns(rows: readonly SweepRow[]): CurveRuns {
  const finite = rows.filter(({ loss }) => Number.isFinite(loss));
  const failed = new Map<number, number>();
  for (const { learningRate, loss } of rows)
    failed.set(learningRate, (failed.get(learningRate) ?? 0) + (Number.isFinite(loss) ? -1 : 1));
  return {
    points: finite.map(({ learningRate, loss }) => ({ x: Math.log(learningRate), loss })),
    diverged: [...failed].filter(([, count]) => count > 0).map(([rate]) => Math.log(rate)),
  };
}

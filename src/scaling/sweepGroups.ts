import { DataError } from "../errors.ts";
import type { CurveRuns } from "./curve/curveRuns.ts";
import { runHasLoss, type SweepRuns } from "./sweepRuns.ts";

/** Runs of one batch size and ε, by their places. */
export interface SweepGroup {
  readonly batchSize: number;
  readonly epsilon: number;
  readonly runs: SweepRuns;
  readonly members: readonly number[];
}

export const distinct = <T>(values: Iterable<T>) => [...new Set(values)];

/** Places of runs by batch size and ε, ascending. */
function sizedGroups(runs: SweepRuns): SweepGroup[] {
  const groups = new Map<number, Map<number, number[]>>();
  for (let run = 0; run < runs.length; run++) {
    const [batchSize, epsilon] = [runs.batchSize[run]!, runs.epsilon?.[run] ?? 0];
    // Without an ε of its own a run has none: 0.
    const key = Number.isNaN(epsilon) ? 0 : epsilon;
    const ofEpsilon = groups.get(key) ?? new Map<number, number[]>();
    groups.set(key, ofEpsilon);
    const members = ofEpsilon.get(batchSize);
    if (members === undefined) ofEpsilon.set(batchSize, [run]);
    else members.push(run);
  }
  return [...groups]
    .flatMap(([epsilon, sizes]) =>
      [...sizes].map(([batchSize, members]) => ({ batchSize, epsilon, runs, members })),
    )
    .sort((a, b) => a.epsilon - b.epsilon || a.batchSize - b.batchSize);
}

/**
 * Groups by batch size and ε, ascending; groups with fewer than 3 learning rates are left out with a warning.
 *
 * @throws DataError if no group is left
 */
export function groupRuns(runs: SweepRuns, warnings: string[]): SweepGroup[] {
  const ratesOf = (members: readonly number[]) => new Set(members.map((run) => runs.learningRate[run]!)).size;
  const sized = sizedGroups(runs);
  const usable = sized.filter(({ batchSize, members }) => {
    const rates = ratesOf(members.filter((run) => runHasLoss(runs, run)));
    if (rates >= 3) return true;
    warnings.push(
      `batch size ${batchSize} is left out: it has ${rates} learning rate${rates === 1 ? "" : "s"} with a finite loss, at least 3 are needed`,
    );
    return false;
  });
  if (usable.length === 0) {
    const { batchSize, members } = sized[0]!;
    throw new DataError(
      `no batch size has 3 learning rates with a finite loss (batch size ${batchSize} has ${ratesOf(members)} learning rates): expected at least 3, better 5 or more`,
    );
  }
  return usable;
}

/** Warns of runs that look as if they were not of one sweep. */
export function warnOfMixtures(runs: SweepRuns, warnings: string[]): void {
  const batches = distinct(runs.batchSize).sort((a, b) => a - b);
  for (let i = 2; i + 1 < batches.length; i++) {
    if (batches[i]! / batches[i - 1]! >= 64) {
      warnings.push(
        `batch sizes fall into two groups, ${batches[0]} to ${batches[i - 1]} and ${batches[i]} to ${batches.at(-1)}: are some in tokens and others in sequences?`,
      );
    }
  }
  const decays = distinct(runs.weightDecay ?? []).filter((value) => !Number.isNaN(value));
  if (decays.length > 1) {
    warnings.push(
      `weight decay takes ${decays.length} values (${decays.slice(0, 4).join(", ")}): they are fitted as one sweep; give one of them for a clean answer`,
    );
  }
}

/** The runs of a group as a curve over log learning rate. */
export function curveRuns({ runs, members }: Pick<SweepGroup, "runs" | "members">): CurveRuns {
  const points: { readonly x: number; readonly loss: number; readonly error?: number }[] = [];
  let largest = Number.NEGATIVE_INFINITY;
  for (const run of members) {
    if (!runHasLoss(runs, run)) continue;
    const rate = runs.learningRate[run]!;
    largest = Math.max(largest, rate);
    const error = runs.standardError?.[run] ?? Number.NaN;
    const point = { x: Math.log(rate), loss: runs.loss[run]! };
    points.push(Number.isNaN(error) ? point : { ...point, error });
  }
  const failed = new Map<number, number>();
  for (const run of members) {
    const rate = runs.learningRate[run]!;
    // Without a loss for an unknown reason: a bound where nothing above finished, otherwise it says nothing.
    if (runs.status?.[run] === 3 && rate <= largest) continue;
    failed.set(rate, (failed.get(rate) ?? 0) + (runHasLoss(runs, run) ? -1 : 1));
  }
  return {
    points,
    diverged: [...failed].filter(([, count]) => count > 0).map(([rate]) => Math.log(rate)),
  };
}

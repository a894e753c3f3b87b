import { max, median, min } from "simple-statistics";
import { runHasLoss, type SweepRuns } from "./sweepRuns.ts";

/** Budgets within this factor are one. */
const equal = 1.1;
/** A drop of the last step or of an incomplete batch makes budgets of batch sizes differ by so much. */
const nearlyEqual = 1.3;

export interface SweepBudgets {
  /** Whether all batch sizes saw the same number of tokens (or samples), so that their losses can be compared; null if the rows don't say. */
  readonly comparable: boolean | null;
  /** That number, in the unit of the batch size times steps, or of the tokens; null if the rows don't say or they differ. */
  readonly budget: number | null;
  readonly warnings: readonly string[];
}

const short = (value: number) => String(Number(value.toPrecision(3)));

/** Finite numbers of runs with a loss, by batch size. */
function byBatch(runs: SweepRuns, of: (run: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (let run = 0; run < runs.length; run++) {
    const value = of(run);
    if (Number.isNaN(value) || !runHasLoss(runs, run)) continue;
    const there = groups.get(runs.batchSize[run]!);
    if (there === undefined) groups.set(runs.batchSize[run]!, [value]);
    else there.push(value);
  }
  return groups;
}

/**
 * Compares how long runs were trained, within batch sizes and between them.
 */
export function compareBudgets(runs: SweepRuns): SweepBudgets {
  const warnings: string[] = [];
  const { tokens, steps } = runs;
  for (const [field, numbers] of [
    ["tokens", tokens],
    ["steps", steps],
  ] as const) {
    if (numbers === null) continue;
    for (const [batchSize, values] of byBatch(runs, (run) => numbers[run]!)) {
      if (max(values) <= equal * min(values)) continue;
      warnings.push(
        `runs of batch size ${batchSize} differ in ${field}: their losses aren't comparable if they stopped early`,
      );
      break;
    }
  }
  const budgetOf = (run: number) => {
    const seen = tokens?.[run] ?? Number.NaN;
    const budget = Number.isNaN(seen) ? (steps?.[run] ?? Number.NaN) * runs.batchSize[run]! : seen;
    return budget > 0 ? budget : Number.NaN;
  };
  const known = tokens === null && steps === null ? [] : [...byBatch(runs, budgetOf)];
  if (known.length === 0) return { comparable: null, budget: null, warnings };
  const perBatch = known
    .map(([batchSize, budgets]) => ({ batchSize, budget: median(budgets) }))
    .sort((a, b) => a.budget - b.budget);
  const [least, most] = [perBatch[0]!, perBatch.at(-1)!];
  const factor = most.budget / least.budget;
  if (factor <= nearlyEqual)
    return { comparable: true, budget: median(perBatch.map(({ budget }) => budget)), warnings };
  warnings.push(
    `token budgets differ ${short(factor)} times between batch sizes (${least.batchSize}: ${short(least.budget)}, ${most.batchSize}: ${short(most.budget)}): the best learning rate depends on the budget, and losses of different batch sizes aren't comparable`,
  );
  return { comparable: false, budget: null, warnings };
}

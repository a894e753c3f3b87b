import { fitCurves } from "./curve/fitCurves.ts";
import type { SweepBudgets } from "./sweepBudgets.ts";
import type { Estimate, SweepOptimum } from "./sweepOptima.ts";

/** The batch size of the lowest loss at a token budget, each with its best learning rate. */
export interface BestBatchSize extends Estimate {
  /**
   * `"interior"`: measured; `"above"`, `"below"`: the losses still fall at the largest or smallest batch size, beyond which `value` is only a
   * bound; `"unresolved"`: the losses differ too little.
   */
  readonly kind: "interior" | "above" | "below" | "unresolved";
  /** The budget in the unit of the batch size times steps, or of the tokens; null if the rows don't say. */
  readonly budget: number | null;
  /** The loss there. */
  readonly loss: number;
}

/**
 * The batch size at which a token budget gives the lowest loss: the minimum over log batch size of the losses at the best learning rates, found
 * as the minimum over learning rates is (`fitCurves`), with its interval.
 *
 * @param noise - standard deviation of the loss of one learning rate: losses that differ by less than three of it don't tell
 * @returns null with fewer than 3 batch sizes, or if they had different budgets
 */
export function bestBatchSize(
  optima: readonly SweepOptimum[],
  budgets: SweepBudgets,
  noise: number | null,
  confidence: number,
): BestBatchSize | null {
  if (budgets.comparable === false || optima.length < 3) return null;
  const points = optima.map(({ batchSize, loss }) => ({ x: Math.log(batchSize), loss }));
  const { minima } = fitCurves([{ points, diverged: [] }], confidence);
  const minimum = minima[0]!;
  const losses = points.map(({ loss }) => loss);
  const flat = noise !== null && Math.max(...losses) - Math.min(...losses) < 3 * noise;
  const kind = flat ? "unresolved" : minimum.kind;
  return {
    kind: kind === "bracketed" ? "interior" : kind,
    value: Math.exp(minimum.x),
    low: Math.exp(minimum.low),
    high: Math.exp(minimum.high),
    budget: budgets.budget,
    loss: minimum.loss,
  };
}

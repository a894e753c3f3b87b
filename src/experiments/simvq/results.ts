import { type Interval, interval } from "../statistics.ts";
import type { MethodName } from "./methods.ts";
import type { QuantizerTrialResult } from "./trial.ts";

/** The quantities that a trial ends with. */
export type Quantity = Exclude<keyof QuantizerTrialResult, "curve">;

/** All trials of an experiment. */
export interface SimVqResults {
  readonly sizes: readonly number[];
  readonly seeds: readonly number[];
  readonly steps: number;
  /** Methods that were tried at a size. */
  readonly triedAt: (method: MethodName, numCodes: number) => boolean;
  readonly of: (method: MethodName, numCodes: number) => readonly QuantizerTrialResult[];
}

/** A quantity by seed; a run that diverged has the worst value there is. */
export function values(
  results: SimVqResults,
  method: MethodName,
  size: number,
  quantity: Quantity,
): number[] {
  const worst = quantity === "loss" || quantity === "quantizationError" ? Number.POSITIVE_INFINITY : 0;
  return results.of(method, size).map((result) => result[quantity] ?? worst);
}

/** Mean over the seeds, with its interval. */
export function summary(
  results: SimVqResults,
  method: MethodName,
  size: number,
  quantity: Quantity,
): Interval {
  return interval(values(results, method, size, quantity));
}

/** `ln(loss of a / loss of b)`, seed by seed: below 0 where `a` reconstructs better. */
export function logLossRatio(
  results: SimVqResults,
  [a, sizeOfA]: readonly [MethodName, number],
  [b, sizeOfB]: readonly [MethodName, number],
): Interval {
  const [ofA, ofB] = [values(results, a, sizeOfA, "loss"), values(results, b, sizeOfB, "loss")];
  return interval(ofA.map((loss, i) => Math.log(loss / ofB[i]!)));
}

/**
 * Share of the run's steps after which a curve is below a loss, between its points by a straight line in the logarithm; 1 if it never
 * is.
 */
export function shareOfSteps(curve: QuantizerTrialResult["curve"], target: number, steps: number): number {
  for (const [i, [step, loss]] of curve.entries()) {
    if (!(loss <= target)) continue;
    const before = curve[i - 1];
    if (before === undefined) return step / steps;
    const part = Math.log(before[1] / target) / Math.log(before[1] / loss);
    return (before[0] + part * (step - before[0])) / steps;
  }
  return 1;
}

/** {@link shareOfSteps} in which a method reaches the last point of VQ's curve, seed by seed. */
export function stepsToReachVq(results: SimVqResults, method: MethodName, size: number): Interval {
  const vq = results.of("VQ (STE)", size);
  return interval(
    results.of(method, size).map(({ curve }, i) => {
      const target = vq[i]!.curve.at(-1)?.[1] ?? Number.POSITIVE_INFINITY;
      return shareOfSteps(curve, target, results.steps);
    }),
  );
}

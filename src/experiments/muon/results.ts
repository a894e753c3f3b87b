import { finalLoss, type Sweep } from "../learningRateSweep.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import { type OptimizerName, optimizers } from "./plan.ts";
import type { SizeResult } from "./trials.ts";

export const names = Object.keys(optimizers) as OptimizerName[];
export const losses = (sweep: Sweep) => [...sweep.best.results.values()].map(finalLoss);
export const optimalRate = ({ log2Optimum: { mean, low, high } }: Sweep) =>
  low === high
    ? (2 ** mean).toPrecision(2)
    : `${(2 ** mean).toPrecision(2)} (${(2 ** low).toPrecision(2)} – ${(2 ** high).toPrecision(2)})`;

/** Interval of the seeds' shares; null if a seed never reached the loss. */
export function shareInterval({ stepShares }: Pick<SizeResult, "stepShares">): Interval | null {
  return stepShares.some((share) => share === null) ? null : interval(stepShares as number[]);
}

/** Shares of time: of steps times seconds per step. The interval is that of the steps; the ratio of seconds is known better. */
export function timeInterval(result: SizeResult): Interval | null {
  const share = shareInterval(result);
  const { mean } = result.timing.ratio;
  return share === null
    ? null
    : { ...share, mean: share.mean * mean, low: share.low * mean, high: share.high * mean };
}

export const format = (value: Interval | null) => (value === null ? "more than 1" : formatInterval(value, 2));
export const bySize = (results: readonly SizeResult[], text: (result: SizeResult) => string) =>
  results.map((result) => `${text(result)} (${result.name})`).join(", ");

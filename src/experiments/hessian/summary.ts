import type { Verdict } from "../experiment.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import { averages, type CheckpointResult, type LayerResult, type ScaleName } from "./networkTrials.ts";
import type { QuadraticResult } from "./quadraticTrials.ts";

/** Checkpoints of one optimizer, one list per seed. */
export type Runs = readonly (readonly CheckpointResult[])[];

/** Results of all trials. */
export interface Measured {
  readonly quadratics: readonly { readonly correlation: number; readonly result: QuadraticResult }[];
  readonly adam: Runs;
  readonly adabelief: Runs;
  readonly losses: readonly { readonly b2: number; readonly values: readonly number[] }[];
  readonly numParameters: number;
}

/** Matrices whose `|diag H|` was measured too badly are left out of corrected figures. */
const leastReliability = 0.3;

/** One number per matrix and seed at a checkpoint. */
export function perMatrix(
  runs: Runs,
  checkpoint: number,
  value: (layer: LayerResult) => number | null,
): number[] {
  return runs.flatMap((checkpoints) =>
    checkpoints.at(checkpoint)!.layers.flatMap((layer) => value(layer) ?? []),
  );
}

/** Spearman's correlation divided by the root of the reliability of `|diag H|`: what exact diagonals would give. */
export function correctedRank(name: ScaleName): (layer: LayerResult) => number | null {
  return ({ reliability, agreement }) =>
    reliability.rank < leastReliability
      ? null
      : agreement[name].rankCorrelation / Math.sqrt(reliability.rank);
}

/** The slope divided by the reliability of `log |diag H|`. */
export function correctedSlope(name: ScaleName): (layer: LayerResult) => number | null {
  return ({ reliability, agreement }) =>
    reliability.log < leastReliability ? null : agreement[name].slope / reliability.log;
}

/** Difference of two rank correlations of the same matrix; noise of `|diag H|` lowers both alike. */
export function rankDifference(a: ScaleName, b: ScaleName): (layer: LayerResult) => number {
  return ({ agreement }) => agreement[a].rankCorrelation - agreement[b].rankCorrelation;
}

/** `"open"` where fewer than two matrices are left. */
export function nearTo(slope: Interval | null, target: number): Verdict["verdict"] {
  if (slope === null || slope.count < 2) return "open";
  return Math.abs(slope.mean - target) <= 0.15 ? "holds" : "fails";
}

/** Whether a difference is above 0, below it, or neither by its interval. */
export function signOf({ low, high }: Interval): Verdict["verdict"] {
  if (low > 0) return "holds";
  return high < 0 ? "fails" : "open";
}

export const intervalOrNull = (values: readonly number[]): Interval | null =>
  values.length === 0 ? null : interval(values);

export const show = (value: Interval | null, digits = 2) =>
  value === null ? "–" : formatInterval(value, digits);

export const averageNames = averages.map((b2) => `average ${b2}` as const);

import { max, min } from "simple-statistics";
import { ConfigError } from "../errors.ts";
import type { CurveFit, CurveMinimum } from "./curve/curveRuns.ts";
import { curveLoss, fitCurves } from "./curve/fitCurves.ts";
import type { OptimumBound } from "./law/lawPosterior.ts";
import { curveRuns, type SweepGroup } from "./sweepGroups.ts";

/** A number with its interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The best learning rate at one batch size (and ε) of the sweep. */
export interface SweepOptimum extends Estimate {
  readonly batchSize: number;
  readonly epsilon: number;
  /** See `CurveMinimum`: `low` is 0 and `high` infinite where there is only a bound. */
  readonly kind: CurveMinimum["kind"];
  /** Standard error of its logarithm; infinite where there is only a bound. */
  readonly error: number;
  /** Loss at the optimum. */
  readonly loss: number;
  /** Runs with a loss, runs that diverged, and those whose loss is at a common ceiling or past a cliff. */
  readonly runs: number;
  readonly diverged: number;
  readonly saturated: number;
  /** Smallest and largest learning rate tried. */
  readonly tried: readonly [smallest: number, largest: number];
  /** The smallest learning rate, above the best, that diverged or saturated; null if none did. */
  readonly wall: number | null;
  /** The fitted curve of the loss at a learning rate; null if none was fitted. */
  curve(learningRate: number): number | null;
}

/** The optima of a sweep as they're shown, and as the laws see them. */
export interface SweepOptima {
  readonly optima: readonly SweepOptimum[];
  readonly curves: CurveFit;
  /** Index of each optimum that has a place. */
  readonly placed: readonly number[];
  /** Of those at the edge, what they bound. */
  readonly bounds: readonly (OptimumBound & { readonly group: number })[];
}

/** Half of a step of the grid beyond the edge lies what the lowest loss at the edge doesn't rule out. */
function boundOf({ kind, x, spacing }: CurveMinimum, batchSize: number): OptimumBound | null {
  if (kind !== "above" && kind !== "below") return null;
  const side = kind === "above" ? 1 : -1;
  return { u: Math.log(batchSize), y: x - (side * spacing) / 2, error: spacing / 4, side };
}

/** Finds the optimum of each group. */
export function findOptima(groups: readonly SweepGroup[], confidence: number): SweepOptima {
  if (!(confidence > 0 && confidence < 1))
    throw new ConfigError(`confidence ${confidence}: expected a number in (0, 1)`);
  const runs = groups.map(curveRuns);
  const curves = fitCurves(runs, confidence);
  const optima = groups.map((group, i): SweepOptimum => {
    const minimum = curves.minima[i]!;
    const rates = group.members.map((run) => group.runs.learningRate[run]!);
    const finite = runs[i]!.points.length;
    const saturated = runs[i]!.points.filter(({ x }) => minimum.saturated.includes(x)).length;
    const walls = [...runs[i]!.diverged, ...minimum.saturated].filter((x) => x > minimum.x - 1e-9);
    return {
      batchSize: group.batchSize,
      epsilon: group.epsilon,
      kind: minimum.kind,
      value: Math.exp(minimum.x),
      low: Math.exp(minimum.low),
      high: Math.exp(minimum.high),
      error: minimum.error,
      loss: minimum.loss,
      runs: finite - saturated,
      diverged: group.members.length - finite,
      saturated,
      tried: [min(rates), max(rates)],
      wall: walls.length === 0 ? null : Math.exp(min(walls)),
      curve: (learningRate) => curveLoss(minimum, Math.log(learningRate)),
    };
  });
  return {
    optima,
    curves,
    placed: curves.minima.flatMap(({ error }, i) => (Number.isFinite(error) ? [i] : [])),
    bounds: curves.minima.flatMap((minimum, i) => {
      if (Number.isFinite(minimum.error)) return [];
      const bound = boundOf(minimum, groups[i]!.batchSize);
      return bound === null ? [] : [{ ...bound, group: i }];
    }),
  };
}

/** What the reader should know of an optimum that has no interval; null for others. */
export function describeBound({ kind, batchSize, tried }: SweepOptimum): string | null {
  if (kind === "above")
    return `batch size ${batchSize}: the best learning rate may be above ${tried[1]}, the largest tried; add larger ones`;
  if (kind === "below")
    return `batch size ${batchSize}: the best learning rate may be below ${tried[0]}, the smallest tried; add smaller ones`;
  if (kind === "unresolved")
    return `batch size ${batchSize}: the losses are too noisy to place the best learning rate`;
  return null;
}

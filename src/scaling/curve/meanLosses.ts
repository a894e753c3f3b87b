import { median } from "simple-statistics";
import type { CurveRuns, RateLoss } from "./curveRuns.ts";

/** Deviations of seeds beyond this many standard deviations are drawn in (Winsor): one spoiled run moves a mean little. */
const reach = 2.5;
/** The variance of a learning rate's seeds is drawn towards that of all as if that were so many more seeds. */
const commonSeeds = 4;
/** More learning rates than this (a random search) are averaged in bins of neighbours. */
const mostRates = 40;

/** Deviations of repeated runs from their learning rate's median: the scale of seeds, null without repeats. */
export function seedScale(curves: readonly RunsByRate[]): number | null {
  const deviations = curves.flatMap((rates) =>
    [...rates.values()].flatMap((points) => {
      if (points.length < 3) return [];
      const middle = median(points.map(({ loss }) => loss));
      return points.map(({ loss }) => Math.abs(loss - middle));
    }),
  );
  return deviations.length === 0 ? null : 1.4826 * median(deviations);
}

/** Variance of seeds at a typical learning rate; null without repeats. */
export function seedVariance(curves: readonly RunsByRate[]): number | null {
  const variances = curves.flatMap((rates) =>
    [...rates.values()].flatMap((points) => {
      if (points.length < 3) return [];
      const mean = points.reduce((sum, { loss }) => sum + loss, 0) / points.length;
      return points.reduce((sum, { loss }) => sum + (loss - mean) ** 2, 0) / (points.length - 1);
    }),
  );
  return variances.length === 0 ? null : median(variances);
}

/** Runs by their learning rate, as a logarithm. */
export type RunsByRate = ReadonlyMap<number, CurveRuns["points"]>;

export function byRate({ points }: CurveRuns): RunsByRate {
  const rates = new Map<number, CurveRuns["points"][number][]>();
  for (const point of points) {
    const there = rates.get(point.x);
    if (there === undefined) rates.set(point.x, [point]);
    else there.push(point);
  }
  return rates;
}

function mean(points: CurveRuns["points"], scale: number | null, variance: number | null): RateLoss {
  const middle = median(points.map(({ loss }) => loss));
  const known = points.every(({ error }) => error !== undefined);
  let [x, loss, weight] = [0, 0, 0];
  for (const point of points) {
    const w = point.error === undefined ? 1 : point.error ** -2;
    const value =
      points.length < 3 || scale === null || scale === 0
        ? point.loss
        : Math.min(middle + reach * scale, Math.max(middle - reach * scale, point.loss));
    x += w * point.x;
    loss += w * value;
    weight += w;
  }
  const average = loss / weight;
  const freedom = points.length - 1;
  const squares = points.reduce((sum, point) => sum + (point.loss - average) ** 2, 0);
  // Seeds that scatter more say less: large learning rates are noisier.
  const trust =
    known || variance === null || variance === 0
      ? 1
      : (freedom + commonSeeds) / (squares / variance + commonSeeds);
  return { x: x / weight, loss: average, weight: trust * weight };
}

/** Distinct learning rates with the mean of their losses, ascending; `scale` and `variance` are those of seeds. */
export function meanLosses(
  rates: RunsByRate,
  scale: number | null,
  variance: number | null = null,
): RateLoss[] {
  if (rates.size <= mostRates)
    return [...rates.values()].map((points) => mean(points, scale, variance)).sort((a, b) => a.x - b.x);
  const sorted = [...rates.values()].flat().sort((a, b) => a.x - b.x);
  return Array.from({ length: mostRates }, (_, bin) =>
    mean(
      sorted.slice(
        Math.floor((bin * sorted.length) / mostRates),
        Math.floor(((bin + 1) * sorted.length) / mostRates),
      ),
      null,
      null,
    ),
  );
}

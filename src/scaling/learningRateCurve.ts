import tQuantile from "@stdlib/stats-base-dists-t-quantile";
import { median } from "simple-statistics";

/** Runs that differ in learning rate and seed only. */
export interface CurveRuns {
  /** Finite losses with the natural logarithm of their learning rate. */
  readonly points: readonly { readonly x: number; readonly loss: number }[];
  /** Logarithms of learning rates at which most runs diverged. */
  readonly diverged: readonly number[];
}

/** Where the loss is least, as a function of `x = log(learning rate)`. */
export interface CurveMinimum {
  /**
   * - `"interior"`: a curve was fitted, and the interval lies inside the tried learning rates
   * - `"bracketed"`: no noise could be estimated, or larger learning rates diverge; the interval is that of the neighbours tried
   * - `"above"`, `"below"`: the optimum may lie beyond the largest or smallest learning rate tried: only a bound
   * - `"unresolved"`: the losses don't tell
   */
  readonly kind: "interior" | "bracketed" | "above" | "below" | "unresolved";
  readonly x: number;
  readonly low: number;
  readonly high: number;
  /** Standard error of x without what it shares with the other curves (`alternatives`); infinite where there is only a bound. */
  readonly error: number;
  /** The fitted (or lowest median) loss at x. */
  readonly loss: number;
  /** The curve `loss + curvature·(e^(k·d) − k·d − 1)/k²` with `d = log(learning rate) − x`, if one was fitted. */
  readonly curve: { readonly curvature: number; readonly asymmetry: number } | null;
}

export interface CurveFit {
  readonly minima: readonly CurveMinimum[];
  /**
   * What the minima would be with other asymmetries: as all curves share it, its error moves all minima together, and doesn't average
   * out over batch sizes. The weights are likelihoods, they sum to 1; `shift` is the mean difference to `x`.
   */
  readonly alternatives: readonly { readonly weight: number; readonly shift: number }[];
  /** Standard deviation of one run's loss about its curve; null if there are too few runs to tell. */
  readonly noise: number | null;
}

/** `(e^(kd) − kd − 1)/k²`, the LINEX curve: convex, least at 0, of curvature 1 there, steeper to the right for k > 0. */
function linex(d: number, k: number): number {
  return Math.abs(k * d) < 1e-4 ? (d * d) / 2 + (k * d * d * d) / 6 : (Math.expm1(k * d) - k * d) / (k * k);
}

/** Value of a fitted curve. */
export function curveLoss(minimum: CurveMinimum, x: number): number | null {
  return minimum.curve === null
    ? null
    : minimum.loss + minimum.curve.curvature * linex(x - minimum.x, minimum.curve.asymmetry);
}

const asymmetries = Array.from({ length: 17 }, (_, i) => -1 + i / 4);

interface Group {
  readonly x: Float64Array;
  readonly loss: Float64Array;
  readonly weight: Float64Array;
  readonly range: readonly [number, number];
}

interface LinearFit {
  readonly level: number;
  readonly curvature: number;
  readonly error: number;
}

/** Best level and curvature (≥ 0) for a given place of the minimum, and the weighted sum of squared residuals. */
function fitLevel({ x, loss, weight }: Group, m: number, k: number): LinearFit {
  let [w, wu, wy, wuu, wuy, wyy] = [0, 0, 0, 0, 0, 0];
  const shift = loss[0]!; // keeps sums of squares from losing digits
  for (let i = 0; i < x.length; i++) {
    const u = linex(x[i]! - m, k);
    const y = loss[i]! - shift;
    const a = weight[i]!;
    w += a;
    wu += a * u;
    wy += a * y;
    wuu += a * u * u;
    wuy += a * u * y;
    wyy += a * y * y;
  }
  const [suu, suy, syy] = [wuu - (wu * wu) / w, wuy - (wu * wy) / w, wyy - (wy * wy) / w];
  const curvature = suu > 0 ? Math.max(0, suy / suu) : 0;
  return {
    level: shift + (wy - curvature * wu) / w,
    curvature,
    error: Math.max(0, syy - curvature * (2 * suy - curvature * suu)),
  };
}

/** The place of the minimum with the least error for one asymmetry: a grid, then golden-section search. */
function bestPlace(group: Group, k: number): { m: number; error: number } {
  const [low, high] = group.range;
  const steps = 32;
  let best = { m: low, error: Number.POSITIVE_INFINITY };
  for (let i = 0; i <= steps; i++) {
    const m = low + ((high - low) * i) / steps;
    const { error } = fitLevel(group, m, k);
    if (error < best.error) best = { m, error };
  }
  const step = (high - low) / steps;
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [Math.max(low, best.m - step), Math.min(high, best.m + step)];
  for (let i = 0; i < 12; i++) {
    const [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
    if (fitLevel(group, c, k).error < fitLevel(group, d, k).error) b = d;
    else a = c;
  }
  const m = (a + b) / 2;
  const { error } = fitLevel(group, m, k);
  return error < best.error ? { m, error } : best;
}

/** Distinct learning rates with the median of their losses, ascending. */
function medians({ points }: CurveRuns): { x: number; loss: number }[] {
  const byRate = new Map<number, number[]>();
  for (const { x, loss } of points) {
    const losses = byRate.get(x);
    if (losses === undefined) byRate.set(x, [loss]);
    else losses.push(loss);
  }
  return [...byRate].map(([x, losses]) => ({ x, loss: median(losses) })).sort((a, b) => a.x - b.x);
}

/** At most this many points of a curve are fitted; more are averaged in bins of neighbouring learning rates. */
const mostPoints = 200;

function thin(points: CurveRuns["points"]): CurveRuns["points"] {
  if (points.length <= mostPoints) return points;
  const sorted = [...points].sort((a, b) => a.x - b.x);
  return Array.from({ length: mostPoints }, (_, bin) => {
    const part = sorted.slice(
      Math.floor((bin * sorted.length) / mostPoints),
      Math.floor(((bin + 1) * sorted.length) / mostPoints),
    );
    const sum = part.reduce((s, p) => ({ x: s.x + p.x, loss: s.loss + p.loss }), { x: 0, loss: 0 });
    return { x: sum.x / part.length, loss: sum.loss / part.length };
  });
}

/**
 * The part of a curve near its minimum: learning rates within a factor of `reach` of the best one or among the two next to it on each
 * side. Left out are losses at large learning rates that rise more than four times as high as those at small ones: a run about to
 * diverge says nothing about the minimum. The direct neighbours always stay.
 */
function nearMinimum(
  runs: CurveRuns,
  reach: number,
): {
  group: Group;
  lowest: number;
  rates: { x: number; loss: number }[];
} {
  const rates = medians({ points: thin(runs.points), diverged: [] });
  let lowest = 0;
  rates.forEach(({ loss }, i) => {
    if (loss < rates[lowest]!.loss) lowest = i;
  });
  const at = rates[lowest]!;
  const near = rates.filter(
    ({ x }, i) => Math.abs(i - lowest) <= 2 || Math.abs(x - at.x) <= Math.log(reach) + 1e-9,
  );
  const left = near.filter(({ x }) => x < at.x).map(({ loss }) => loss - at.loss);
  const limit = 4 * Math.max(median(near.map(({ loss }) => loss - at.loss)), ...left);
  const kept = new Set(
    near
      .filter(({ loss }) => loss - at.loss <= limit)
      .concat(rates.slice(Math.max(0, lowest - 1), lowest + 2))
      .map(({ x }) => x),
  );
  const points = thin(runs.points).filter(({ x }) => kept.has(x));
  return {
    group: {
      x: Float64Array.from(points, ({ x }) => x),
      loss: Float64Array.from(points, ({ loss }) => loss),
      weight: new Float64Array(points.length).fill(1),
      range: [Math.min(...kept), Math.max(...kept)],
    },
    lowest,
    rates,
  };
}

/** Residuals beyond this many standard deviations count less (Huber); 98 % efficient if the noise is normal. */
const huber = 2.5;

/**
 * Finds the minimum of loss against log learning rate for several batch sizes at once. Each has its own place, level and curvature;
 * the asymmetry of the curves and the noise are common, so that few runs per batch size are enough.
 *
 * Learning rates within a factor of 4 of the best one are looked at, where the curve's form is a good approximation; within a factor of
 * 12 if that resolves more optima.
 *
 * The interval of a place holds all places whose best curve fits not significantly worse (profile likelihood with Student's quantile,
 * over all asymmetries). For the standard error, half of that interval's width at the best asymmetry is divided by the quantile; added is
 * how differently from the others this minimum moves with the asymmetry.
 *
 * @param runs - three or more learning rates each
 * @param confidence - probability that the interval holds the true minimum, in (0, 1)
 */
export function fitCurves(runs: readonly CurveRuns[], confidence: number): CurveFit {
  const narrow = fitWithin(runs, confidence, 4);
  const resolved = ({ minima }: CurveFit) => minima.filter(({ kind }) => kind === "interior").length;
  if (narrow.noise !== null && resolved(narrow) === runs.length) return narrow;
  const wide = fitWithin(runs, confidence, 12);
  return resolved(wide) > resolved(narrow) ? wide : narrow;
}

function fitWithin(runs: readonly CurveRuns[], confidence: number, reach: number): CurveFit {
  const windows = runs.map((group) => nearMinimum(group, reach));
  const groups = windows.map(({ group }) => group);
  const count = groups.reduce((sum, { x }) => sum + x.length, 0);
  const freedom = count - 3 * groups.length - 1;

  let places: { m: number; error: number }[][] = [];
  let chosen = 0;
  let variance = 0;
  for (let round = 0; round < (freedom >= 2 ? 4 : 1); round++) {
    places = asymmetries.map((k) => groups.map((group) => bestPlace(group, k)));
    const totals = places.map((perGroup) => perGroup.reduce((sum, { error }) => sum + error, 0));
    chosen = freedom >= 2 ? totals.indexOf(Math.min(...totals)) : asymmetries.indexOf(0);
    if (freedom < 2) break;
    const k = asymmetries[chosen]!;
    const residuals = groups.map((group, j) => {
      const { level, curvature } = fitLevel(group, places[chosen]![j]!.m, k);
      return group.x.map((x, i) => group.loss[i]! - level - curvature * linex(x - places[chosen]![j]!.m, k));
    });
    const all = residuals.flatMap((values) => [...values].map(Math.abs));
    let [sum, weights] = [0, 0];
    groups.forEach(({ weight }, j) => {
      weight.forEach((w, i) => {
        sum += w * residuals[j]![i]! ** 2;
        weights += w;
      });
    });
    variance = sum / Math.max(1, weights - 3 * groups.length - 1);
    if (round === 3) break;
    const scale = Math.min(
      1.4826 * median(all) * Math.sqrt(count / freedom) * 1.25,
      Math.sqrt(all.reduce((s, r) => s + r * r, 0) / freedom),
    );
    groups.forEach(({ weight }, j) => {
      weight.forEach((_, i) => {
        const size = Math.abs(residuals[j]![i]!);
        weight[i] = size <= huber * scale ? 1 : (huber * scale) / size;
      });
    });
  }

  const t = freedom >= 2 ? tQuantile((1 + confidence) / 2, freedom) : 0;
  const totals = places.map((perGroup) => perGroup.reduce((sum, { error }) => sum + error, 0));
  const least = totals[chosen]!;
  const minima = groups.map((group, j): CurveMinimum => {
    const { lowest, rates } = windows[j]!;
    const k = asymmetries[chosen]!;
    const { m } = places[chosen]![j]!;
    const { level, curvature } = fitLevel(group, m, k);
    const [first, last] = [rates[0]!.x, rates.at(-1)!.x];
    const wall = runs[j]!.diverged.filter((x) => x > last).sort((a, b) => a - b)[0];
    const at = rates[lowest]!;
    if (lowest === rates.length - 1 && wall === undefined)
      return {
        kind: "above",
        x: last,
        low: last,
        high: Infinity,
        error: Infinity,
        loss: at.loss,
        curve: null,
      };
    if (lowest === 0)
      return {
        kind: "below",
        x: first,
        low: -Infinity,
        high: first,
        error: Infinity,
        loss: at.loss,
        curve: null,
      };
    if (freedom < 2 || lowest === rates.length - 1) {
      const [low, high] = [rates[lowest - 1]!.x, rates[lowest + 1]?.x ?? wall!];
      const x = freedom < 2 && lowest < rates.length - 1 && curvature > 0 ? m : at.x;
      // Half of a spacing: nothing is known beyond the neighbours.
      return { kind: "bracketed", x, low, high, error: (high - low) / 4, loss: at.loss, curve: null };
    }
    const excess = (place: number) =>
      Math.min(
        ...asymmetries.map((asymmetry, a) => {
          const others = totals[a]! - places[a]![j]!.error;
          return fitLevel(group, place, asymmetry).error + others;
        }),
      ) - least;
    const own = (place: number) => fitLevel(group, place, k).error - places[chosen]![j]!.error;
    const limit = variance * t * t;
    // Losses beyond the fitted part are clearly higher, or there are none: the minimum is at most at the next learning rate there.
    const [near, far] = group.range;
    const before = rates.filter(({ x }) => x < near).at(-1)?.x ?? null;
    const behind = rates.find(({ x }) => x > far)?.x ?? wall ?? null;
    const edge = (worse: (place: number) => number, end: number, beyond: number | null): number | null => {
      if (worse(end) <= limit) return beyond;
      let [inside, out] = [m, end];
      for (let i = 0; i < 30; i++) {
        const middle = (inside + out) / 2;
        if (worse(middle) <= limit) inside = middle;
        else out = middle;
      }
      return (inside + out) / 2;
    };
    const [low, high] = [edge(excess, near, before), edge(excess, far, behind)];
    const curve = curvature > 0 ? { curvature, asymmetry: k } : null;
    if (low === null && high === null)
      return {
        kind: "unresolved",
        x: m,
        low: -Infinity,
        high: Infinity,
        error: Infinity,
        loss: level,
        curve,
      };
    if (high === null)
      return { kind: "above", x: m, low: low!, high: Infinity, error: Infinity, loss: level, curve };
    if (low === null)
      return { kind: "below", x: m, low: -Infinity, high: high!, error: Infinity, loss: level, curve };
    const error = ((edge(own, far, behind) ?? high) - (edge(own, near, before) ?? low)) / (2 * t);
    return { kind: "interior", x: m, low, high, error, loss: level, curve };
  });
  const interior = minima.flatMap(({ kind }, j) => (kind === "interior" ? [j] : []));
  if (freedom < 2 || interior.length === 0) {
    return {
      minima,
      alternatives: [{ weight: 1, shift: 0 }],
      noise: freedom >= 2 ? Math.sqrt(variance) : null,
    };
  }
  const likelihoods = totals.map((total) => (1 + (total - least) / (freedom * variance)) ** (-freedom / 2));
  const sum = likelihoods.reduce((a, b) => a + b, 0);
  const moved = (a: number, j: number) => places[a]![j]!.m - minima[j]!.x;
  const alternatives = likelihoods.map((likelihood, a) => ({
    weight: likelihood / sum,
    shift: interior.reduce((total, j) => total + moved(a, j), 0) / interior.length,
  }));
  for (const j of interior) {
    const apart = alternatives.map(({ shift }, a) => moved(a, j) - shift);
    const middle = apart.reduce((total, value, a) => total + alternatives[a]!.weight * value, 0);
    const spread = apart.reduce(
      (total, value, a) => total + alternatives[a]!.weight * (value - middle) ** 2,
      0,
    );
    minima[j] = { ...minima[j]!, error: Math.sqrt(minima[j]!.error ** 2 + spread) };
  }
  return { minima, alternatives, noise: Math.sqrt(variance) };
}

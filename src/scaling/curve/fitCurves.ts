import { median } from "simple-statistics";
import { studentQuantile } from "../../numbers/index.ts";
import type { CurveFit, CurveMinimum, CurveRuns, RateLoss } from "./curveRuns.ts";
import { linex } from "./linex.ts";
import { byRate, meanLosses, seedScale, seedVariance } from "./meanLosses.ts";
import { commonCeiling, unsaturated } from "./saturation.ts";

/**
 * Value of a fitted curve.
 */
export function curveLoss(minimum: CurveMinimum, x: number): number | null {
  return minimum.curve === null
    ? null
    : minimum.loss + minimum.curve.curvature * linex(x - minimum.x, minimum.curve.asymmetry);
}

/** Asymmetries that are tried before the best one is refined. */
const asymmetries = Array.from({ length: 17 }, (_, i) => -1 + i / 4);
/** Standard deviation of the asymmetry before the losses are seen. */
const asymmetryPrior = 0.3;
/** Learning rates further apart (in logarithm) than this don't show how the curve bends near its minimum: it's taken as symmetric there. */
const coarse = 1;
/** What the form of the curve may be wrong by, as a share of what its asymmetry moves the minima. */
const formError = 0.4;
/** Standard deviation of a curve's curvature about that of all, as a share of it. */
const curvatureSpread = 0.35;
/** The noise of a curve is drawn towards that of all curves as if that were so many more runs. */
const commonRuns = 4;

/** What is known of a curve's curvature beforehand: its mean, and the noise's variance over the curvature's. */
interface CurvaturePrior {
  readonly mean: number;
  readonly weight: number;
}

/** The part of a curve near its minimum. */
interface Window {
  readonly near: readonly RateLoss[];
  readonly rates: readonly RateLoss[];
  readonly lowest: number;
  /** The smallest learning rate that diverged or saturated, above the rest. */
  readonly wall: number | undefined;
  readonly saturated: readonly number[];
  readonly spacing: number;
  /** Where the minimum is searched. */
  readonly range: readonly [number, number];
  /** Null where the curves don't tell. */
  readonly curvature: CurvaturePrior | null;
}

/** Where a curve is least, and the sum of squared residuals. */
interface Place {
  readonly m: number;
  readonly error: number;
}

interface LinearFit {
  readonly level: number;
  readonly curvature: number;
  readonly error: number;
}

/**
 * Best level and curvature (≥ 0) for a given place of the minimum, and the weighted sum of squared residuals, the curvature's distance to its
 * prior being one of them.
 */
function fitLevel({ near, curvature }: Window, m: number, k: number): LinearFit {
  let [w, wu, wy, wuu, wuy, wyy] = [0, 0, 0, 0, 0, 0];
  const shift = near[0]!.loss; // keeps sums of squares from losing digits
  for (const { x, loss, weight } of near) {
    const u = linex(x - m, k);
    const y = loss - shift;
    w += weight;
    wu += weight * u;
    wy += weight * y;
    wuu += weight * u * u;
    wuy += weight * u * y;
    wyy += weight * y * y;
  }
  const prior = curvature ?? { mean: 0, weight: 0 };
  const suu = wuu - (wu * wu) / w + prior.weight;
  const suy = wuy - (wu * wy) / w + prior.weight * prior.mean;
  const syy = wyy - (wy * wy) / w + prior.weight * prior.mean ** 2;
  const bend = suu > 0 ? Math.max(0, suy / suu) : 0;
  return {
    level: shift + (wy - bend * wu) / w,
    curvature: bend,
    error: Math.max(0, syy - bend * (2 * suy - bend * suu)),
  };
}

const ratio = (Math.sqrt(5) - 1) / 2;

/** Golden-section search for the least value. */
function leastBetween(low: number, high: number, rounds: number, value: (x: number) => number): number {
  let [a, b] = [low, high];
  for (let i = 0; i < rounds; i++) {
    const [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
    if (value(c) < value(d)) b = d;
    else a = c;
  }
  return (a + b) / 2;
}

/** The place of the minimum with the least error for one asymmetry: a grid, then golden-section search. */
function bestPlace(window: Window, k: number): Place {
  const steps = 24;
  const [low, high] = window.range;
  const error = (m: number) => fitLevel(window, m, k).error;
  let best = { m: low, error: Number.POSITIVE_INFINITY };
  for (let i = 0; i <= steps; i++) {
    const m = low + ((high - low) * i) / steps;
    const here = error(m);
    if (here < best.error) best = { m, error: here };
  }
  const step = (high - low) / steps;
  const m = leastBetween(Math.max(low, best.m - step), Math.min(high, best.m + step), 18, error);
  const here = error(m);
  return here < best.error ? { m, error: here } : best;
}

/** Learning rates within a factor of `reach` of the best one, and the two next to it on each side. */
function windowOf(runs: CurveRuns, all: readonly RateLoss[], ceiling: number | null, reach: number): Window {
  const rates = all.slice(0, unsaturated(all, ceiling));
  const saturated = all.slice(rates.length).map(({ x }) => x);
  let lowest = 0;
  rates.forEach(({ loss }, i) => {
    if (loss < rates[lowest]!.loss) lowest = i;
  });
  const at = rates[lowest]!.x;
  const last = rates.at(-1)!.x;
  const wall = [...runs.diverged, ...saturated].filter((x) => x > last).sort((a, b) => a - b)[0];
  // With a wall above the best, the curve has to be read from its left side.
  const left = lowest === rates.length - 1 ? 3 : 2;
  const near = rates.filter(
    ({ x }, i) => (i >= lowest - left && i <= lowest + 2) || Math.abs(x - at) <= Math.log(reach) + 1e-9,
  );
  const spacing = rates.length > 1 ? (last - rates[0]!.x) / (rates.length - 1) : 1;
  const end = lowest === rates.length - 1 && wall !== undefined ? wall : near.at(-1)!.x;
  const range = [near[0]!.x, end] as const;
  return { near, rates, lowest, wall, saturated, spacing, range, curvature: null };
}

/**
 * Finds the minimum of loss against log learning rate for several batch sizes at once. Each has its own place, level, curvature and noise
 * (drawn towards that of all); the asymmetry is common, and held near none where the grid of learning rates is too coarse to show it.
 *
 * The curve is fitted to the two learning rates on each side of the best one and to those within a factor of 2.1 of it; within a factor of 4 or
 * 12 if that places optima at least twice as well, as with fine or noisy grids. Saturated runs (at a common ceiling, or past a cliff) aren't
 * fitted: they bound the optimum from above, as runs that diverged do.
 *
 * The interval of a place holds all places whose best curve fits not significantly worse (profile likelihood with Student's quantile).
 *
 * @param runs - at least one learning rate each
 * @param confidence - probability that the interval holds the true minimum, in (0, 1)
 *
 * @example
 * ```ts
 * // Three batch sizes, whose losses are least where the logarithm of the learning rate is 0.1.
 * const points = [-2, -1, 0, 1, 2].map((x) => ({ x, loss: 3 + 0.1 * (x - 0.1) ** 2 }));
 * const { minima } = fitCurves([{ points, diverged: [] }, { points, diverged: [] }, { points, diverged: [] }], 0.9);
 * minima.map(({ x }) => x); // => [0.1, 0.1, 0.1]
 * minima[0]!.kind; // => "interior"
 * ```
 */
export function fitCurves(runs: readonly CurveRuns[], confidence: number): CurveFit {
  const curves = runs.map(byRate);
  const [scale, variance] = [seedScale(curves), seedVariance(curves)];
  const rates = curves.map((curve) => meanLosses(curve, scale, variance));
  const ceiling = commonCeiling(rates);
  const within = (reach: number) =>
    fitWindows(
      runs.map((group, i) => windowOf(group, rates[i]!, ceiling, reach)),
      confidence,
    );
  const typical = ({ minima }: CurveFit) =>
    median(minima.map(({ error, spacing }) => (Number.isFinite(error) ? error : 10 * spacing)));
  let best = within(2.1);
  for (const reach of [4, 12]) {
    const wider = within(reach);
    if (wider.noise !== null && (best.noise === null || typical(wider) < 0.5 * typical(best))) best = wider;
  }
  return best;
}

/** Sum of squared residuals of each curve at its best place, with the asymmetry's prior as one more. */
function placesAt(windows: readonly Window[], k: number): Place[] {
  return windows.map((window) => bestPlace(window, k));
}

/** Places, noise and asymmetry that fit best together. */
interface Shapes {
  readonly tried: readonly { readonly k: number; readonly places: readonly Place[] }[];
  readonly k: number;
  readonly places: readonly Place[];
  /** Variance of a run of weight 1 about each curve. */
  readonly variances: readonly number[];
  readonly freedom: number;
  misfit(places: readonly Place[], k: number): number;
}

function fitShapes(windows: readonly Window[]): Shapes {
  const spacing = median(windows.map((window) => window.spacing));
  const fitted = windows.map(({ near }) => near.length >= 3);
  // A curvature that's known beforehand counts as one more run.
  const spare = windows.map(({ near, curvature }) => Math.max(0, near.length - (curvature === null ? 3 : 2)));
  const freedom = spare.reduce((sum, count) => sum + count, 0) - (windows[0]!.curvature === null ? 1 : 2);
  const known = freedom >= 2;
  const noiseOf = (places: readonly Place[]) => {
    const pooled =
      places.reduce((sum, { error }, j) => sum + (fitted[j] ? error : 0), 0) / Math.max(1, freedom);
    return places.map(({ error }, j) => (error + commonRuns * pooled) / (spare[j]! + commonRuns));
  };
  /** −2 log of likelihood and prior, given the noise of each curve. */
  const misfit = (places: readonly Place[], variances: readonly number[], k: number) =>
    places.reduce(
      (sum, { error }, j) => sum + (fitted[j] && variances[j]! > 0 ? error / variances[j]! : 0),
      0,
    ) +
    (k / asymmetryPrior) ** 2;

  const grid = known && spacing <= coarse ? asymmetries : [0];
  const tried = grid.map((k) => ({ k, places: placesAt(windows, k) }));
  let chosen = tried.find(({ k }) => k === 0)!;
  let variances = noiseOf(chosen.places);
  if (known) {
    for (let round = 0; round < 2; round++) {
      chosen = tried.reduce((a, b) =>
        misfit(b.places, variances, b.k) < misfit(a.places, variances, a.k) ? b : a,
      );
      variances = noiseOf(chosen.places);
    }
    const k =
      grid.length === 1
        ? 0
        : leastBetween(chosen.k - 0.25, chosen.k + 0.25, 8, (at) =>
            misfit(placesAt(windows, at), variances, at),
          );
    chosen = { k, places: placesAt(windows, k) };
    variances = noiseOf(chosen.places);
  }
  return { tried, ...chosen, variances, freedom, misfit: (places, k) => misfit(places, variances, k) };
}

/** Windows whose curvatures are drawn towards a common one, so that a curve with few or noisy runs borrows it; as they are where too few tell. */
function withCommonCurvature(
  windows: readonly Window[],
  { k, places, variances }: Shapes,
): readonly Window[] {
  const curvatures = windows.flatMap((window, j) => {
    const { near, rates, lowest } = window;
    if (near.length < 4 || lowest === 0 || lowest === rates.length - 1) return [];
    return [fitLevel(window, places[j]!.m, k).curvature];
  });
  if (curvatures.length < 3) return windows;
  const mean = median(curvatures);
  if (!(mean > 0)) return windows;
  return windows.map((window, j) => ({
    ...window,
    curvature: { mean, weight: variances[j]! / (curvatureSpread * mean) ** 2 },
  }));
}

function fitWindows(free: readonly Window[], confidence: number): CurveFit {
  const first = fitShapes(free);
  const windows = first.freedom >= 2 ? withCommonCurvature(free, first) : free;
  const { tried, k, places, variances, freedom, misfit } = windows === free ? first : fitShapes(windows);
  const known = freedom >= 2;
  const minima = windows.map((window, j) =>
    minimumOf(window, places[j]!, k, known ? variances[j]! : null, freedom, confidence),
  );
  const placed = minima.flatMap(({ error, kind }, j) =>
    Number.isFinite(error) && kind !== "bracketed" ? [j] : [],
  );
  if (!known || placed.length === 0)
    return { minima, commonError: 0, noise: known ? Math.sqrt(median(variances)) : null };
  // What the minima would be with other asymmetries, weighted by how well these fit.
  const base = misfit(places, k);
  const weights = tried.map((other) => Math.exp(-(misfit(other.places, other.k) - base) / 2));
  const total = weights.reduce((a, b) => a + b, 0);
  const shifts = tried.map(
    (other) => placed.reduce((sum, j) => sum + other.places[j]!.m - minima[j]!.x, 0) / placed.length,
  );
  const variance = shifts.reduce(
    (sum, shift, i) => sum + ((weights[i] ?? 0) / Math.max(total, 1e-300)) * shift ** 2,
    0,
  );
  const symmetric = shifts[tried.findIndex((other) => other.k === 0)]!;
  const shared = Math.hypot(total > 0 ? Math.sqrt(variance) : 0, formError * symmetric);
  return {
    minima: minima.map((minimum, j) => {
      if (!placed.includes(j)) return minimum;
      const apart = tried.map((other, i) => other.places[j]!.m - minimum.x - shifts[i]!);
      const spread =
        total > 0 ? apart.reduce((sum, value, i) => sum + (weights[i]! / total) * value ** 2, 0) : 0;
      // The interval of one optimum holds what is shared as well.
      const widen = Math.sqrt(1 + (shared ** 2 + spread) / minimum.error ** 2);
      return {
        ...minimum,
        error: Math.sqrt(minimum.error ** 2 + spread),
        low: minimum.x - widen * (minimum.x - minimum.low),
        high: minimum.x + widen * (minimum.high - minimum.x),
      };
    }),
    commonError: shared,
    noise: Math.sqrt(median(variances)),
  };
}

/** The minimum of one curve with its interval. */
function minimumOf(
  window: Window,
  { m, error: least }: Place,
  k: number,
  variance: number | null,
  freedom: number,
  confidence: number,
): CurveMinimum {
  const { near, rates, lowest, wall, saturated, spacing, range } = window;
  const at = rates[lowest]!;
  const [first, last] = [rates[0]!.x, rates.at(-1)!.x];
  const shape = { spacing, saturated };
  const edge = { error: Number.POSITIVE_INFINITY, loss: at.loss, curve: null, ...shape };
  if (lowest === rates.length - 1 && wall === undefined)
    return { kind: "above", x: last, low: last, high: Number.POSITIVE_INFINITY, ...edge };
  if (lowest === 0) return { kind: "below", x: first, low: Number.NEGATIVE_INFINITY, high: first, ...edge };
  const { level, curvature } = fitLevel(window, m, k);
  const curve = curvature > 0 && near.length >= 3 ? { curvature, asymmetry: k } : null;
  const reachOf = (limit: number, end: number): number | null => {
    const worse = (place: number) => fitLevel(window, place, k).error - least;
    if (worse(end) <= limit) return null;
    let [inside, out] = [m, end];
    for (let i = 0; i < 30; i++) {
      const middle = (inside + out) / 2;
      if (worse(middle) <= limit) inside = middle;
      else out = middle;
    }
    return (inside + out) / 2;
  };
  const walled = lowest === rates.length - 1;
  const spread = (limit: number): number => {
    const [left, right] = [reachOf(limit, range[0]), reachOf(limit, range[1])];
    // Where the curve is flat to the end of what was fitted, that side says nothing.
    const sides = [left === null ? [] : [m - left], right === null ? [] : [right - m]].flat();
    return sides.length === 0 ? range[1] - range[0] : sides.reduce((a, b) => a + b) / sides.length;
  };
  if (variance === null || walled || near.length < 4) {
    const [low, high] = [rates[lowest - 1]!.x, rates[lowest + 1]?.x ?? wall!];
    // Never where runs fail, and not next to it on the word of a curve.
    const most = walled ? (at.x + high) / 2 : high;
    const x = Math.min(most, Math.max(low, curve === null ? at.x : m));
    // A quarter of what lies between the neighbours: nothing is known beyond them. A curve that fits well says more.
    const error =
      variance === null || near.length < 4
        ? (high - low) / 4
        : Math.min((high - low) / 4, Math.max(spacing / 8, spread(variance)));
    return { kind: "bracketed", x, low, high, error, loss: at.loss, curve: null, ...shape };
  }
  // Losses beyond the fitted part are clearly higher, or there are none: the minimum is at most at the next learning rate there.
  const before = rates.filter(({ x }) => x < range[0]).at(-1)?.x ?? null;
  const behind = rates.find(({ x }) => x > range[1])?.x ?? wall ?? null;
  const t = studentQuantile((1 + confidence) / 2, Math.min(freedom, near.length - 3 + commonRuns));
  const low = reachOf(variance * t * t, range[0]) ?? before;
  const high = reachOf(variance * t * t, range[1]) ?? behind;
  const error = Math.max(1e-6, spread(variance));
  const found = { x: m, error, loss: level, curve, ...shape };
  if (low !== null && high !== null) return { kind: "interior", low, high, ...found };
  const kind = low === null && high === null ? "unresolved" : high === null ? "above" : "below";
  return {
    kind,
    low: low ?? Number.NEGATIVE_INFINITY,
    high: high ?? Number.POSITIVE_INFINITY,
    ...found,
  };
}

import { DataError } from "../../errors.ts";
import { studentQuantile } from "../../numbers/index.ts";
import { cholesky, solveCholesky } from "../law/cholesky.ts";
import { logTurn } from "../law/logTurn.ts";
import type { Estimate } from "../sweepOptima.ts";

/** A group's optima: one model size and token budget, several batch sizes. */
export interface JointGroup {
  /** Logarithms of its numeric covariates, in the order of `names`. */
  readonly covariates: readonly number[];
  /** Its other covariates as one word; groups that share it share a level. */
  readonly category: string;
  /** Logarithm of the best batch size by the losses, with its standard error; null where they don't say. */
  readonly bestBatch: { readonly x: number; readonly error: number } | null;
  /** log η* over log B, with standard errors. */
  readonly optima: readonly { readonly u: number; readonly y: number; readonly error: number }[];
}

/** An exponent with its interval. */
export interface Exponent extends Estimate {
  readonly name: string;
}

/** One law of all groups. */
export interface JointLaw {
  /** `η* ∝ x^c` at the batch size that's best for each group, or at a fixed one where the losses don't say which is best. */
  readonly exponents: readonly Exponent[];
  /** Whether the exponents are along the best batch size. */
  readonly alongBestBatch: boolean;
  /** `B_best ∝ x^c`; null where the losses don't say. */
  readonly bestBatchExponents: readonly Exponent[] | null;
  /** Standard deviation between groups that the covariates don't explain, in log η*. */
  readonly groupDeviation: number;
  /** Whether groups have the same curve over batch sizes, up to its place, its level and what the covariates change. */
  readonly alike: boolean;
  /** log η* at covariates' logarithms, a category and log B; `group` is the index of a known group, whose own optima then count. */
  at(
    place: { readonly covariates: readonly number[]; readonly category: string; readonly group?: number },
    u: number,
  ): { mean: number; deviation: number };
  /** log of the best batch size there; null where the losses don't say. */
  bestBatchAt(covariates: readonly number[]): { mean: number; deviation: number } | null;
}

/** Standard deviations before anything is seen: of an exponent, of the common level, of a category's level. */
const exponentPrior = 1;
const levelPrior = 5;
const categoryPrior = 1;
/** The common curve over batch sizes about its mean: standard deviation and length, and of its slope. */
const curve = { deviation: 0.15, length: 1, slope: 0.25 };
/** How the common curve changes with each covariate's logarithm, where curves are lined up at the best batch size. */
const interaction = { deviation: 0.1, length: 0.8 };
/** What each group has of its own over batch sizes: candidates for its standard deviation, and its length. */
const own = { deviations: [0.1, 0.3], length: 1.2 };
const scatter = 0.03;
/** Candidates for the standard deviation between groups. */
const groupDeviations = [0.04, 0.08, 0.16, 0.3, 0.5];
/** Mean of the common curve: rising as B^0.75 up to the best batch size, level beyond; √B without one. */
const rise = 0.75;
/** Scatter of best batch sizes about their power law, beyond their errors. */
const batchScatter = 0.15;

/** Candidates of less weight are left out. */
const negligible = 1e-3;

const matern = (r: number, length: number) => {
  const s = (Math.sqrt(3) * Math.abs(r)) / length;
  return (1 + s) * Math.exp(-s);
};

interface Regression {
  readonly coefficients: readonly { readonly value: number; readonly error: number }[];
  readonly freedom: number;
  at(x: readonly number[]): { mean: number; deviation: number };
}

/** Weighted least squares with a level, the scatter about it estimated where there are points to spare. */
function regress(
  points: readonly { readonly x: readonly number[]; readonly y: number; readonly error: number }[],
): Regression {
  const size = points[0]!.x.length + 1;
  const design = points.map(({ x }) => [1, ...x]);
  const weights = points.map(({ error }) => 1 / (error ** 2 + batchScatter ** 2));
  // A weak prior keeps exponents of covariates that vary together finite.
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from(
      { length: size },
      (_, j) =>
        design.reduce((sum, row, p) => sum + weights[p]! * row[i]! * row[j]!, 0) +
        (i === j ? (i === 0 ? 1e-6 : exponentPrior ** -2) : 0),
    ),
  );
  const lower = cholesky(matrix);
  const right = Array.from({ length: size }, (_, i) =>
    design.reduce((sum, row, p) => sum + weights[p]! * row[i]! * points[p]!.y, 0),
  );
  const solution = solveCholesky(lower, right);
  const freedom = points.length - size;
  const predicted = (row: readonly number[]) => row.reduce((sum, value, i) => sum + value * solution[i]!, 0);
  const misfit = points.reduce((sum, { y }, p) => sum + weights[p]! * (y - predicted(design[p]!)) ** 2, 0);
  const inflation = freedom >= 1 ? Math.max(1, misfit / freedom) : 1;
  const variance = (row: readonly number[]) => {
    const solved = solveCholesky(lower, row);
    return inflation * row.reduce((sum, value, i) => sum + value * solved[i]!, 0);
  };
  const unit = (i: number) => Array.from({ length: size }, (_, j) => (i === j ? 1 : 0));
  return {
    coefficients: solution.slice(1).map((value, i) => ({ value, error: Math.sqrt(variance(unit(i + 1))) })),
    freedom,
    at(x) {
      const row = [1, ...x];
      return { mean: predicted(row), deviation: Math.sqrt(variance(row) + inflation * batchScatter ** 2) };
    },
  };
}

/**
 * One law of all groups of a study:
 *
 * ```
 * log η* = a + Σ log xᵢ·(cᵢ + fᵢ(v)) + f(v) + group + own(log B)      v = log B − log B_best(x)      log B_best = b + Σ dᵢ·log xᵢ
 * ```
 *
 * Exponents, level, the common curve f, its change fᵢ with the covariates, groups' random effects and what each has of its own over batch sizes
 * are one Gaussian process, so that a prediction for a known group uses its own optima as far as they reach and the others' beyond. f's mean
 * rises as B^0.75 up to the best batch size and is level beyond it; how far η* falls there depends on the covariates (fᵢ). Where the losses
 * don't say which batch size is best, v = log B, f's mean is √B and fᵢ = 0. Over standard deviations between groups and of their own curves
 * is averaged, each candidate weighted by its marginal likelihood.
 *
 * @param names - of the numeric covariates
 * @throws DataError with fewer than 2 groups that have optima
 */
export function jointLaw(
  names: readonly string[],
  groups: readonly JointGroup[],
  confidence: number,
): JointLaw {
  const used = groups.filter(({ optima }) => optima.length > 0);
  if (used.length < 2)
    throw new DataError(
      `a joint law needs 2 groups with an optimum inside the tried learning rates, ${used.length} found`,
    );
  const center = names.map(
    (_, i) => used.reduce((sum, group) => sum + group.covariates[i]!, 0) / used.length,
  );
  const centered = (x: readonly number[]) => x.map((value, i) => value - center[i]!);
  const known = groups.filter(({ bestBatch }) => bestBatch !== null);
  const batches =
    known.length >= Math.max(2, names.length + 1)
      ? regress(
          known.map(({ covariates, bestBatch }) => ({
            x: centered(covariates),
            y: bestBatch!.x,
            error: bestBatch!.error,
          })),
        )
      : null;
  /** A group's own best batch size and the power law's, each as far as it's certain. */
  const turnOf = (covariates: readonly number[], bestBatch: JointGroup["bestBatch"]) => {
    if (batches === null) return 0;
    const { mean, deviation } = batches.at(centered(covariates));
    if (bestBatch === null) return mean;
    const [a, b] = [deviation ** -2, bestBatch.error ** -2];
    return (a * mean + b * bestBatch.x) / (a + b);
  };

  interface Point {
    readonly group: number;
    readonly category: string;
    readonly z: readonly number[];
    readonly u: number;
    readonly v: number;
  }
  const pointOf = (
    covariates: readonly number[],
    category: string,
    group: number,
    u: number,
    turn: number,
  ): Point => ({
    group,
    category,
    z: centered(covariates),
    u,
    v: u - turn,
  });
  const points = groups.flatMap(({ covariates, category, bestBatch, optima }, group) => {
    const turn = turnOf(covariates, bestBatch);
    return optima.map((optimum) => ({
      ...pointOf(covariates, category, group, optimum.u, turn),
      y: optimum.y,
      error: optimum.error,
    }));
  });
  const middle = points.reduce((sum, { v }) => sum + v, 0) / points.length;
  const meanAt = ({ v }: Point) => (batches === null ? 0.5 * v : logTurn(v, 0, rise, 0));
  const categories = new Set(used.map(({ category }) => category)).size;
  interface Deviations {
    readonly between: number;
    readonly ownDeviation: number;
  }
  const covariance = (a: Point, b: Point, { between, ownDeviation }: Deviations) => {
    let product = 0;
    for (let i = 0; i < a.z.length; i++) product += a.z[i]! * b.z[i]!;
    let sum = levelPrior ** 2 + exponentPrior ** 2 * product;
    if (batches !== null) sum += interaction.deviation ** 2 * product * matern(a.v - b.v, interaction.length);
    if (categories > 1 && a.category === b.category) sum += categoryPrior ** 2;
    sum += curve.deviation ** 2 * matern(a.v - b.v, curve.length);
    sum += curve.slope ** 2 * (a.v - middle) * (b.v - middle);
    if (a.group === b.group) sum += between ** 2 + ownDeviation ** 2 * matern(a.u - b.u, own.length);
    return sum;
  };
  const offset = points.reduce((sum, point) => sum + point.y - meanAt(point), 0) / points.length;
  const residuals = points.map((point) => point.y - meanAt(point) - offset);
  const candidates = own.deviations.flatMap((ownDeviation) =>
    groupDeviations.map((between): Deviations => ({ between, ownDeviation })),
  );
  const fits = candidates.map((deviations) => {
    const lower = cholesky(
      points.map((a, i) =>
        points.map((b, j) => covariance(a, b, deviations) + (i === j ? a.error ** 2 + scatter ** 2 : 0)),
      ),
    );
    const solved = solveCholesky(lower, residuals);
    const misfit = residuals.reduce((sum, value, i) => sum + value * solved[i]!, 0);
    const determinant = lower.reduce((sum, row, i) => sum + Math.log(row[i]!), 0);
    return { deviations, lower, solved, score: -0.5 * misfit - determinant };
  });
  const most = Math.max(...fits.map(({ score }) => score));
  const total = fits.reduce((sum, { score }) => sum + Math.exp(score - most), 0);
  const parts = fits
    .map((fit) => ({ ...fit, weight: Math.exp(fit.score - most) / total }))
    .filter(({ weight }) => weight > negligible);
  const average = (value: (part: (typeof parts)[number]) => number) =>
    parts.reduce((sum, part) => sum + part.weight * value(part), 0) /
    parts.reduce((sum, { weight }) => sum + weight, 0);
  const dot = (a: readonly number[], b: readonly number[]) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
    return sum;
  };
  /** Mean and deviation of what covaries with the points by `row`, over the candidates. */
  const predict = (
    row: (deviations: Deviations) => readonly number[],
    prior: (deviations: Deviations) => number,
  ) => {
    const moments = new Map(
      parts.map((part) => {
        const here = row(part.deviations);
        const shrunk = dot(here, solveCholesky(part.lower, here));
        return [
          part,
          { mean: dot(here, part.solved), variance: Math.max(0, prior(part.deviations) - shrunk) },
        ];
      }),
    );
    const mean = average((part) => moments.get(part)!.mean);
    const variance = average((part) => moments.get(part)!.variance + (moments.get(part)!.mean - mean) ** 2);
    return { mean, deviation: Math.sqrt(variance) };
  };
  const t = studentQuantile((1 + confidence) / 2, Math.max(1, used.length - names.length - 1));
  const interval = (name: string, value: number, error: number): Exponent => ({
    name,
    value,
    low: value - t * error,
    high: value + t * error,
  });
  // At the best batch size (v = 0), where fᵢ counts too.
  const changes = batches === null ? 0 : interaction.deviation ** 2;
  const exponents = names.map((name, i) => {
    const row = points.map(
      ({ z, v }) => z[i]! * (exponentPrior ** 2 + changes * matern(v, interaction.length)),
    );
    const { mean, deviation } = predict(
      () => row,
      () => exponentPrior ** 2 + changes,
    );
    return interval(name, mean, deviation);
  });
  return {
    exponents,
    alongBestBatch: batches !== null,
    bestBatchExponents:
      batches === null
        ? null
        : names.map((name, i) =>
            interval(name, batches.coefficients[i]!.value, batches.coefficients[i]!.error),
          ),
    groupDeviation: Math.sqrt(average(({ deviations }) => deviations.between ** 2)),
    alike: average(({ deviations }) => (deviations.ownDeviation === own.deviations[0] ? 1 : 0)) > 0.5,
    at({ covariates, category, group }, u) {
      const turn = turnOf(covariates, group === undefined ? null : groups[group]!.bestBatch);
      const place = pointOf(covariates, category, group ?? -1, u, turn);
      const { mean, deviation } = predict(
        (deviations) => points.map((point) => covariance(place, point, deviations)),
        (deviations) => covariance(place, place, deviations),
      );
      return { mean: mean + meanAt(place) + offset, deviation };
    },
    bestBatchAt: (covariates) => batches?.at(centered(covariates)) ?? null,
  };
}

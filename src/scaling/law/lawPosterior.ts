import type { LawName } from "../lawFamilies.ts";
import { cholesky, solveCholesky } from "./cholesky.ts";
import type { LawShape, LikelyShape } from "./lawPrior.ts";
import { mixtureQuantile, type NormalShare, truncation } from "./normal.ts";

/** A measured optimum: logarithms of batch size and learning rate, and the latter's standard error. */
export interface MeasuredOptimum {
  readonly u: number;
  readonly y: number;
  readonly error: number;
}

/** An optimum at the edge of what was tried: it lies above (side 1) or below (−1) `y`, give or take `error`. */
export interface OptimumBound extends MeasuredOptimum {
  readonly side: 1 | -1;
}

/** A weighed law, with parameters. */
export interface WeighedShape {
  readonly shape: LawShape;
  readonly weight: number;
}

/** What is known of log η* over log B once the optima are seen. */
export interface LawPosterior {
  /** Median of log η*, and the interval's ends. */
  at(u: number, confidence: number): { value: number; low: number; high: number };
  /** Means and covariances of log η* at several batch sizes. */
  joint(us: readonly number[]): { mean: number[]; covariance: number[][] };
  /** Support of each law. */
  readonly support: ReadonlyMap<LawName, number>;
  /** Laws with their parameters, weighed as if deviations were small: what the optima say of the parameters. */
  readonly shapes: readonly WeighedShape[];
  /** Standard deviation of the smooth deviation from the law, root mean square. */
  readonly discrepancy: number;
}

/** How far optima deviate from the laws, and how likely that is; measured as the laws' probabilities are. */
export interface DeviationProbabilities {
  /** Of each of `deviations`. */
  readonly deviation: readonly number[];
  /** Of each of `scatters`. */
  readonly scatter: readonly number[];
}

/** Smooth deviations of the laws: Matérn 3/2 over log B, by standard deviation and length. */
export const deviations: readonly (readonly [deviation: number, length: number])[] = [
  [0.05, 1.2],
  [0.15, 1.2],
  [0.15, 0.6],
  [0.4, 1.5],
];
/** Scatter of the optima beyond their errors. */
export const scatters = [0.02, 0.06];
export const measuredDeviations: DeviationProbabilities = {
  deviation: [0.38, 0.24, 0.15, 0.23],
  scatter: [0.65, 0.35],
};
/** The scale of the learning rate is unknown: its standard deviation about the mean of the optima. */
const scaleDeviation = 5;
/** Parts of the mixture that hold less than this together are left out. */
const negligible = 1e-3;

interface Kernel {
  readonly logPrior: number;
  readonly scatter: number;
  readonly deviation: number;
  readonly length: number;
  readonly lower: number[][];
  readonly logDeterminant: number;
  covariance(a: number, b: number): number;
}

function kernels(optima: readonly MeasuredOptimum[], probabilities: DeviationProbabilities): Kernel[] {
  return scatters.flatMap((scatter, s) =>
    deviations.map(([deviation, length], d): Kernel => {
      const covariance = (a: number, b: number) => {
        const r = (Math.sqrt(3) * Math.abs(a - b)) / length;
        return deviation ** 2 * (1 + r) * Math.exp(-r) + scaleDeviation ** 2;
      };
      const lower = cholesky(
        optima.map((a, i) =>
          optima.map((b, j) => covariance(a.u, b.u) + (i === j ? a.error ** 2 + scatter ** 2 : 0)),
        ),
      );
      const logDeterminant = lower.reduce((sum, row, i) => sum + Math.log(row[i]!), 0);
      const logPrior = Math.log(probabilities.scatter[s]! * probabilities.deviation[d]!);
      return { logPrior, scatter, deviation, length, lower, logDeterminant, covariance };
    }),
  );
}

/** One law with one kernel, given the optima and the bounds. */
interface Part {
  readonly shape: LikelyShape;
  readonly kernel: number;
  readonly scale: number;
  /** `K⁻¹(y − law)`. */
  readonly solved: number[];
  /** Effect of each bound, one after the other: on the mean and on the covariance, by its covariance with a place. */
  readonly bounds: readonly {
    readonly moved: number;
    readonly shrunk: number;
    readonly covariances: number[];
  }[];
  readonly logWeight: number;
}

interface PartMoments {
  readonly mean: number[];
  readonly covariance: number[][];
}

/** All parts, given the optima and the bounds. */
function conditioned(
  shapes: readonly LikelyShape[],
  optima: readonly MeasuredOptimum[],
  bounds: readonly OptimumBound[],
  common: number,
  probabilities: DeviationProbabilities,
) {
  const list = kernels(optima, probabilities);
  const toOptima = (kernel: Kernel, u: number) => optima.map((optimum) => kernel.covariance(u, optimum.u));
  const dot = (a: readonly number[], b: readonly number[]) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
    return sum;
  };
  const boundRows = list.map((kernel) => bounds.map(({ u }) => toOptima(kernel, u)));
  const boundSolved = list.map((kernel, k) => boundRows[k]!.map((row) => solveCholesky(kernel.lower, row)));
  const boundCovariance = list.map((kernel, k) =>
    bounds.map((a, i) =>
      bounds.map((b, j) => kernel.covariance(a.u, b.u) - dot(boundRows[k]![i]!, boundSolved[k]![j]!)),
    ),
  );

  const parts = shapes.flatMap((shape) => {
    const residuals = optima.map(({ u, y }) => y - shape.logShape(u));
    const scale = residuals.reduce((a, b) => a + b, 0) / residuals.length;
    const centered = residuals.map((residual) => residual - scale);
    return list.map((kernel, k): Part => {
      const solved = solveCholesky(kernel.lower, centered);
      let logWeight = shape.logPrior + kernel.logPrior - 0.5 * dot(centered, solved) - kernel.logDeterminant;
      const effects: { moved: number; shrunk: number; covariances: number[] }[] = [];
      const means = bounds.map(({ u }, i) => shape.logShape(u) + scale + dot(boundRows[k]![i]!, solved));
      let covariance = boundCovariance[k]!;
      bounds.forEach((bound, i) => {
        const column = covariance.map((row) => row[i]!);
        const variance = column[i]! + bound.error ** 2 + kernel.scatter ** 2;
        const deviation = Math.sqrt(variance);
        const cut = truncation((bound.side * (means[i]! - bound.y)) / deviation);
        logWeight += cut.logProbability;
        const moved = (bound.side * cut.shift) / deviation;
        const shrunk = cut.shrink / variance;
        effects.push({ moved, shrunk, covariances: column });
        for (let j = 0; j < bounds.length; j++) means[j]! += column[j]! * moved;
        covariance = covariance.map((row, a) =>
          row.map((value, b) => value - column[a]! * column[b]! * shrunk),
        );
      });
      return { shape, kernel: k, scale, solved, bounds: effects, logWeight };
    });
  });
  /** Mean and covariances of each part at some places. */
  const evaluate = (some: readonly Part[], us: readonly number[], diagonal: boolean): PartMoments[] => {
    const prepared = list.map((kernel, k) => {
      const rows = us.map((u) => toOptima(kernel, u));
      const solved = rows.map((row) => solveCholesky(kernel.lower, row));
      const covariance = us.map((a, i) =>
        us.map((b, j) =>
          diagonal && i !== j ? 0 : kernel.covariance(a, b) - dot(rows[i]!, solved[j]!) + common ** 2,
        ),
      );
      const withBounds = us.map((u, i) =>
        bounds.map((bound, j) => kernel.covariance(u, bound.u) - dot(rows[i]!, boundSolved[k]![j]!)),
      );
      return { rows, covariance, withBounds };
    });
    return some.map(({ shape, kernel, scale, solved, bounds: effects }) => {
      const { rows, covariance, withBounds } = prepared[kernel]!;
      const mean = us.map((u, i) => shape.logShape(u) + scale + dot(rows[i]!, solved));
      const own = effects.length === 0 ? covariance : covariance.map((row) => [...row]);
      const columns = withBounds.map((row) => [...row]);
      effects.forEach(({ moved, shrunk, covariances }, i) => {
        const here = columns.map((row) => row[i]!);
        us.forEach((_, a) => {
          mean[a]! += here[a]! * moved;
          if (diagonal) own[a]![a]! -= here[a]! ** 2 * shrunk;
          else for (let b = 0; b < us.length; b++) own[a]![b]! -= here[a]! * here[b]! * shrunk;
          for (let j = i + 1; j < bounds.length; j++) columns[a]![j]! -= here[a]! * covariances[j]! * shrunk;
        });
      });
      return { mean, covariance: own };
    });
  };

  return { list, parts, evaluate };
}

/** A part of the mixture as it's weighted: its likelihood, the place of its law and of its kernel in their lists, and what it predicts. */
export interface LawPart {
  readonly shape: number;
  /** `scatter * deviations.length + deviation`. */
  readonly kernel: number;
  readonly logLikelihood: number;
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

/** Parts of `lawPosterior` before they're weighted, with what they predict at some places: what its probabilities are measured with. */
export function lawParts(
  shapes: readonly LikelyShape[],
  optima: readonly MeasuredOptimum[],
  bounds: readonly OptimumBound[],
  common: number,
  us: readonly number[],
): LawPart[] {
  const { list, parts, evaluate } = conditioned(shapes, optima, bounds, common, measuredDeviations);
  const moments = evaluate(parts, us, true);
  return parts.map(({ kernel, logWeight, shape }, i) => ({
    shape: Math.floor(i / list.length),
    kernel,
    logLikelihood: logWeight - shape.logPrior - list[kernel]!.logPrior,
    mean: moments[i]!.mean,
    variance: moments[i]!.covariance.map((row, j) => Math.max(1e-12, row[j]!)),
  }));
}

/**
 * Mixture of laws, each with a smooth deviation of its own that the optima teach: a Gaussian process over log B whose mean is the law.
 *
 * ```
 * log η*(B) = a + law(log B) + g(log B)     g ~ GP(0, Matérn 3/2)     measured: log η* + N(0, error² + scatter²)
 * ```
 *
 * Parts (law, parameters, deviation, scatter) are weighted by prior and marginal likelihood, so that near a measured optimum that optimum
 * counts, and far from all the law does. An optimum known as a bound only multiplies a part's weight by the probability that the bound holds, and
 * moves it to the moments of the normal distribution cut off there.
 *
 * @param shapes - see `lawPrior`
 * @param common - standard error that all optima share
 *
 * Source: Rasmussen and Williams, Gaussian processes for machine learning, 2006, sections 2.2, 2.7 and 5.4.
 */
export function lawPosterior(
  shapes: readonly LikelyShape[],
  optima: readonly MeasuredOptimum[],
  bounds: readonly OptimumBound[] = [],
  common = 0,
  probabilities: DeviationProbabilities = measuredDeviations,
): LawPosterior {
  const { list, parts, evaluate } = conditioned(shapes, optima, bounds, common, probabilities);
  const most = parts.reduce((a, { logWeight }) => Math.max(a, logWeight), Number.NEGATIVE_INFINITY);
  const sorted = parts
    .map((part) => ({ ...part, weight: Math.exp(part.logWeight - most) }))
    .sort((a, b) => b.weight - a.weight);
  const all = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const kept: typeof sorted = [];
  let total = 0;
  for (const part of sorted) {
    if (total > (1 - negligible) * all) break;
    kept.push(part);
    total += part.weight;
  }

  const weighed = (us: readonly number[], diagonal: boolean) =>
    evaluate(kept, us, diagonal).map((moments, i) => ({ ...moments, weight: kept[i]!.weight / total }));

  const perShape = new Map<LawShape, number>();
  for (const { shape, kernel, weight } of sorted) {
    // A large deviation can stand in for any law's parameters, so it says nothing about them.
    if (list[kernel]!.deviation < 0.1) perShape.set(shape, (perShape.get(shape) ?? 0) + weight);
  }
  const support = new Map<LawName, number>();
  let square = 0;
  for (const { shape, kernel, weight } of kept) {
    support.set(shape.law, (support.get(shape.law) ?? 0) + weight / total);
    square += (weight / total) * list[kernel]!.deviation ** 2;
  }
  return {
    at(u, confidence) {
      const shares = weighed([u], true).map(
        ({ weight, mean, covariance }): NormalShare => ({
          weight,
          mean: mean[0]!,
          variance: Math.max(1e-12, covariance[0]![0]!),
        }),
      );
      return {
        value: mixtureQuantile(shares, 0.5),
        low: mixtureQuantile(shares, (1 - confidence) / 2),
        high: mixtureQuantile(shares, (1 + confidence) / 2),
      };
    },
    joint(us) {
      const mixture = weighed(us, false);
      const mean = us.map((_, i) => mixture.reduce((sum, part) => sum + part.weight * part.mean[i]!, 0));
      const covariance = us.map((_, i) =>
        us.map((_, j) =>
          mixture.reduce(
            (sum, part) =>
              sum +
              part.weight *
                (part.covariance[i]![j]! + (part.mean[i]! - mean[i]!) * (part.mean[j]! - mean[j]!)),
            0,
          ),
        ),
      );
      return { mean, covariance };
    },
    support,
    shapes: [...perShape].map(([shape, weight]) => ({ shape, weight })),
    discrepancy: Math.sqrt(square),
  };
}

import { ConfigError } from "../errors.ts";
import { normalSampler } from "../numbers/index.ts";
import { bootstrapWeights, percentileInterval } from "./bootstrap.ts";
import { type Assumption, checkAssumptions } from "./checkAssumptions.ts";
import { requirePositive } from "./checks.ts";
import { type DirectionSample, type SplitMoments, splitMoments } from "./directionSample.ts";
import type { GradientNoise } from "./gradientNoise.ts";
import { type GradientGram, pairNoise, twoBatchNoise } from "./gradientPairs.ts";
import {
  fitMeanFieldMoments,
  type MeanFieldMoments,
  type MomentsAt,
  meanFieldMomentsAt,
} from "./meanFieldMoments.ts";
import { meanFieldBeta } from "./signLaw.ts";
import type { Estimate } from "./sweepOptima.ts";

/** Updates of one batch size. */
export interface MeasuredLevel {
  /** In samples; it need not be whole. */
  readonly batchSize: number;
  /** See `directionMoments`. */
  readonly noiseFactor: number;
  readonly sample: DirectionSample;
}

/** The updates of an optimizer, as they were measured. */
export type MeasuredUpdate =
  | {
      /** `φ̃ = scale·min(1, clipNorm/√(|g|² + tr Σ/B))·g̃_B`: the gradients themselves say it all, for every batch size. */
      readonly kind: "gradient";
      readonly scale: number;
      readonly clipNorm: number | null;
    }
  | {
      readonly kind: "levels";
      /** From the smallest batch size to the largest. */
      readonly levels: readonly MeasuredLevel[];
    };

/** What was measured at a checkpoint: plain numbers. */
export interface CheckpointSamples {
  readonly gram: GradientGram;
  /** `φ_k` = the gradient of microbatch k. */
  readonly gradient: DirectionSample;
  /** `vᵀHv` of random signs v. */
  readonly trace: readonly number[];
  /** With `s` the signs of the mean gradient of one half of the microbatches. */
  readonly signs: {
    /** `sᵀg_j` for each microbatch j of the other half; both halves in turn. */
    readonly alignment: readonly number[];
    /** `sᵀHs` */
    readonly curvature: readonly number[];
    /** `E[sign(g̃_B)]ᵀg` as measured. */
    readonly levels: readonly { readonly batchSize: number; readonly alignment: number }[];
  };
  /** Excess kurtosis of the elements of microbatch gradients. */
  readonly excessKurtosis: number;
  readonly update: MeasuredUpdate;
  /** Which approximation belongs to the update. */
  readonly family: "sgd" | "sign" | null;
  /** Number of batches τ that an update remembers, where it isn't linear in them. */
  readonly memory: number;
}

export interface CheckpointLawOptions {
  /** Batch sizes of the table. Default: those from 1 on that were measured, 1, and powers of 4 up to 16384 that lie outside of them. */
  readonly batchSizes?: readonly number[];
  /** Batch sizes to add. */
  readonly at?: readonly number[];
  /** Probability of the intervals. Default 0.9. */
  readonly confidence?: number;
  /** Replicates of the bootstrap. Default 400. */
  readonly replicates?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Where the moments at a batch size come from. */
export type Basis = "measured" | "interpolated" | "extrapolated";

/** The best learning rate of one step with a batch size. */
export interface CheckpointOptimum {
  readonly batchSize: number;
  readonly basis: Basis;
  /** η*: 0 where the update doesn't descend, infinite where the loss has no minimum along it, to second order. */
  readonly learningRate: Estimate;
  /** ΔL*, in units of the loss. */
  readonly lossDecrease: Estimate;
  /** `E[φ̃]ᵀg` */
  readonly alignment: Estimate;
  /** `E[φ̃ᵀHφ̃]`; with memory, the noise counts τ times. */
  readonly curvature: Estimate;
  /** η* of the approximation that belongs to the optimizer; null if none does or it has no minimum. */
  readonly approximation: number | null;
}

/** What a checkpoint says of learning rates. `Estimate`s are intervals of a bootstrap over microbatches and Hessian batches. */
export interface CheckpointLaw {
  readonly confidence: number;
  /** Samples per microbatch and number of microbatches. */
  readonly microbatchSize: number;
  readonly microbatches: number;
  /** `|g|²` */
  readonly gradientSquared: { readonly pairs: Estimate; readonly twoBatchSizes: Estimate };
  /** `tr Σ` of one sample */
  readonly covarianceTrace: { readonly pairs: Estimate; readonly twoBatchSizes: Estimate };
  /** `B_simple = tr Σ/|g|²`; infinite where noise hides the gradient. */
  readonly simpleNoiseScale: Estimate;
  /** `tr H` */
  readonly hessianTrace: Estimate;
  /** `gᵀHg` */
  readonly gradientCurvature: Estimate;
  /** `tr ΣH` of one sample */
  readonly noiseCurvature: Estimate;
  /** `B_noise = tr ΣH/gᵀHg`, of SGD. */
  readonly noiseScale: Estimate;
  /** `sᵀg`, which is `Σ|g_i|` if the signs are right. */
  readonly gradientAbsoluteSum: Estimate;
  /** `sᵀHs` */
  readonly signCurvature: Estimate;
  /** κ², for which B_simple stands. */
  readonly noiseToSignal: Estimate;
  /** `β_noise = √(tr H/(sᵀHs − tr H))`; infinite if there is no surge. */
  readonly betaNoise: Estimate;
  readonly optima: readonly CheckpointOptimum[];
  readonly assumptions: readonly Assumption[];
  /** Optimum at any other batch size. Not part of the JSON. */
  predict(batchSize: number): CheckpointOptimum;
}

/** All that follows from one set of weights. */
interface Replicate {
  readonly pairs: GradientNoise;
  readonly twoBatchSizes: GradientNoise;
  readonly gradient: SplitMoments;
  readonly trace: number;
  readonly signAlignment: number;
  readonly signCurvature: number;
  readonly levels: readonly MomentsAt[];
  fit: MeanFieldMoments | null;
}

function weightedMean(values: readonly number[], weights?: ArrayLike<number>): number {
  let [sum, total] = [0, 0];
  for (const [i, value] of values.entries()) {
    const weight = weights?.[i] ?? 1;
    sum += weight * value;
    total += weight;
  }
  return sum / total;
}

function replicate(samples: CheckpointSamples, draw: (() => number) | null): Replicate {
  const { gram, gradient, trace, signs, update } = samples;
  const weights = (count: number) => (draw === null ? undefined : bootstrapWeights(count, draw));
  const gradients = weights(gram.count);
  const split = (sample: DirectionSample) => {
    if (gradients === undefined) return splitMoments(sample);
    // An update from one microbatch has its weight; one from several is drawn by itself.
    const own = sample.members.every(({ length }) => length === 1)
      ? sample.members.map(([i]) => gradients[i!]!)
      : bootstrapWeights(sample.members.length, draw!);
    return splitMoments(sample, { updates: own, gradients });
  };
  return {
    pairs: pairNoise(gram, gradients),
    twoBatchSizes: twoBatchNoise(gram, Math.max(2, Math.floor(gram.count / 4)), gradients),
    gradient: split(gradient),
    trace: weightedMean(trace, weights(trace.length)),
    signAlignment: weightedMean(signs.alignment, gradients),
    signCurvature: weightedMean(signs.curvature, weights(signs.curvature.length)),
    levels:
      update.kind === "gradient"
        ? []
        : update.levels.map(({ batchSize, noiseFactor, sample }) => {
            const moments = split(sample);
            return { batchSize, ...moments, noise: noiseFactor * moments.noise };
          }),
    fit: null,
  };
}

/** Linear in log B between two levels. */
function interpolate(below: MomentsAt, above: MomentsAt, batchSize: number): MomentsAt {
  const t = Math.log(batchSize / below.batchSize) / Math.log(above.batchSize / below.batchSize);
  const between = (key: "alignment" | "signal" | "noise") => (1 - t) * below[key] + t * above[key];
  return { batchSize, alignment: between("alignment"), signal: between("signal"), noise: between("noise") };
}

/** Levels and asked batch sizes within a thousandth are the same. */
const same = (a: number, b: number) => Math.abs(Math.log(a / b)) < 1e-3;

function momentsAt(
  replicate: Replicate,
  { gram, update }: CheckpointSamples,
  batchSize: number,
): { moments: MomentsAt; basis: Basis } {
  const pool = gram.count * gram.microbatchSize;
  if (update.kind === "gradient") {
    const { gradient, pairs } = replicate;
    const { gradientSquared, covarianceTrace } = pairs;
    const norm = Math.sqrt(Math.max(0, gradientSquared + covarianceTrace / batchSize));
    const scale =
      update.scale * (update.clipNorm === null || norm <= update.clipNorm ? 1 : update.clipNorm / norm);
    return {
      moments: {
        batchSize,
        alignment: scale * gradientSquared,
        signal: scale ** 2 * gradient.signal,
        noise: scale ** 2 * gradient.noise * (gram.microbatchSize / batchSize),
      },
      basis: batchSize <= pool ? "measured" : "extrapolated",
    };
  }
  const { levels } = replicate;
  const found = levels.find((level) => same(level.batchSize, batchSize));
  if (found !== undefined) return { moments: found, basis: batchSize <= pool ? "measured" : "extrapolated" };
  const above = levels.findIndex((level) => level.batchSize > batchSize);
  if (above > 0) {
    const moments = interpolate(levels[above - 1]!, levels[above]!, batchSize);
    return { moments, basis: batchSize <= pool ? "interpolated" : "extrapolated" };
  }
  replicate.fit ??= fitMeanFieldMoments(levels);
  return { moments: meanFieldMomentsAt(replicate.fit, batchSize), basis: "extrapolated" };
}

/** η* and ΔL* where the sums may have any sign. */
function optimumOf(alignment: number, curvature: number): { learningRate: number; lossDecrease: number } {
  if (!(alignment > 0)) return { learningRate: 0, lossDecrease: 0 };
  if (!(curvature > 0))
    return { learningRate: Number.POSITIVE_INFINITY, lossDecrease: Number.POSITIVE_INFINITY };
  return { learningRate: alignment / curvature, lossDecrease: alignment ** 2 / (2 * curvature) };
}

/** A ratio of estimates that shouldn't be negative; infinite where the denominator isn't positive. */
const ratio = (a: number, b: number) => (b > 0 ? a / b : Number.POSITIVE_INFINITY);

/** η* of the mean-field law of sign updates that remember τ batches: `signOptimum` for τ = 1. */
function signApproximation(
  { pairs, trace, signAlignment, signCurvature }: Replicate,
  memory: number,
  batchSize: number,
): number {
  const noiseToSignal = Math.max(0, ratio(pairs.covarianceTrace, pairs.gradientSquared));
  if (!Number.isFinite(noiseToSignal)) return Number.NaN;
  const beta = meanFieldBeta(noiseToSignal, batchSize * memory);
  const curvature = beta ** 2 * signCurvature + memory * (1 - beta ** 2) * trace;
  return (beta * signAlignment) / curvature;
}

const defaultSizes = Array.from({ length: 8 }, (_, i) => 4 ** i);

/** Batch sizes of the table, ascending. */
function tableSizes({ update }: CheckpointSamples, { batchSizes, at = [] }: CheckpointLawOptions): number[] {
  const measured = update.kind === "gradient" ? [] : update.levels.map(({ batchSize }) => batchSize);
  const [low, high] = [measured[0] ?? Number.POSITIVE_INFINITY, measured.at(-1) ?? 0];
  // Batches of less than a sample come from updates that remember many; they only serve to interpolate.
  const rows = batchSizes ?? [
    ...(low < 1 && high > 1 ? [1] : []),
    ...measured.filter((size) => size >= 1),
    ...defaultSizes.filter((size) => size < low || size > high),
  ];
  const sorted = [...rows, ...at].sort((a, b) => a - b);
  return sorted.filter((size, i) => i === 0 || !same(size, sorted[i - 1]!));
}

/**
 * The general law from measurements at one checkpoint: noise scales, sums with the Hessian, and
 *
 * ```
 * η*(B) = E[φ̃_B]ᵀg / E[φ̃_BᵀHφ̃_B]      ΔL*(B) = (E[φ̃_B]ᵀg)² / (2E[φ̃_BᵀHφ̃_B])
 * ```
 *
 * with intervals, beside the approximations, and what of their assumptions doesn't hold. Batch sizes between measured ones are
 * interpolated, others extrapolated by {@link MeanFieldMoments}. Intervals hold the noise of sampling only: not that the loss isn't
 * quadratic, and not how the law changes during training.
 *
 * @throws ConfigError, ShapeError for samples or options that can't be used
 *
 * Source: Su-10542; McCandlish et al., arXiv 1812.06162.
 *
 * @example
 * ```ts
 * // Gradients of 16 microbatches of 2 samples at a place where the loss is ½|w|²: the Hessian is 1, so that φᵀHφ is φᵀg of the same two.
 * const draw = normalSampler(1);
 * const gradients = Array.from({ length: 16 }, () => [1 + draw(), 1 + draw(), 1 + draw()]);
 * const products = gradients.flatMap((a) => gradients.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)));
 * const all = gradients.map((_, i) => i);
 * const law = checkpointLaw({
 *   gram: { count: 16, microbatchSize: 2, products },
 *   gradient: {
 *     numGradients: 16,
 *     members: all.map((i) => [i]),
 *     alignment: products,
 *     curved: all,
 *     against: all,
 *     curvature: products,
 *   },
 *   trace: [3, 3],
 *   signs: { alignment: gradients.map((g) => g[0]! + g[1]! + g[2]!), curvature: [3], levels: [] },
 *   excessKurtosis: 0,
 *   update: { kind: "gradient", scale: 1, clipNorm: null },
 *   family: "sgd",
 *   memory: 1,
 * });
 * // Without noise a step of 1 would end at the optimum; with little noise at large batches, nearly so.
 * law.predict(1e6).learningRate.value; // => 1.0
 * law.predict(2).learningRate.value < 0.8; // => true
 * ```
 */
export function checkpointLaw(samples: CheckpointSamples, options: CheckpointLawOptions = {}): CheckpointLaw {
  const { confidence = 0.9, replicates = 400, seed = 0 } = options;
  if (!Number.isInteger(replicates) || replicates < 2)
    throw new ConfigError(`checkpointLaw replicates ${replicates}: expected an integer ≥ 2`);
  const { gram, update, family, memory } = samples;
  if (update.kind === "levels" && update.levels.length === 0)
    throw new ConfigError("checkpointLaw: expected updates of one batch size or more");
  for (const batchSize of [...(options.batchSizes ?? []), ...(options.at ?? [])])
    requirePositive("checkpointLaw", { batchSize });
  const draw = normalSampler(seed);
  const point = replicate(samples, null);
  const all = Array.from({ length: replicates }, () => replicate(samples, draw));
  const estimate = (of: (replicate: Replicate) => number): Estimate =>
    percentileInterval(of(point), all.map(of), confidence);
  const perSample = ({ gradient }: Replicate) => gram.microbatchSize * gradient.noise;
  const simple = ({ pairs }: Replicate) => Math.max(0, ratio(pairs.covarianceTrace, pairs.gradientSquared));
  const approximate = (batchSize: number): number | null => {
    if (family === null) return null;
    if (family === "sign") {
      const rate = signApproximation(point, memory, batchSize);
      return Number.isFinite(rate) && rate > 0 ? rate : null;
    }
    // What the law of SGD becomes without a Hessian's noise: B_simple in the place of B_noise.
    const { moments } = momentsAt(point, samples, batchSize);
    const rate = ratio(moments.alignment, moments.signal) / (1 + simple(point) / batchSize);
    return Number.isFinite(rate) && rate > 0 ? rate : null;
  };
  const predict = (batchSize: number): CheckpointOptimum => {
    requirePositive("checkpointLaw", { batchSize });
    const curvatureOf = ({ signal, noise }: MomentsAt) => signal + noise;
    const at = (own: Replicate) => momentsAt(own, samples, batchSize).moments;
    const best = (own: Replicate) => {
      const moments = at(own);
      return optimumOf(moments.alignment, curvatureOf(moments));
    };
    return {
      batchSize,
      basis: momentsAt(point, samples, batchSize).basis,
      learningRate: estimate((own) => best(own).learningRate),
      lossDecrease: estimate((own) => best(own).lossDecrease),
      alignment: estimate((own) => at(own).alignment),
      curvature: estimate((own) => curvatureOf(at(own))),
      approximation: approximate(batchSize),
    };
  };
  const law = {
    confidence,
    microbatchSize: gram.microbatchSize,
    microbatches: gram.count,
    gradientSquared: {
      pairs: estimate(({ pairs }) => pairs.gradientSquared),
      twoBatchSizes: estimate(({ twoBatchSizes }) => twoBatchSizes.gradientSquared),
    },
    covarianceTrace: {
      pairs: estimate(({ pairs }) => pairs.covarianceTrace),
      twoBatchSizes: estimate(({ twoBatchSizes }) => twoBatchSizes.covarianceTrace),
    },
    simpleNoiseScale: estimate(simple),
    hessianTrace: estimate(({ trace }) => trace),
    gradientCurvature: estimate(({ gradient }) => gradient.signal),
    noiseCurvature: estimate(perSample),
    noiseScale: estimate((own) => Math.max(0, ratio(perSample(own), own.gradient.signal))),
    gradientAbsoluteSum: estimate(({ signAlignment }) => signAlignment),
    signCurvature: estimate(({ signCurvature }) => signCurvature),
    noiseToSignal: estimate(simple),
    betaNoise: estimate(({ trace, signCurvature }) =>
      Math.sqrt(Math.max(0, ratio(trace, signCurvature - trace))),
    ),
    optima: tableSizes(samples, options).map(predict),
  };
  const signMeanField = samples.signs.levels.map(({ batchSize, alignment }) => ({
    batchSize,
    ratio: alignment / (meanFieldBeta(Math.min(simple(point), 1e300), batchSize) * point.signAlignment),
  }));
  return {
    ...law,
    assumptions: checkAssumptions({ ...law, signMeanField, excessKurtosis: samples.excessKurtosis, memory }),
    predict,
  };
}

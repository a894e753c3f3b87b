import { ConfigError } from "../errors.ts";
import { erf } from "../numbers/index.ts";
import { requireNonNegative, requirePositive } from "./checks.ts";
import { type ComponentStatistics, checkComponents, independentMoments } from "./directionProblem.ts";
import type { DirectionMoments } from "./generalLaw.ts";
import type { StepOptimum } from "./optimum.ts";

/**
 * `E[sign(g̃)] = erf((g/σ)·√(B/2))`, exact for a normal gradient of mean g and variance σ²/B.
 *
 * @param ratio - g/σ; ±∞ without noise
 *
 * @example
 * ```ts
 * signMean(0, 64); // => 0
 * signMean(0.1, 100); // => 0.683
 * ```
 */
export function signMean(ratio: number, batchSize: number): number {
  requirePositive("signMean", { batchSize });
  return erf(ratio * Math.sqrt(batchSize / 2));
}

/**
 * `μ = (g/σ) / √(π/(2B) + (g/σ)²)`, an algebraic stand-in for `signMean` with the same slope at 0 and the same limits.
 *
 * Its absolute value is never too large; it is too small by at most 0.108, or 12 %, where `(g/σ)·√B ≈ 1.9`.
 *
 * Source: Su-10542.
 *
 * @example
 * ```ts
 * signMeanApproximation(0.1, 100); // => 0.624
 * ```
 */
export function signMeanApproximation(ratio: number, batchSize: number): number {
  requirePositive("signMeanApproximation", { batchSize });
  if (!Number.isFinite(ratio)) return Math.sign(ratio);
  return ratio / Math.hypot(Math.sqrt(Math.PI / (2 * batchSize)), ratio);
}

/** How `E[φ̃]` is computed: the exact expectation, or the algebraic approximation of the source. */
export type Expectation = "exact" | "approximate";

/**
 * `E[φ̃]ᵀg` and `E[φ̃ᵀHφ̃] = Σ_i H_ii + Σ_{i≠j} μ_i μ_j H_ij` of `φ̃ = sign(g̃_B)`.
 *
 * Exact for normal noise that is independent between components, whatever H. Correlated noise adds
 * `Σ_{i≠j} H_ij·cov(φ̃_i, φ̃_j)`, which isn't here; the general law with measured moments has it.
 *
 * @param expectation - default `"exact"`
 * @throws ConfigError if lengths don't match or a number is out of range
 *
 * Source: Su-10542.
 *
 * @example
 * ```ts
 * const components = { gradient: [1, -1], deviation: [0, 0], hessian: [2, 0, 0, 3] };
 * signMoments(components, 1); // => { alignment: 2, curvature: 5 }
 * ```
 */
export function signMoments(
  statistics: ComponentStatistics,
  batchSize: number,
  expectation: Expectation = "exact",
): DirectionMoments {
  const mean = expectation === "exact" ? signMean : signMeanApproximation;
  return independentMoments("signMoments", statistics, batchSize, (gradient, deviation) => ({
    mean: gradient === 0 ? 0 : mean(gradient / deviation, batchSize),
    square: 1,
  }));
}

/** Sums over components that decide the mean-field law; with `s = sign(g)`. */
export interface SignStatistics {
  /** `Σ|g_i| = sᵀg`. */
  readonly gradientAbsoluteSum: number;
  /** `sᵀHs`: one Hessian-vector product. */
  readonly signCurvature: number;
  /** `tr H`: a Hutchinson estimate will do. */
  readonly hessianTrace: number;
  /** κ², a mean of `(σ_i/g_i)²`, in samples; `B_simple` is that mean with weights g_i². */
  readonly noiseToSignal: number;
}

/**
 * The sums of `SignStatistics` from components; κ² is `Σσ²/Σg²`, that is B_simple.
 *
 * @example
 * ```ts
 * const components = { gradient: [1, -1], deviation: [2, 2], hessian: [2, 1, 1, 3] };
 * const { gradientAbsoluteSum, signCurvature, hessianTrace, noiseToSignal } = signStatistics(components);
 * [gradientAbsoluteSum, signCurvature, hessianTrace, noiseToSignal]; // => [2, 3, 5, 4]
 * ```
 */
export function signStatistics(statistics: ComponentStatistics): SignStatistics {
  checkComponents("signStatistics", statistics);
  const { gradient, deviation, hessian } = statistics;
  const n = gradient.length;
  let [gradientAbsoluteSum, signCurvature, hessianTrace, noise, signal] = [0, 0, 0, 0, 0];
  const dense = hessian.length !== n;
  for (let i = 0; i < n; i++) {
    const s = Math.sign(gradient[i]!);
    gradientAbsoluteSum += Math.abs(gradient[i]!);
    noise += deviation[i]! ** 2;
    signal += gradient[i]! ** 2;
    hessianTrace += hessian[dense ? i * n + i : i]!;
    if (dense) for (let j = 0; j < n; j++) signCurvature += s * Math.sign(gradient[j]!) * hessian[i * n + j]!;
    else signCurvature += s * s * hessian[i]!;
  }
  return { gradientAbsoluteSum, signCurvature, hessianTrace, noiseToSignal: noise / signal };
}

/** The mean-field law of sign updates. */
export interface SignLaw {
  readonly gradientAbsoluteSum: number;
  /** `D = Σ_i H_ii`. */
  readonly diagonalCurvature: number;
  /** `O = Σ_{i≠j} s_i s_j H_ij = sᵀHs − tr H`; may be 0 or negative. */
  readonly offDiagonalCurvature: number;
  /** κ², in samples. */
  readonly noiseToSignal: number;
  /** `β_noise = √(D/O)`; infinite if `O ≤ 0`. */
  readonly betaNoise: number;
  /** True if η*(B) falls beyond a peak: `β_noise < 1`. */
  readonly surge: boolean;
  /** `B_noise = πκ²β_noise² / (2(1 − β_noise²))`, where η* peaks; infinite without a surge. */
  readonly peakBatchSize: number;
  /** `η_max = Σ|g_i| / (2√(D·O))` at the peak; without a surge the limit for large batches, `Σ|g_i|/(D + O)`. */
  readonly maxLearningRate: number;
  /** `B_noise2 = πκ²D / (2(D + O))`, the critical batch size of the trade-off between steps and samples. */
  readonly criticalBatchSize: number;
  /** `ΔL_max = (Σ|g_i|)² / (2(D + O)) = β_noise η_max Σ|g_i| / (1 + β_noise²)`. */
  readonly maxLossDecrease: number;
}

/**
 * The mean-field law of `φ̃ = sign(g̃_B)`: every component has `E[φ̃_i] = sign(g_i)·β` with `β = (1 + πκ²/(2B))^(−½)`.
 *
 * With a surge `1/B_noise2 − 1/B_noise = 4/(πκ²)` holds.
 *
 * @throws ConfigError if a sum isn't positive; `signCurvature` has to be, as otherwise large batches have no best learning rate
 *
 * Source: Su-10542. The closed forms are written here with D and O, so that `O ≤ 0` needs no case of its own.
 *
 * @example
 * ```ts
 * const law = signLaw({ gradientAbsoluteSum: 2, signCurvature: 10, hessianTrace: 10, noiseToSignal: 100 });
 * law.surge; // => false
 * law.maxLearningRate; // => 0.200
 * ```
 */
export function signLaw(statistics: SignStatistics): SignLaw {
  const { gradientAbsoluteSum, signCurvature, hessianTrace, noiseToSignal } = statistics;
  requirePositive("signLaw", { gradientAbsoluteSum, signCurvature, hessianTrace });
  requireNonNegative("signLaw", { noiseToSignal });
  const [D, O] = [hessianTrace, signCurvature - hessianTrace];
  const betaNoise = O > 0 ? Math.sqrt(D / O) : Number.POSITIVE_INFINITY;
  const surge = betaNoise < 1;
  return {
    gradientAbsoluteSum,
    diagonalCurvature: D,
    offDiagonalCurvature: O,
    noiseToSignal,
    betaNoise,
    surge,
    peakBatchSize: surge ? (Math.PI * noiseToSignal * D) / (2 * (O - D)) : Number.POSITIVE_INFINITY,
    maxLearningRate: surge ? gradientAbsoluteSum / (2 * Math.sqrt(D * O)) : gradientAbsoluteSum / (D + O),
    criticalBatchSize: (Math.PI * noiseToSignal * D) / (2 * (D + O)),
    maxLossDecrease: gradientAbsoluteSum ** 2 / (2 * (D + O)),
  };
}

/**
 * `β = (1 + πκ²/(2B))^(−½)`: how much of each sign survives the noise. Source: Su-10542.
 *
 * @example
 * ```ts
 * meanFieldBeta(100, 1e9); // => 1.000
 * meanFieldBeta(100, 50 * Math.PI); // => 0.707
 * ```
 */
export function meanFieldBeta(noiseToSignal: number, batchSize: number): number {
  requireNonNegative("meanFieldBeta", { noiseToSignal });
  requirePositive("meanFieldBeta", { batchSize });
  return 1 / Math.sqrt(1 + (Math.PI * noiseToSignal) / (2 * batchSize));
}

/**
 * ```
 * η*(B) = βΣ|g_i| / (D + β²O) = η_max / (½(β_noise/β + β/β_noise))      ΔL*(B) = ΔL_max / (1 + B_noise2/B)
 * ```
 *
 * `η* ∝ √B` for small batches. The mean field replaces all ratios σ_i/g_i by one: it's exact up to the error of
 * `signMeanApproximation` if they are equal; with ratios spread over decades it is a rough guide (`scaling.test.ts` shows both).
 *
 * @throws ConfigError for a batch size that isn't positive
 *
 * Source: Su-10542.
 *
 * @example
 * ```ts
 * const law = signLaw({ gradientAbsoluteSum: 2, signCurvature: 10, hessianTrace: 10, noiseToSignal: 100 });
 * signOptimum(law, 1e9).learningRate; // => 0.200
 * // For small batches as √B.
 * signOptimum(law, 0.04).learningRate / signOptimum(law, 0.01).learningRate; // => 2.00
 * ```
 */
export function signOptimum(law: SignLaw, batchSize: number): StepOptimum {
  const beta = meanFieldBeta(law.noiseToSignal, batchSize);
  const alignment = beta * law.gradientAbsoluteSum;
  const curvature = law.diagonalCurvature + beta ** 2 * law.offDiagonalCurvature;
  if (!(curvature > 0))
    throw new ConfigError(`signOptimum: curvature ${curvature}: expected a positive number`);
  return { learningRate: alignment / curvature, lossDecrease: alignment ** 2 / (2 * curvature) };
}

import { ConfigError } from "../errors.ts";
import { erf } from "../numbers/index.ts";
import { requireNonNegative, requirePositive } from "./checks.ts";
import {
  type ComponentStatistics,
  checkComponents,
  expectedQuadraticForm,
  independentMoments,
} from "./directionProblem.ts";
import type { DirectionMoments } from "./generalLaw.ts";
import type { StepOptimum } from "./optimum.ts";
import { type Expectation, signMean } from "./signLaw.ts";

/**
 * `softsign(x, ε) = x / √(x² + ε²)`: the sign for ε → 0, and x/ε for ε → ∞. The stand-in for Adam with its ε. Source: Su-10563.
 *
 * @example
 * ```ts
 * softsign(3, 4); // => 0.600
 * softsign(-300, 4); // => -1.000
 * ```
 */
export function softsign(x: number, epsilon: number): number {
  return x === 0 ? 0 : x / Math.hypot(x, epsilon);
}

/** One component of a batch's gradient: mean g, variance σ²/B. */
export interface NoisyComponent {
  readonly gradient: number;
  /** σ of one sample, ≥ 0. */
  readonly deviation: number;
  readonly batchSize: number;
  /** ε ≥ 0, in units of the gradient. */
  readonly epsilon: number;
}

/** The first two moments of one component of an update. */
export interface ComponentMoments {
  /** `E[φ̃]`. */
  readonly mean: number;
  /** `E[φ̃²]`. */
  readonly square: number;
}

function standardized({ gradient, deviation, batchSize, epsilon }: NoisyComponent) {
  requirePositive("softsign", { batchSize });
  requireNonNegative("softsign", { deviation, epsilon });
  const scale = Math.sqrt(batchSize) / deviation;
  return { a: gradient * scale, b: epsilon * scale };
}

/**
 * `E[softsign(g̃, ε)]` and `E[softsign(g̃, ε)²]` of a normal g̃, by quadrature: absolute error below 1e-11.
 *
 * The trapezoidal rule converges exponentially on analytic integrands over the whole line (Trefethen and Weideman, The exponentially
 * convergent trapezoidal rule, 2014). Softsign has poles at ±iε; where ε is small against the noise they are moved away by
 * `x = ε·sinh t`, which turns softsign into tanh t. Gauss–Hermite rules fail there: no fixed number of nodes resolves a step.
 *
 * @example
 * ```ts
 * const { mean, square } = softsignComponent({ gradient: 3, deviation: 1e-6, batchSize: 1, epsilon: 4 });
 * mean; // => 0.600
 * square; // => 0.360
 * ```
 */
export function softsignComponent(component: NoisyComponent): ComponentMoments {
  const { gradient, deviation, epsilon, batchSize } = component;
  const { a, b } = standardized(component);
  if (deviation === 0) {
    const value = softsign(gradient, epsilon);
    return { mean: value, square: value ** 2 };
  }
  if (epsilon === 0) return { mean: signMean(gradient / deviation, batchSize), square: 1 };
  let [mean, square] = [0, 0];
  const reach = 9; // the normal mass beyond is 2e-19
  if (b >= 0.5 || Math.abs(a) >= reach) {
    const h = 1 / 12;
    for (let z = -reach; z <= reach + 1e-9; z += h) {
      const density = h * Math.exp(-0.5 * z * z);
      const value = softsign(a + z, b);
      mean += density * value;
      square += density * value * value;
    }
  } else {
    const h = 1 / 16;
    const first = Math.floor(Math.asinh((a - reach) / b) / h);
    const last = Math.ceil(Math.asinh((a + reach) / b) / h);
    for (let i = first; i <= last; i++) {
      const t = i * h;
      const x = b * Math.sinh(t);
      const density = h * b * Math.cosh(t) * Math.exp(-0.5 * (x - a) ** 2);
      const value = Math.tanh(t);
      mean += density * value;
      square += density * value * value;
    }
  }
  const norm = Math.sqrt(2 * Math.PI);
  return { mean: mean / norm, square: square / norm };
}

/**
 * `E[clip(g̃/ε, −1, 1)]` in closed form; with `a = g√B/σ` and `b = ε√B/σ`:
 *
 * ```
 * ½[erf((a+b)/√2) + erf((a−b)/√2)] + (a/2b)[erf((a+b)/√2) − erf((a−b)/√2)] + (e^(−(a+b)²/2) − e^(−(a−b)²/2))/(b√(2π))
 * ```
 *
 * As a stand-in for `E[softsign]` it's too large in absolute value by at most 1 − 1/√2 = 0.293 (without noise, at g = ε).
 *
 * @throws ConfigError unless `σ > 0` and `ε > 0`
 *
 * Source: Su-10563.
 *
 * @example
 * ```ts
 * clipMean({ gradient: 1, deviation: 1e-6, batchSize: 1, epsilon: 4 }); // => 0.250
 * clipMean({ gradient: 8, deviation: 1e-6, batchSize: 1, epsilon: 4 }); // => 1.000
 * ```
 */
export function clipMean(component: NoisyComponent): number {
  requirePositive("clipMean", { deviation: component.deviation, epsilon: component.epsilon });
  const { a, b } = standardized(component);
  const [above, below] = [erf((a + b) / Math.SQRT2), erf((a - b) / Math.SQRT2)];
  return (
    0.5 * (above + below) +
    (a / (2 * b)) * (above - below) +
    (Math.exp(-0.5 * (a + b) ** 2) - Math.exp(-0.5 * (a - b) ** 2)) / (b * Math.sqrt(2 * Math.PI))
  );
}

/**
 * The algebraic approximations, with `ν = softsign(g, ε)` and `κ² = σ²/(g² + ε²)`:
 *
 * ```
 * E[φ̃] ≈ νβ = g / √(g² + ε² + πσ²/(2B))      E[φ̃²] ≈ ν²β² + (1 − β²)      β = (1 + πκ²/(2B))^(−½)
 * ```
 *
 * Against the exact values, over all g, σ, B and ε: `E[φ̃]` differs by at most 0.108, or 12 %; `E[φ̃²]` is never too small, and too
 * large by at most 0.31, or a factor of 1.82. For ε → ∞ its noise term is `πσ²/(2Bε²)`: the true one is `σ²/(Bε²)`.
 *
 * Source: Su-10563.
 *
 * @example
 * ```ts
 * const component = { gradient: 3, deviation: 2, batchSize: 4, epsilon: 4 };
 * const [exact, near] = [softsignComponent(component), softsignComponentApproximation(component)];
 * Math.abs(exact.mean - near.mean) < 0.108; // => true
 * ```
 */
export function softsignComponentApproximation(component: NoisyComponent): ComponentMoments {
  const { gradient, deviation, batchSize, epsilon } = component;
  standardized(component);
  const signal = gradient ** 2 + epsilon ** 2;
  const noise = (Math.PI * deviation ** 2) / (2 * batchSize);
  if (signal + noise === 0) return { mean: 0, square: 0 };
  // νβ, ν²β² and 1 − β² over one denominator: 1 − β² by subtraction would lose all digits for a large ε.
  return {
    mean: gradient / Math.sqrt(signal + noise),
    square: (gradient ** 2 + noise) / (signal + noise),
  };
}

/**
 * `E[φ̃]ᵀg` and `E[φ̃ᵀHφ̃]` of `φ̃ = softsign(g̃_B, ε)`, for normal noise that is independent between components.
 *
 * @param expectation - `"exact"`, by quadrature (default), or `"approximate"`
 * @throws ConfigError if lengths don't match or a number is out of range
 *
 * @example
 * ```ts
 * const components = { gradient: [3, -3], deviation: [0, 0], hessian: [2, 0, 0, 2] };
 * softsignMoments(components, 1, 4); // => { alignment: 3.600, curvature: 1.440 }
 * ```
 */
export function softsignMoments(
  statistics: ComponentStatistics,
  batchSize: number,
  epsilon: number,
  expectation: Expectation = "exact",
): DirectionMoments {
  const moments = expectation === "exact" ? softsignComponent : softsignComponentApproximation;
  return independentMoments("softsignMoments", statistics, batchSize, (gradient, deviation) =>
    moments({ gradient, deviation, batchSize, epsilon }),
  );
}

/** The mean-field law of softsign updates at one ε. */
export interface SoftsignLaw {
  /** `Σ ν_i g_i` with `ν_i = softsign(g_i, ε)`. */
  readonly alignment: number;
  /** `Q = Σ_ij ν_i ν_j H_ij`. */
  readonly signalCurvature: number;
  /** `D = Σ_i H_ii`. */
  readonly diagonalCurvature: number;
  /** κ², a mean of `σ_i²/(g_i² + ε²)`, in samples. */
  readonly noiseToSignal: number;
  /** True if η*(B) falls beyond a peak: `Q > 2D`. */
  readonly surge: boolean;
  /** Where η* peaks, `πκ²D / (2(Q − 2D))`; infinite without a surge. */
  readonly peakBatchSize: number;
}

/**
 * The mean-field law of softsign updates from components; κ² is `Σσ_i² / Σ(g_i² + ε²)`.
 *
 * The surge: `η* = βA/(D + β²(Q − D))` has its largest value at `β² = D/(Q − D)`, which is below 1 exactly if `Q > 2D`. The source asks
 * for `Q > D` only, which is needed but not enough (ε → 0 gives the sign law, where `O > D` is `Q > 2D`).
 *
 * @param epsilon - ε ≥ 0, in units of the gradient
 * @throws ConfigError if lengths don't match, a number is out of range, or Q or D isn't positive
 *
 * Source: Su-10563.
 *
 * @example
 * ```ts
 * const components = { gradient: [1, -1], deviation: [2, 2], hessian: [2, 1, 1, 3] };
 * // For ε → 0 Adam's stand-in is the sign: A = Σ|g|, D = tr H.
 * const { alignment, diagonalCurvature, noiseToSignal } = softsignLaw(components, 0);
 * [alignment, diagonalCurvature, noiseToSignal]; // => [2, 5, 4]
 * ```
 */
export function softsignLaw(statistics: ComponentStatistics, epsilon: number): SoftsignLaw {
  checkComponents("softsignLaw", statistics);
  requireNonNegative("softsignLaw", { epsilon });
  const { gradient, deviation, hessian } = statistics;
  const n = gradient.length;
  const soft = Float64Array.from({ length: n }, (_, i) => softsign(gradient[i]!, epsilon));
  let [alignment, noise, signal, D] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    alignment += soft[i]! * gradient[i]!;
    noise += deviation[i]! ** 2;
    signal += gradient[i]! ** 2 + epsilon ** 2;
    D += hessian[hessian.length === n ? i : i * n + i]!;
  }
  const Q = expectedQuadraticForm(
    hessian,
    soft,
    soft.map((value) => value * value),
  );
  requirePositive("softsignLaw", { alignment, signalCurvature: Q, diagonalCurvature: D });
  const surge = Q > 2 * D;
  const noiseToSignal = noise / signal;
  return {
    alignment,
    signalCurvature: Q,
    diagonalCurvature: D,
    noiseToSignal,
    surge,
    peakBatchSize: surge ? (Math.PI * noiseToSignal * D) / (2 * (Q - 2 * D)) : Number.POSITIVE_INFINITY,
  };
}

/**
 * ```
 * η*(B) = βΣν_i g_i / (β²·Q + (1 − β²)·D)      β = (1 + πκ²/(2B))^(−½)
 * ```
 *
 * ε → 0 is `signOptimum`. For ε → ∞, `η* / ε` is the law of SGD with the covariance `(π·mean σ²/2)·I` in place of Σ, as the source says;
 * the true limit (`softsignMoments`) has Σ itself.
 *
 * @throws ConfigError for a batch size that isn't positive
 *
 * Source: Su-10563.
 *
 * @example
 * ```ts
 * const components = { gradient: [3, -3], deviation: [1, 1], hessian: [2, 0, 0, 2] };
 * const law = softsignLaw(components, 4);
 * // Large batches: A/Q, with ν = 0.6.
 * softsignOptimum(law, 1e9).learningRate; // => 2.500
 * ```
 */
export function softsignOptimum(law: SoftsignLaw, batchSize: number): StepOptimum {
  requirePositive("softsignOptimum", { batchSize });
  const noise = (Math.PI * law.noiseToSignal) / (2 * batchSize);
  const betaSquared = 1 / (1 + noise);
  const alignment = Math.sqrt(betaSquared) * law.alignment;
  const curvature = betaSquared * (law.signalCurvature + noise * law.diagonalCurvature);
  if (!(curvature > 0))
    throw new ConfigError(`softsignOptimum: curvature ${curvature}: expected a positive number`);
  return { learningRate: alignment / curvature, lossDecrease: alignment ** 2 / (2 * curvature) };
}

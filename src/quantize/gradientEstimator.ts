import { lax, numpy as np, random } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { checkNonNegative } from "../numberChecks.ts";
import { choice, computed, nonNegative, type OptionTable, positive, withDefaults } from "../options/index.ts";
import { checkPair } from "./checks.ts";

/**
 * What passes for the derivative of a quantizer:
 * - `"straight-through"`: the identity (VQ-VAE);
 * - `"rotation"`: the rotation and scaling that take the vector to its code (the rotation trick);
 * - `"diveq"`: the code's distance along a fixed, noisy direction, which reaches the codebook as well (DiVeQ).
 */
export type GradientEstimator = "straight-through" | "rotation" | "diveq";

export const gradientEstimators: readonly GradientEstimator[] = ["straight-through", "rotation", "diveq"];

export interface GradientOptions {
  /** Default `"straight-through"` (VQ-VAE, SimVQ). */
  readonly gradient?: GradientEstimator;
  /**
   * Standard deviation of the noise in DiVeQ's direction. Default 1e-3, what the authors' code uses (it calls the number a
   * variance and passes it on as a standard deviation). vector-quantize-pytorch: `√0.005`.
   */
  readonly noiseStd?: number;
  /**
   * Most that the rotation trick may lengthen a gradient. Default infinite (the rotation trick); a number near 1 keeps short vectors
   * from taking steps as long as `‖q‖/‖z‖` says, see {@link rotationWarning}.
   */
  readonly maxRatio?: number;
}

/** Options of every quantizer whose derivatives pass by an estimator. */
export const gradientTable = {
  gradient: choice(gradientEstimators, "straight-through", "VQ-VAE, SimVQ"),
  noiseStd: nonNegative(1e-3, "DiVeQ's code"),
  maxRatio: computed(positive, "∞", "the rotation trick"),
} satisfies OptionTable;

/** @throws ConfigError for an unknown estimator, a negative deviation or a ratio that isn't positive */
export function resolveGradient(options: GradientOptions): Required<GradientOptions> {
  const { gradient, noiseStd, maxRatio = Number.POSITIVE_INFINITY } = withDefaults(gradientTable, options);
  return { gradient, noiseStd, maxRatio };
}

function checkRatio(maxRatio: number): void {
  if (!(maxRatio > 0)) throw new ConfigError(`maxRatio ${maxRatio}: expected a positive number`);
}

/** Below this length of `ẑ + q̂` its direction is mostly rounding: unit vectors in float32 are exact to about 10⁻⁷. */
const opposite = 1e-4;
const tiny = 1e-30;

const dot = (a: np.Array, b: np.Array) => a.mul(b).sum(-1, { keepdims: true });

/** `‖x‖` over the last axis, kept; its derivative at 0 is 0. */
function norm(x: np.Array): np.Array {
  const square = np.square(x).sum(-1, { keepdims: true });
  const positive = square.ref.greater(0);
  return np.where(positive.ref, np.sqrt(np.where(positive, square, 1)), 0);
}

/**
 * `sg[q] + (z − sg[z])`: the value is `q`, bit for bit, and the derivative with respect to `z` is the identity.
 *
 * The usual way to write it, `z + sg[q − z]`, has the same derivative, but its value is off by a rounding, so that decoded codes
 * would not be what the decoder was trained on.
 *
 * @param z - `float32[.., D]`, consumed
 * @param q - `float32[.., D]`, consumed; gets no gradient
 * @returns `float32[.., D]`; NaN where `z` is not finite
 *
 * Source: VQ-VAE, arXiv 1711.00937, section 3.2.
 *
 * @example
 * ```ts
 * const q = np.array([1, -1]);
 * straightThrough(np.array([0.8, -0.1]), q.ref); // => [1, -1]
 * grad((z: np.Array) => np.square(straightThrough(z, q)).sum())(np.array([0.8, -0.1])); // => [2, -2]
 * ```
 */
export function straightThrough(z: np.Array, q: np.Array): np.Array {
  checkPair("straightThrough", z, q);
  const zero = z.ref.sub(lax.stopGradient(z));
  return lax.stopGradient(q).add(zero);
}

/**
 * Value `q`, bit for bit; derivative with respect to `z` the constant map `δ ↦ (‖q‖/‖z‖)·(δ − 2 r rᵀδ + 2 q̂ ẑᵀδ)` with
 * `r = (ẑ + q̂)/‖ẑ + q̂‖`: the rotation in the plane of `z` and `q` that takes `ẑ` to `q̂`, and the ratio of lengths. No matrix is
 * formed.
 *
 * Where the definition fails:
 * - `ẑ ≈ −q̂` (`‖ẑ + q̂‖ < 10⁻⁴`): no plane is given; `r = 0`, which leaves `δ − 2 ẑ ẑᵀδ`. It also takes `ẑ` to `q̂` and keeps norms;
 *   the published code arrives at it for exactly opposite vectors.
 * - `z = 0`: the identity, as straight-through. `q = 0`: the zero map, as the formula says.
 *
 * The factor `‖q‖/‖z‖` is not bounded: vectors much shorter than their codes get gradients that much longer, unless `maxRatio` stops
 * it; see {@link rotationWarning}.
 *
 * @param z - `float32[.., D]`, consumed
 * @param q - `float32[.., D]`, consumed; gets no gradient
 * @param maxRatio - most that the factor may be. Default infinite (the rotation trick).
 * @returns `float32[.., D]`; NaN where `z` is not finite
 *
 * Source: Fifty et al., Restructuring Vector Quantization with the Rotation Trick, arXiv 2410.06424, section 4.2.
 *
 * @example
 * ```ts
 * const [z, q] = [np.array([[2, 0]]), np.array([[0, 1]])];
 * const loss = (x: np.Array) => rotationTrick(x, q).slice(0, 1);
 * // The derivative is turned as z is turned to q, and half as long: q is half as long as z.
 * grad(loss)(z); // => [[0.500, 0.000]]
 * ```
 */
export function rotationTrick(z: np.Array, q: np.Array, maxRatio = Number.POSITIVE_INFINITY): np.Array {
  checkPair("rotationTrick", z, q);
  checkRatio(maxRatio);
  const [start, target] = [lax.stopGradient(z.ref), lax.stopGradient(q)];
  const change = z.sub(start.ref);
  const startNorm = norm(start.ref);
  const targetNorm = norm(target.ref);
  const from = start.div(startNorm.ref.add(tiny));
  const to = target.ref.div(targetNorm.ref.add(tiny));
  const between = from.ref.add(to.ref);
  const length = norm(between.ref);
  const middle = np.where(length.ref.less(opposite), 0, between.div(np.maximum(length, opposite)));
  const along = dot(middle.ref, change.ref).mul(2);
  const ahead = dot(from, change.ref).mul(2);
  const rotated = change.ref.sub(middle.mul(along)).add(to.mul(ahead));
  const isZero = startNorm.ref.equal(0);
  const published = targetNorm.div(np.where(isZero.ref, 1, startNorm));
  const ratio = maxRatio === Number.POSITIVE_INFINITY ? published : np.minimum(published, maxRatio);
  return target.add(np.where(isZero, change, rotated.mul(ratio)));
}

/**
 * `z + ‖q − z‖·sg[v/‖v‖]` with `v = q − z + noise`. Derivatives reach `z` and, through the distance, `q`: no codebook loss is
 * needed. The value is `q` moved by the noise, at the same distance from `z`; where `q = z` the distance's derivative is taken as 0.
 *
 * @param z - `float32[.., D]`, consumed
 * @param q - `float32[.., D]`, consumed
 * @param key - random key, consumed
 *
 * Source: Vali et al., DiVeQ: Differentiable Vector Quantization Using the Reparameterization Trick, 2025.
 *
 * @example
 * ```ts
 * const [z, q] = [np.array([[1, 0]]), np.array([[0, 0]])];
 * const value = diveq(z, q, random.key(0), 1e-3);
 * // The code, moved by the noise, at the same distance from z.
 * value; // => [[0.00, 0.0]]
 * ```
 */
export function diveq(z: np.Array, q: np.Array, key: np.Array, noiseStd = 1e-3): np.Array {
  checkPair("diveq", z, q);
  checkKeys("diveq", key);
  checkNonNegative("noiseStd", noiseStd);
  const error = q.sub(z.ref);
  const noise = random.normal(key, [...z.shape]).mul(noiseStd);
  const noisy = lax.stopGradient(error.ref).add(noise);
  const direction = noisy.ref.div(norm(noisy).add(tiny));
  return z.add(norm(error).mul(lax.stopGradient(direction)));
}

/**
 * What a quantizer returns for `z` whose code is `q`, by the estimator's name.
 *
 * @param key - random key, consumed; needed by DiVeQ only
 * @throws ConfigError if DiVeQ has no key; nothing is consumed then
 *
 * @example
 * ```ts
 * const [z, q] = [np.array([0.8]), np.array([1])];
 * quantizeThrough(z, q, { gradient: "straight-through" }); // => [1]
 * ```
 */
export function quantizeThrough(
  z: np.Array,
  q: np.Array,
  options: GradientOptions = {},
  key?: np.Array,
): np.Array {
  const { gradient, noiseStd, maxRatio } = resolveGradient(options);
  checkPair("quantizeThrough", z, q);
  checkKey("quantizeThrough", gradient, key);
  if (gradient === "diveq") return diveq(z, q, key!, noiseStd);
  key?.dispose();
  return gradient === "rotation" ? rotationTrick(z, q, maxRatio) : straightThrough(z, q);
}

/** @throws ConfigError if the estimator draws noise and there is no key, ShapeError for what is none */
export function checkKey(what: string, gradient: GradientEstimator, key: np.Array | undefined): void {
  checkKeys(what, key);
  if (gradient === "diveq" && key === undefined)
    throw new ConfigError(`${what}: gradient "diveq" draws noise: expected a random key`);
}

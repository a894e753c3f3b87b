import { grad, type numpy as np } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { checkPair } from "./checks.ts";
import {
  type GradientEstimator,
  gradientEstimators,
  quantizeThrough,
  resolveGradient,
} from "./gradientEstimator.ts";

/** How one estimator's gradients compare with the exact ones. Angles in degrees. */
export interface GradientComparison {
  readonly gradient: GradientEstimator;
  /** Between the gradients of all vectors taken as one. */
  readonly angle: number;
  /** Over single vectors. */
  readonly meanAngle: number;
  readonly medianAngle: number;
  readonly largestAngle: number;
  /** `‖estimate‖ / ‖exact‖` of all vectors taken as one. */
  readonly lengthRatio: number;
  /** Vectors that have an angle: neither gradient is zero or not finite. */
  readonly numVectors: number;
}

export interface GradientReportOptions {
  /** Default: all. */
  readonly gradients?: readonly GradientEstimator[];
  /** Of DiVeQ. Default 1e-3. */
  readonly noiseStd?: number;
}

const degrees = 180 / Math.PI;

/** Angle by two half chords, which is exact for small angles too (Kahan). NaN if a vector is zero or not finite. */
function angleBetween(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norm = (f: (i: number) => number) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += f(i) ** 2;
    return Math.sqrt(sum);
  };
  const [na, nb] = [norm((i) => a[i]!), norm((i) => b[i]!)];
  if (!(na > 0 && nb > 0)) return Number.NaN;
  const apart = norm((i) => a[i]! / na - b[i]! / nb);
  const together = norm((i) => a[i]! / na + b[i]! / nb);
  return 2 * Math.atan2(apart, together) * degrees;
}

/**
 * Compares what each estimator gives the encoder with the exact gradient of a second forward pass without quantization,
 * `∂L/∂z` at `z` itself (the "double forward" baseline of the rotation trick's authors).
 *
 * For a quadratic loss `½‖z − t‖²` the exact gradient is `z − t`, straight-through gives `q − t`.
 *
 * @param loss - from `float32[.., D]`, the decoder's input, to `float32[]`; consumes its argument, and must give the same every time
 * @param z - the encoder's output, `float32[.., D]`, consumed
 * @param q - its codes, `float32[.., D]`, consumed
 * @param key - random key for DiVeQ's noise, consumed
 * @throws ShapeError, ConfigError for arguments that don't fit; nothing is consumed then
 *
 * Reads values: not for `jit` or `compile`. Source: Fifty et al., arXiv 2410.06424, and their code.
 *
 * @example
 * ```ts
 * const target = np.array([[1, 1]]);
 * const loss = (z: np.Array) => np.square(z.sub(target.ref)).sum().mul(0.5);
 * const [report] = gradientReport(loss, np.array([[0, 1]]), np.array([[0.5, 1]]), random.key(0), {
 *   gradients: ["straight-through"],
 * });
 * // Straight-through gives q − t = −0.5 for the exact z − t = −1: half of it, in the same direction.
 * report!.lengthRatio; // => 0.500
 * report!.angle; // => 0.00
 * ```
 */
export function gradientReport(
  loss: (z: np.Array) => np.Array,
  z: np.Array,
  q: np.Array,
  key: np.Array,
  { gradients = gradientEstimators, noiseStd = 1e-3 }: GradientReportOptions = {},
): GradientComparison[] {
  checkPair("gradientReport", z, q);
  checkKeys("gradientReport", key);
  for (const gradient of gradients) resolveGradient({ gradient, noiseStd });
  const dim = z.shape.at(-1)!;
  const exact = grad(loss)(z.ref).dataSync();
  const comparisons = gradients.map((gradient) => {
    const through = (x: np.Array) => loss(quantizeThrough(x, q.ref, { gradient, noiseStd }, key.ref));
    const estimate = grad(through)(z.ref).dataSync();
    const angles: number[] = [];
    for (let i = 0; i < exact.length; i += dim) {
      const angle = angleBetween(estimate.subarray(i, i + dim), exact.subarray(i, i + dim));
      if (Number.isFinite(angle)) angles.push(angle);
    }
    angles.sort((a, b) => a - b);
    const count = angles.length;
    const norm = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, v) => sum + v * v, 0));
    return {
      gradient,
      angle: angleBetween(estimate, exact),
      meanAngle: angles.reduce((a, b) => a + b, 0) / count,
      medianAngle: (angles[(count - 1) >> 1]! + angles[count >> 1]!) / 2,
      largestAngle: angles.at(-1) ?? Number.NaN,
      lengthRatio: norm(estimate) / norm(exact),
      numVectors: count,
    };
  });
  for (const array of [z, q, key]) array.dispose();
  return comparisons;
}

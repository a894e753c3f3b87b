import { type Coefficients, type CoefficientTable, coefficientTable } from "./coefficients.ts";

/**
 * `g(x) = ax + bx³ + cx⁵` for each step in turn; the last triple repeats.
 *
 * @example
 * ```ts
 * iteratePolynomial(0.5, [[1.5, -0.5, 0]], 1); // => 0.6875
 * iteratePolynomial(0.5, [[1.5, -0.5, 0]], 8); // => 1.0000
 * ```
 */
export function iteratePolynomial(x: number, triples: readonly Coefficients[], steps: number): number {
  let value = x;
  for (let step = 0; step < steps; step++) {
    const [a, b, c] = triples[Math.min(step, triples.length - 1)]!;
    const square = value * value;
    value *= a + square * (b + square * c);
  }
  return value;
}

/**
 * Mean of `(g^T(σ/safety) − 1)²` over singular values: how far a Newton–Schulz iteration leaves them from 1.
 *
 * @param singularValues - of matrices divided by their Frobenius norms
 * @param table - triples (with safety 1) or a table with its safety factor
 * @param steps - T
 *
 * @example
 * ```ts
 * polynomialError(new Float64Array([1, 0.5]), [[1.5, -0.5, 0]], 1); // => 0.0488
 * ```
 */
export function polynomialError(
  singularValues: Float64Array,
  table: readonly Coefficients[] | CoefficientTable,
  steps: number,
): number {
  const { steps: triples, safety } = coefficientTable(table);
  let sum = 0;
  for (const value of singularValues) sum += (iteratePolynomial(value / safety, triples, steps) - 1) ** 2;
  return sum / singularValues.length;
}

/** A mean over matrices with the standard error that comes from having so few of them. */
export interface SampledError {
  /** Over all singular values of all matrices. */
  readonly mean: number;
  /** Standard deviation of the means of single matrices over the root of their number; null for one matrix. */
  readonly standardError: number | null;
}

/**
 * {@link polynomialError} over independent matrices.
 *
 * @param spectra - singular values of each matrix divided by its Frobenius norm; at least one matrix
 *
 * @example
 * ```ts
 * const spectra = [1, 2, 3].map((seed) => gaussianSingularValues(16, 8, seed));
 * const { mean, standardError } = sampledError(spectra, coefficientTables["keller-jordan"], 5);
 * mean > 0 && standardError! < mean; // => true
 * ```
 */
export function sampledError(
  spectra: readonly Float64Array[],
  table: readonly Coefficients[] | CoefficientTable,
  steps: number,
): SampledError {
  const errors = spectra.map((values) => polynomialError(values, table, steps));
  const total = spectra.reduce((sum, values) => sum + values.length, 0);
  const mean = errors.reduce((sum, error, i) => sum + error * spectra[i]!.length, 0) / total;
  const count = errors.length;
  if (count < 2) return { mean, standardError: null };
  const center = errors.reduce((a, b) => a + b, 0) / count;
  const variance = errors.reduce((sum, error) => sum + (error - center) ** 2, 0) / (count - 1);
  return { mean, standardError: Math.sqrt(variance / count) };
}

/**
 * The triple of `g(x) = x + κx(x² − x₁²)(x² − x₂²)`. Source: Su-10592.
 *
 * @example
 * ```ts
 * const triple = coefficientsOfRoots(1, 0.8, 1.2);
 * // x₁ and x₂ are fixed points.
 * [0.8, 1.2].map((x) => iteratePolynomial(x, [triple], 1)); // => [0.8000, 1.2000]
 * ```
 */
export function coefficientsOfRoots(kappa: number, x1: number, x2: number): Coefficients {
  const [u, v] = [x1 * x1, x2 * x2];
  return [1 + kappa * u * v, -kappa * (u + v), kappa];
}

/** Singular values of a matrix divided by its Frobenius norm are at most 1; float32 rounds a little above. */
export const largestSingularValue = 1.01;
/** Images above this are taken for divergence: each further step multiplies them. */
const largestImage = 2;

/**
 * How far a table may be used: the largest s ≤ 1.01 with `|g^T(σ)| ≤ 2` for all singular values σ in [0, s], on a grid of 4000.
 *
 * A table that was fitted to small singular values only may multiply large ones without bound. One with `boundedUpTo ≥ 1` gives
 * finite results for every matrix that is divided by its Frobenius norm.
 *
 * @throws ConfigError if the table isn't one
 *
 * @example
 * ```ts
 * boundedUpTo([[1.5, -0.5, 0]], 5); // => 1.01
 * boundedUpTo([[15, 0, 0]], 5) < 0.001; // => true
 * ```
 */
export function boundedUpTo(table: readonly Coefficients[] | CoefficientTable, steps: number): number {
  const { steps: triples, safety } = coefficientTable(table);
  const points = 4000;
  for (let i = 1; i <= points; i++) {
    const image = iteratePolynomial((largestSingularValue * i) / points / safety, triples, steps);
    if (!(Math.abs(image) <= largestImage)) return (largestSingularValue * (i - 1)) / points;
  }
  return largestSingularValue;
}

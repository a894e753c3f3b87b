import type { Coefficients } from "./coefficients.ts";

/** Parameters of a polynomial iteration as triples, with the derivative of each triple by the parameters. */
export interface Parametrization {
  /** For each step, which parameters it depends on begins at `offset`; the derivatives are `[parameter][a, b, c]`. */
  triples(parameters: Float64Array): {
    readonly triple: Coefficients;
    readonly offset: number;
    readonly derivatives: readonly (readonly [number, number, number])[];
  }[];
}

/** Singular values that an iteration should bring to 1. */
export interface Targets {
  readonly values: Float64Array;
  /** How much each counts; the sum is 1. */
  readonly weights: Float64Array;
}

interface NormalEquations {
  readonly matrix: Float64Array;
  readonly vector: Float64Array;
  /** Infinite if the iteration overflows. */
  readonly error: number;
}

/** `JᵀJ`, `Jᵀr` and `rᵀr` of the weighted residuals `g^T(σ) − 1`. */
function normalEquations(
  { values, weights }: Targets,
  parameters: Float64Array,
  how: Parametrization,
): NormalEquations {
  const size = parameters.length;
  const steps = how.triples(parameters);
  const matrix = new Float64Array(size * size);
  const vector = new Float64Array(size);
  const gradient = new Float64Array(size);
  let error = 0;
  for (let k = 0; k < values.length; k++) {
    const weight = weights[k]!;
    gradient.fill(0);
    let x = values[k]!;
    for (const {
      triple: [a, b, c],
      offset,
      derivatives,
    } of steps) {
      const square = x * x;
      const slope = a + square * (3 * b + square * 5 * c);
      for (let i = 0; i < size; i++) gradient[i]! *= slope;
      derivatives.forEach(([da, db, dc], i) => {
        gradient[offset + i]! += x * (da + square * (db + square * dc));
      });
      x *= a + square * (b + square * c);
    }
    const residual = x - 1;
    error += weight * residual * residual;
    for (let i = 0; i < size; i++) {
      const weighted = weight * gradient[i]!;
      vector[i]! += weighted * residual;
      for (let j = 0; j <= i; j++) matrix[i * size + j]! += weighted * gradient[j]!;
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) matrix[j * size + i] = matrix[i * size + j]!;
  return { matrix, vector, error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error };
}

/** Solves `(A + damping·diag A) x = b` by Cholesky; null if the matrix is not positive definite. */
function solveDamped(matrix: Float64Array, vector: Float64Array, damping: number): Float64Array | null {
  const n = vector.length;
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]! * (i === j ? 1 + damping : 1) + (i === j ? 1e-300 : 0);
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i === j && !(sum > 0)) return null;
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j]!;
    }
  }
  const x = vector.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  return x;
}

/**
 * Levenberg–Marquardt on the weighted mean of `(g^T(σ) − 1)²`: the error never rises from one iterate to the next.
 *
 * @returns the parameters with their error; infinite if the iteration overflows at the start
 */
export function leastSquares(
  targets: Targets,
  start: Float64Array,
  how: Parametrization,
  maxIterations: number,
): { readonly parameters: Float64Array; readonly error: number } {
  let parameters = start;
  let current = normalEquations(targets, parameters, how);
  let damping = 1e-3;
  for (let iteration = 0; iteration < maxIterations && damping < 1e16; iteration++) {
    const change = solveDamped(current.matrix, current.vector, damping);
    const next = change === null ? null : parameters.map((value, i) => value - change[i]!);
    const candidate = next === null ? null : normalEquations(targets, next, how);
    if (candidate === null || next === null || !(candidate.error < current.error)) {
      damping *= 4;
      continue;
    }
    const gain = (current.error - candidate.error) / current.error;
    parameters = next;
    current = candidate;
    damping = Math.max(damping / 6, 1e-12);
    if (gain < 1e-10) break;
  }
  return { parameters, error: current.error };
}

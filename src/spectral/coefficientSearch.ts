import { ConfigError } from "../errors.ts";
import type { Coefficients } from "./coefficients.ts";

/** What a search found for one triple that is used at every step. */
export interface FoundCoefficients {
  readonly kappa: number;
  /** The fixed points of the polynomial beside 0 and 1, `x₁ ≤ x₂`. */
  readonly x1: number;
  readonly x2: number;
  readonly coefficients: Coefficients;
  /** Mean of `(g^T(σ) − 1)²` over the singular values. */
  readonly meanSquaredError: number;
}

/** What a search found for triples that differ from step to step. */
export interface FoundSchedule {
  readonly steps: readonly Coefficients[];
  readonly meanSquaredError: number;
}

/** `g(x) = ax + bx³ + cx⁵` for each step in turn; the last triple repeats. */
export function iteratePolynomial(x: number, triples: readonly Coefficients[], steps: number): number {
  let value = x;
  for (let step = 0; step < steps; step++) {
    const [a, b, c] = triples[Math.min(step, triples.length - 1)]!;
    const square = value * value;
    value *= a + square * (b + square * c);
  }
  return value;
}

/** Mean of `(g^T(σ) − 1)²` over singular values. */
export function polynomialError(
  singularValues: Float64Array,
  triples: readonly Coefficients[],
  steps: number,
): number {
  let sum = 0;
  for (const value of singularValues) sum += (iteratePolynomial(value, triples, steps) - 1) ** 2;
  return sum / singularValues.length;
}

/** The triple of `g(x) = x + κx(x² − x₁²)(x² − x₂²)`. Source: Su-10592. */
export function coefficientsOfRoots(kappa: number, x1: number, x2: number): Coefficients {
  const [u, v] = [x1 * x1, x2 * x2];
  return [1 + kappa * u * v, -kappa * (u + v), kappa];
}

/** Parameters of a polynomial iteration as triples, with the derivative of each triple by the parameters. */
interface Parametrization {
  /** For each step, which parameters it depends on begins at `offset`; the derivatives are `[parameter][a, b, c]`. */
  triples(parameters: Float64Array): {
    readonly triple: Coefficients;
    readonly offset: number;
    readonly derivatives: readonly (readonly [number, number, number])[];
  }[];
}

/** One triple for all steps, by its fixed points. */
function byRoots(steps: number): Parametrization {
  return {
    triples([kappa, x1, x2]: Float64Array) {
      const [k, p, q] = [kappa!, x1!, x2!];
      const step = {
        triple: coefficientsOfRoots(k, p, q),
        offset: 0,
        derivatives: [
          [p * p * q * q, -(p * p + q * q), 1],
          [2 * k * p * q * q, -2 * k * p, 0],
          [2 * k * p * p * q, -2 * k * q, 0],
        ] as [number, number, number][],
      };
      return Array.from({ length: steps }, () => step);
    },
  };
}

/** A triple of its own for each step. */
function perStep(steps: number): Parametrization {
  const identity: [number, number, number][] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  return {
    triples: (parameters) =>
      Array.from({ length: steps }, (_, step) => ({
        triple: [parameters[3 * step]!, parameters[3 * step + 1]!, parameters[3 * step + 2]!],
        offset: 3 * step,
        derivatives: identity,
      })),
  };
}

/** `JᵀJ`, `Jᵀr` and `rᵀr` of the residuals `g^T(σ) − 1`. */
function normalEquations(singularValues: Float64Array, parameters: Float64Array, how: Parametrization) {
  const size = parameters.length;
  const steps = how.triples(parameters);
  const matrix = new Float64Array(size * size);
  const vector = new Float64Array(size);
  const gradient = new Float64Array(size);
  let error = 0;
  for (const singularValue of singularValues) {
    gradient.fill(0);
    let x = singularValue;
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
    error += residual * residual;
    for (let i = 0; i < size; i++) {
      vector[i]! += gradient[i]! * residual;
      for (let j = 0; j <= i; j++) matrix[i * size + j]! += gradient[i]! * gradient[j]!;
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) matrix[j * size + i] = matrix[i * size + j]!;
  return { matrix, vector, error };
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

/** Levenberg–Marquardt: the error never rises from one iterate to the next. */
function leastSquares(
  singularValues: Float64Array,
  start: Float64Array,
  how: Parametrization,
  maxIterations: number,
): { parameters: Float64Array; error: number } {
  let parameters = start;
  let current = normalEquations(singularValues, parameters, how);
  let damping = 1e-3;
  for (let iteration = 0; iteration < maxIterations && damping < 1e16; iteration++) {
    const change = solveDamped(current.matrix, current.vector, damping);
    const next = change === null ? null : parameters.map((value, i) => value - change[i]!);
    const candidate = next === null ? null : normalEquations(singularValues, next, how);
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
  return { parameters, error: current.error / singularValues.length };
}

function check(singularValues: Float64Array, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new ConfigError(`Newton–Schulz steps ${steps}: expected a positive integer`);
  if (singularValues.length === 0 || !singularValues.every((value) => value >= 0 && value <= 1 + 1e-12)) {
    throw new ConfigError("coefficient search: expected singular values in [0, 1], as of M/‖M‖_F");
  }
}

/** Where searches of one triple begin: published optima lie near these for 2 to 10 steps. */
const startingPoints: readonly (readonly [number, number, number])[] = [
  [11, 0.75, 0.79],
  [7, 0.8, 0.86],
  [4, 0.85, 0.95],
  [2.0315, 0.87, 1.26],
  [1.7, 0.93, 1.24],
  [1.4, 0.99, 1.07],
  [1.2, 1.03, 1.06],
  [0.375, 1, 1.5],
];

/**
 * Finds one triple for all steps that minimises the mean of `(g^T(σ) − 1)²`: Levenberg–Marquardt in (κ, x₁, x₂) from several
 * starting points, and from `startFrom`, than which the result is never worse.
 *
 * @param singularValues - of matrices divided by their Frobenius norms
 * @param steps - number of Newton–Schulz steps, T
 * @throws ConfigError for singular values outside [0, 1] or impossible steps
 *
 * Source: Su-10592, the section on coefficients as an optimisation problem.
 */
export function findCoefficients(
  singularValues: Float64Array,
  steps: number,
  startFrom: readonly (readonly [kappa: number, x1: number, x2: number])[] = [],
): FoundCoefficients {
  check(singularValues, steps);
  const how = byRoots(steps);
  const found = [...startFrom, ...startingPoints]
    .map((start) => leastSquares(singularValues, Float64Array.from(start), how, 200))
    .reduce((best, other) => (other.error < best.error ? other : best));
  const [kappa, p, q] = found.parameters as unknown as [number, number, number];
  const [x1, x2] = [Math.abs(p), Math.abs(q)].sort((a, b) => a - b) as [number, number];
  return {
    kappa,
    x1,
    x2,
    coefficients: coefficientsOfRoots(kappa, x1, x2),
    meanSquaredError: found.error,
  };
}

/**
 * Finds a triple for each step, from the given schedules (the last triple of each repeats) as starting points: never worse than
 * the best of them.
 *
 * @throws ConfigError for singular values outside [0, 1], impossible steps or no starting point
 */
export function findSchedule(
  singularValues: Float64Array,
  steps: number,
  startFrom: readonly (readonly Coefficients[])[],
): FoundSchedule {
  check(singularValues, steps);
  if (startFrom.length === 0) throw new ConfigError("findSchedule: expected a schedule to start from");
  const how = perStep(steps);
  const found = startFrom
    .map((schedule) => {
      const start = Float64Array.from({ length: 3 * steps }, (_, i) => {
        const triple = schedule[Math.min(Math.floor(i / 3), schedule.length - 1)]!;
        return triple[i % 3]!;
      });
      return leastSquares(singularValues, start, how, 400);
    })
    .reduce((best, other) => (other.error < best.error ? other : best));
  return {
    steps: how.triples(found.parameters).map(({ triple }) => triple),
    meanSquaredError: found.error,
  };
}

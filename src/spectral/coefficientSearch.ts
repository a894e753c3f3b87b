import { ConfigError } from "../errors.ts";
import { type Coefficients, coefficientTables } from "./coefficients.ts";
import { leastSquares, type Parametrization, type Targets } from "./leastSquares.ts";
import {
  boundedUpTo,
  coefficientsOfRoots,
  largestSingularValue,
  polynomialError,
} from "./polynomialIteration.ts";

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

export interface SearchOptions<Start> {
  /** Further starting points: the result is never worse than the best of them. Default none. */
  readonly startFrom?: readonly Start[];
  /**
   * Keep large singular values below 2 ({@link boundedUpTo}), whether any are given or not: as if one more in a hundred lay between
   * the median and 1.01, or four in a hundred and so on, if that isn't enough. Gaussian matrices have no large ones, gradients do.
   * Default false, as in Su-10592.
   */
  readonly bounded?: boolean;
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

const identity: [number, number, number][] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

/** A triple of its own for each step, or the same for all. */
function byTriples(steps: number, shared: boolean): Parametrization {
  return {
    triples: (parameters) =>
      Array.from({ length: steps }, (_, step) => {
        const offset = shared ? 0 : 3 * step;
        const triple: Coefficients = [parameters[offset]!, parameters[offset + 1]!, parameters[offset + 2]!];
        return { triple, offset, derivatives: identity };
      }),
  };
}

function check(singularValues: Float64Array, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new ConfigError(`Newton–Schulz steps ${steps}: expected a positive integer`);
  if (singularValues.length === 0 || !singularValues.every((value) => value >= 0 && value <= 1 + 1e-12)) {
    throw new ConfigError("coefficient search: expected singular values in [0, 1], as of M/‖M‖_F");
  }
}

/** Parts of the weight that bounded searches give to singular values of their own, and how many of those there are. */
const guard = { weights: [0.01, 0.04, 0.16, 0.64], points: 300 };
/** Starting points are compared on so many singular values; only the best goes on with all of them. */
const coarseSize = 1024;

/** @param beyond - part of the weight that goes to singular values between the median and 1.01 */
function targetsOf(values: Float64Array, beyond: number): Targets {
  const share = (1 - beyond) / values.length;
  if (beyond === 0) return { values, weights: new Float64Array(values.length).fill(share) };
  const lowest = Math.max(values.slice().sort()[values.length >> 1]!, 1e-4);
  const { points } = guard;
  const more = Float64Array.from(
    { length: points },
    (_, i) => lowest * (largestSingularValue / lowest) ** ((i + 1) / points),
  );
  const weights = new Float64Array(points + values.length).fill(share);
  weights.fill(beyond / points, 0, points);
  const both = new Float64Array(weights.length);
  both.set(more);
  both.set(values, points);
  return { values: both, weights };
}

/** Quantiles of the singular values, if there are many. */
function coarse(singularValues: Float64Array): Float64Array {
  if (singularValues.length <= coarseSize) return singularValues;
  const sorted = singularValues.slice().sort();
  return Float64Array.from(
    { length: coarseSize },
    (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / coarseSize)]!,
  );
}

/** From each starting point on a few singular values, then from the best of what that gives on all of them. */
function search(
  singularValues: Float64Array,
  how: Parametrization,
  given: readonly Float64Array[],
  own: readonly Float64Array[],
  beyond: number,
): Float64Array {
  const few = targetsOf(coarse(singularValues), beyond);
  const all = targetsOf(singularValues, beyond);
  const found = [...given, ...own].map((start) => leastSquares(few, start, how, 400));
  const best = found.reduce((a, b) => (b.error < a.error ? b : a)).parameters;
  // What is best on a few values must not be worse than a given start on all.
  const start = [best, ...given]
    .map((parameters) => leastSquares(all, parameters, how, 0))
    .reduce((a, b) => (b.error < a.error ? b : a));
  return leastSquares(all, start.parameters, how, 200).parameters;
}

/** The triples that a search finds, one per step. */
function searchTriples(
  singularValues: Float64Array,
  steps: number,
  how: Parametrization,
  given: readonly Float64Array[],
  own: readonly Float64Array[],
  bounded: boolean,
): { readonly parameters: Float64Array; readonly triples: readonly Coefficients[] } {
  const triplesOf = (parameters: Float64Array) => how.triples(parameters).map(({ triple }) => triple);
  let parameters = search(singularValues, how, given, own, bounded ? guard.weights[0]! : 0);
  for (const weight of bounded ? guard.weights.slice(1) : []) {
    if (boundedUpTo(triplesOf(parameters), steps) >= largestSingularValue) break;
    parameters = search(singularValues, how, [parameters], own, weight);
  }
  return { parameters, triples: triplesOf(parameters) };
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
 * Finds one triple for all steps that minimises the mean of `(g^T(σ) − 1)²`, `g(x) = x + κx(x² − x₁²)(x² − x₂²)`:
 * Levenberg–Marquardt in (κ, x₁, x₂) from several starting points.
 *
 * @param singularValues - of matrices divided by their Frobenius norms
 * @param steps - number of Newton–Schulz steps, T
 * @throws ConfigError for singular values outside [0, 1] or impossible steps
 *
 * Source: Su-10592, the section on coefficients as an optimisation problem.
 *
 * @example
 * ```ts
 * const values = gaussianSingularValues(32, 16, 1);
 * const found = findCoefficients(values, 5);
 * // The triple of Muon was chosen by hand.
 * found.meanSquaredError < polynomialError(values, coefficientTables["keller-jordan"], 5); // => true
 * ```
 */
export function findCoefficients(
  singularValues: Float64Array,
  steps: number,
  { startFrom = [], bounded = false }: SearchOptions<readonly [kappa: number, x1: number, x2: number]> = {},
): FoundCoefficients {
  check(singularValues, steps);
  const { parameters } = searchTriples(
    singularValues,
    steps,
    byRoots(steps),
    startFrom.map((start) => Float64Array.from(start)),
    startingPoints.map((start) => Float64Array.from(start)),
    bounded,
  );
  const [kappa, p, q] = parameters as unknown as [number, number, number];
  const [x1, x2] = [Math.abs(p), Math.abs(q)].sort((a, b) => a - b) as [number, number];
  const coefficients = coefficientsOfRoots(kappa, x1, x2);
  return {
    kappa,
    x1,
    x2,
    coefficients,
    meanSquaredError: polynomialError(singularValues, [coefficients], steps),
  };
}

/** The parameters of a schedule; its last triple repeats. */
function flattenSchedule(schedule: readonly Coefficients[], steps: number): Float64Array {
  return Float64Array.from({ length: 3 * steps }, (_, i) => {
    const triple = schedule[Math.min(Math.floor(i / 3), schedule.length - 1)]!;
    return triple[i % 3]!;
  });
}

/**
 * Finds one triple for all steps without asking for real fixed points, which can only be better than {@link findCoefficients}
 * where that ends with `x₁ = x₂`. Options and errors are the same, but starting points are triples.
 *
 * @example
 * ```ts
 * const values = gaussianSingularValues(16, 8, 1);
 * const { steps, meanSquaredError } = findTriple(values, 3);
 * meanSquaredError / polynomialError(values, steps, 3); // => 1.000
 * ```
 */
export function findTriple(
  singularValues: Float64Array,
  steps: number,
  { startFrom = [], bounded = false }: SearchOptions<Coefficients> = {},
): FoundSchedule {
  check(singularValues, steps);
  const how = byTriples(steps, true);
  const own = startingPoints.map((start) => Float64Array.from(coefficientsOfRoots(...start)));
  const given = startFrom.map((triple) => Float64Array.from(triple));
  const triples = searchTriples(singularValues, steps, how, given, own, bounded).triples.slice(0, 1);
  return { steps: triples, meanSquaredError: polynomialError(singularValues, triples, steps) };
}

/**
 * Finds a triple for each step that together minimise the mean of `(g^T(σ) − 1)²`, from the named tables and from given
 * schedules (the last triple of each repeats). Options and errors are those of {@link findCoefficients}.
 *
 * @example
 * ```ts
 * const values = gaussianSingularValues(16, 8, 1);
 * const { steps, meanSquaredError } = findSchedule(values, 3);
 * steps.length; // => 3
 * meanSquaredError < findTriple(values, 3).meanSquaredError; // => true
 * ```
 */
export function findSchedule(
  singularValues: Float64Array,
  steps: number,
  { startFrom = [], bounded = false }: SearchOptions<readonly Coefficients[]> = {},
): FoundSchedule {
  check(singularValues, steps);
  const how = byTriples(steps, false);
  const given = startFrom.map((schedule) => flattenSchedule(schedule, steps));
  const own = Object.values(coefficientTables).map((table) => flattenSchedule(table.steps, steps));
  const { triples } = searchTriples(singularValues, steps, how, given, own, bounded);
  return { steps: triples, meanSquaredError: polynomialError(singularValues, triples, steps) };
}

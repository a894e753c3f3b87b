import { ConfigError, DataError } from "../errors.ts";
import { compareLaws } from "./compareLaws.ts";
import { predictLog } from "./fitLaw.ts";
import { lawPosterior } from "./law/lawPosterior.ts";
import { lawPrior } from "./law/lawPrior.ts";
import { type LawName, lawFamilies } from "./lawFamilies.ts";
import type { ReadyOptimum } from "./reading/index.ts";
import type { Estimate } from "./sweepOptima.ts";

export interface FitOptimaOptions {
  /** Batch sizes to predict at. Default: those of the table and 2 and 4 times the largest. */
  readonly at?: readonly number[];
  /** Probability of all intervals. Default 0.9. */
  readonly confidence?: number;
}

/** What best learning rates say that someone else has found. */
export interface OptimaFit {
  /** The laws that fit, the likeliest first; empty with fewer than 3 batch sizes. */
  readonly laws: readonly {
    readonly name: LawName;
    readonly formula: string;
    readonly weight: number;
    /** η* of this law alone. */
    predict(batchSize: number): number;
  }[];
  readonly predictions: readonly (Estimate & { readonly batchSize: number })[];
}

/** The error of a logarithm where a table gives none: a grid of factors of two leaves about as much. */
const unknownError = 0.2;

/**
 * Fits the laws of learning rate against batch size to best learning rates that are there already, one a batch size, weighted by their
 * standard errors.
 *
 * @param optima - learning rates with the standard error of their natural logarithm; 0.2 where it's null
 * @throws DataError for fewer than two batch sizes
 * @throws ConfigError for an impossible option
 *
 * @example
 * ```ts
 * const optima = [16, 64, 256].map((batchSize) => ({
 *   batchSize,
 *   learningRate: 0.001 * Math.sqrt(batchSize),
 *   logError: 0.05,
 * }));
 * const { predictions } = fitOptima(optima, { at: [128] });
 * predictions[0]!.value; // => 0.011
 * ```
 */
export function fitOptima(
  optima: readonly ReadyOptimum[],
  { at, confidence = 0.9 }: FitOptimaOptions = {},
): OptimaFit {
  if (!(confidence > 0 && confidence < 1))
    throw new ConfigError(`confidence ${confidence}: expected a number in (0, 1)`);
  const sizes = optima.map(({ batchSize }) => batchSize).sort((a, b) => a - b);
  if (new Set(sizes).size < 2)
    throw new DataError(`the table has one batch size, ${sizes[0]}: expected at least 2`);
  const [smallest, largest] = [sizes[0]!, sizes.at(-1)!];
  const error = (value: number | null) => value ?? unknownError;
  const posterior = lawPosterior(
    lawPrior([Math.log(smallest), Math.log(largest)], null),
    optima.map(({ batchSize, learningRate, logError }) => ({
      u: Math.log(batchSize),
      y: Math.log(learningRate),
      error: error(logError),
    })),
    [],
    0,
  );
  const points = optima.map(({ batchSize, learningRate, logError }) => ({
    batchSize,
    epsilon: 0,
    logRate: Math.log(learningRate),
    error: error(logError),
  }));
  const compared = points.length >= 3 ? compareLaws(lawFamilies, points, points.length).laws : [];
  return {
    laws: compared
      .map(({ fit }) => ({
        name: fit.family.name,
        formula: fit.family.formula,
        weight: posterior.support.get(fit.family.name) ?? 0,
        predict: (batchSize: number) => Math.exp(predictLog(fit, { batchSize, epsilon: 0 })),
      }))
      .sort((a, b) => b.weight - a.weight),
    predictions: (at ?? [...sizes, 2 * largest, 4 * largest]).map((batchSize) => {
      const { value, low, high } = posterior.at(Math.log(batchSize), confidence);
      return { batchSize, value: Math.exp(value), low: Math.exp(low), high: Math.exp(high) };
    }),
  };
}

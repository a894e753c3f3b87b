import { median } from "simple-statistics";
import { ConfigError, DataError } from "../errors.ts";
import { type BestBatchSize, bestBatchSize } from "./bestBatchSize.ts";
import { compareLaws, type LawComparison } from "./compareLaws.ts";
import { type EpsilonCurve, epsilonCurve, type RateCurve } from "./epsilonCurve.ts";
import { type LawFit, type Optimum, predictLog } from "./fitLaw.ts";
import type { CovariateEffect } from "./groups/covariateEffects.ts";
import { poolRuns } from "./groups/poolRows.ts";
import { type LawPosterior, lawPosterior } from "./law/lawPosterior.ts";
import { lawPrior } from "./law/lawPrior.ts";
import { lossMinimum } from "./law/lossOverBatches.ts";
import { epsilonLawFamilies, type LawName, lawFamilies, runLawFamilies } from "./lawFamilies.ts";
import { type NextRuns, proposeRuns } from "./nextRuns.ts";
import { compareBudgets } from "./sweepBudgets.ts";
import { distinct, groupRuns, warnOfMixtures } from "./sweepGroups.ts";
import { describeBound, type Estimate, findOptima, type SweepOptimum } from "./sweepOptima.ts";
import { checkRows, type SweepRow } from "./sweepRow.ts";
import { runsOf, type SweepRuns } from "./sweepRuns.ts";
import { weightedQuantile } from "./weightedQuantile.ts";

export interface FitSweepOptions {
  /** Batch sizes to predict at, in the sweep's unit. Default: those of the sweep and, with more than one, 2 and 4 times the largest. */
  readonly at?: readonly number[];
  /** ε to predict at. Default: that of the sweep with the most batch sizes. */
  readonly epsilon?: number;
  /** Probability of all intervals. Default 0.9. */
  readonly confidence?: number;
}

/** A law as fitted to the optima. */
export interface SweepLaw {
  readonly name: LawName;
  readonly formula: string;
  /** Shape parameters by name. */
  readonly parameters: Readonly<Record<string, number>>;
  /** See `compareLaws`. */
  readonly aicc: number;
  readonly bic: number;
  /** Share that the law has in the answer, with its smooth deviation: see `lawPosterior`. */
  readonly weight: number;
  readonly leaveOneOutFactor: number | null;
  /** η* of this law alone. */
  predict(batchSize: number, epsilon?: number): number;
}

/** A predicted best learning rate. */
export interface Prediction extends Estimate {
  readonly batchSize: number;
  readonly epsilon: number;
  /** How far outside of the swept batch sizes this is, as a factor; 1 inside. */
  readonly extrapolation: number;
}

/** What a sweep says. */
export interface SweepFit {
  readonly optima: readonly SweepOptimum[];
  /** Laws of the batch size at one ε, best first; empty with fewer than 3 placed optima. */
  readonly laws: readonly SweepLaw[];
  /** The law of batch size and ε, fitted to all optima if ε varies; it's not compared with the others, as it sees other data. */
  readonly epsilonLaw: SweepLaw | null;
  /** By how much optima scatter more than their intervals say about the best law, ≥ 1. */
  readonly overdispersion: number;
  /** Standard deviation of the smooth deviation from the laws, in log η*; null without a prediction. */
  readonly discrepancy: number | null;
  /** Standard deviation of the loss of one learning rate; null if it can't be estimated. */
  readonly noise: number | null;
  readonly epsilon: number;
  readonly confidence: number;
  readonly predictions: readonly Prediction[];
  /** Predicts at any batch size, with the interval; null where nothing can be said. */
  predict(batchSize: number): Prediction | null;
  /**
   * The critical batch size: where training to a given loss takes twice the least steps and twice the least samples. Beyond it more data
   * parallelism buys little time. Infinite values mean: not within reach of this sweep. Null without laws.
   */
  readonly criticalBatchSize: Estimate | null;
  /** The batch size of the lowest loss; null if losses of different batch sizes can't be compared. */
  readonly bestBatchSize: BestBatchSize | null;
  /** Probability that η* falls again beyond a peak within 16 times the largest swept batch size. Null without laws. */
  readonly surgeProbability: number | null;
  /** Runs to do next, the most useful first. */
  readonly nextRuns: readonly NextRuns[];
  /** What further columns do, those that matter least last. */
  readonly covariates: readonly CovariateEffect[];
  /** What the reader should know before believing the rest. */
  readonly warnings: readonly string[];
}

/** Surges beyond this multiple of the largest swept batch size aren't counted. */
const surgeHorizon = 16;

function sweepLaw(
  fit: LawFit,
  scores: Omit<LawComparison["laws"][number], "fit" | "parameters">,
  epsilon: number,
): SweepLaw {
  const values = fit.family.values(fit.coordinates);
  return {
    name: fit.family.name,
    formula: fit.family.formula,
    parameters: Object.fromEntries(fit.family.parameters.map((name, i) => [name, values[i]!])),
    aicc: scores.aicc,
    bic: scores.bic,
    weight: scores.weight,
    leaveOneOutFactor: scores.leaveOneOutFactor,
    predict: (batchSize, at = epsilon) => Math.exp(predictLog(fit, { batchSize, epsilon: at })),
  };
}

/** An optimum that laws are fitted to, with its place in the list of curves. */
interface UsableOptimum extends Optimum {
  readonly group: number;
}

function checkOptions({ confidence = 0.9, at = [], epsilon }: FitSweepOptions): void {
  if (!(confidence > 0 && confidence < 1))
    throw new ConfigError(`confidence ${confidence}: expected a number in (0, 1)`);
  for (const batchSize of at) {
    if (!(batchSize > 0 && batchSize < Number.POSITIVE_INFINITY))
      throw new ConfigError(`at ${batchSize}: expected a positive batch size`);
  }
  if (epsilon !== undefined && !(epsilon >= 0))
    throw new ConfigError(`epsilon ${epsilon}: expected a number ≥ 0`);
}

const isRows = (all: readonly SweepRow[] | SweepRuns): all is readonly SweepRow[] => Array.isArray(all);

/** Critical batch size and probability of a surge, from the laws' parameters. */
function features({ shapes }: LawPosterior, largest: number, confidence: number) {
  // A turn says where η* stops rising, which only the other laws tie to steps and samples.
  const tied = shapes.filter(({ shape }) => shape.law !== "turn");
  const critical = (tied.length === 0 ? shapes : tied).map(({ shape, weight }) => ({
    value: shape.criticalBatchSize ?? Number.POSITIVE_INFINITY,
    weight,
  }));
  const total = shapes.reduce((sum, { weight }) => sum + weight, 0);
  const surging = shapes.filter(({ shape }) => shape.peakBatchSize <= surgeHorizon * largest);
  return {
    criticalBatchSize: {
      value: weightedQuantile(critical, 0.5)!,
      low: weightedQuantile(critical, (1 - confidence) / 2)!,
      high: weightedQuantile(critical, (1 + confidence) / 2)!,
    },
    surgeProbability: surging.reduce((sum, { weight }) => sum + weight, 0) / total,
  };
}

/**
 * Reads a sweep over learning rates and batch sizes: the optimum at each batch size, the laws that fit the optima, and what follows at
 * other batch sizes.
 *
 * 1. At each batch size (and ε) a curve is fitted to loss against log learning rate (`fitCurves`). An optimum at the edge of the tried
 *    learning rates enters as a bound.
 * 2. A prediction is the mean of a mixture of laws, each with a smooth deviation that the optima teach (`lawPosterior`); its interval holds
 *    the errors of the optima, of the laws' parameters, of the choice of law and of that deviation. Which laws are likely beforehand, the
 *    losses of the sweep say (`lawPrior`).
 * 3. Each law is fitted by itself, too, by least squares of `log η*`, and compared (`compareLaws`).
 *
 * @param all - the sweep's runs, of one model and one token budget, as rows or as `readSweep` made them; those that diverged have a loss that
 *   isn't finite
 * @throws PoolingError if a further column shifts the best learning rate (`covariateEffects`)
 * @throws DataError if a row can't be used, or no batch size has 3 learning rates with a finite loss
 * @throws ConfigError for an impossible option
 *
 * Multiplying all learning rates, all batch sizes, or all losses by a constant only changes the units of the answer.
 *
 * @example
 * ```ts
 * // A sweep whose best learning rate grows as √B.
 * const rows = [16, 64, 256].flatMap((batchSize) =>
 *   [-2, -1, 0, 1, 2].map((step) => ({
 *     batchSize,
 *     learningRate: 0.001 * Math.sqrt(batchSize) * 2 ** step,
 *     loss: 3 + 0.1 * step ** 2,
 *   })),
 * );
 * const { optima, predictions } = fitSweep(rows, { at: [128] });
 * optima.map(({ value }) => value); // => [0.0040, 0.0080, 0.0160]
 * predictions[0]!.value; // => 0.011
 * ```
 */
export function fitSweep(all: readonly SweepRow[] | SweepRuns, options: FitSweepOptions = {}): SweepFit {
  checkOptions(options);
  const { confidence = 0.9, at } = options;
  if (all.length === 0) throw new DataError("the sweep has no rows");
  if (isRows(all)) checkRows(all);
  const { runs, effects, warnings } = poolRuns(isRows(all) ? runsOf(all) : all);
  if (options.epsilon !== undefined && runs.epsilon === null)
    throw new ConfigError(
      `epsilon ${options.epsilon}: the sweep has no epsilon column, so nothing can be said about it`,
    );
  warnOfMixtures(runs, warnings);
  const budgets = compareBudgets(runs);
  warnings.push(...budgets.warnings);
  const groups = groupRuns(runs, warnings);
  const { optima, curves, placed, bounds } = findOptima(groups, confidence);
  if (curves.noise === null)
    warnings.push(
      "too few runs to estimate the noise of the loss: intervals of the optima are the neighbouring learning rates",
    );
  for (const optimum of optima) {
    const text = describeBound(optimum);
    if (text !== null) warnings.push(text);
  }
  const saturated = optima.reduce((sum, optimum) => sum + optimum.saturated, 0);
  if (saturated > 0)
    warnings.push(
      `${saturated} runs whose loss is at a common ceiling or past a cliff bound the optimum, as diverged runs do`,
    );

  const usable = placed.map((group): UsableOptimum => {
    const { batchSize, epsilon } = optima[group]!;
    const { x, error } = curves.minima[group]!;
    return { batchSize, epsilon, logRate: x, error, group };
  });
  const epsilons = distinct(optima.map(({ epsilon }) => epsilon));
  const countAt = (epsilon: number) => usable.filter((optimum) => optimum.epsilon === epsilon).length;
  const epsilon = options.epsilon ?? [...epsilons].sort((a, b) => countAt(b) - countAt(a))[0]!;
  const here = usable.filter((optimum) => optimum.epsilon === epsilon);
  const boundsHere = bounds.filter(({ group }) => optima[group]!.epsilon === epsilon);
  const swept = distinct(groups.map(({ batchSize }) => batchSize)).sort((a, b) => a - b);
  const [smallest, largest] = [swept[0]!, swept.at(-1)!];
  const countRuns = (list: readonly UsableOptimum[]) =>
    list.reduce((sum, { group }) => sum + optima[group]!.runs, 0);

  const comparable = optima.filter((optimum) => optimum.epsilon === epsilon);
  const best = budgets.comparable === false ? null : lossMinimum(comparable);
  const posterior =
    here.length > 0 && here.length + boundsHere.length >= (epsilons.length > 1 ? 3 : 2)
      ? lawPosterior(
          lawPrior([Math.log(smallest), Math.log(largest)], best),
          here.map(({ batchSize, logRate, error }) => ({ u: Math.log(batchSize), y: logRate, error })),
          boundsHere,
          curves.commonError,
        )
      : null;
  const compared =
    here.length >= 3 ? compareLaws([...lawFamilies, ...runLawFamilies], here, countRuns(here)) : null;
  const softsign =
    epsilons.length >= 2 && usable.length >= 6
      ? compareLaws(epsilonLawFamilies, usable, countRuns(usable))
      : null;
  if (epsilons.length >= 2 && softsign === null)
    warnings.push(
      `${usable.length} usable optima at ${epsilons.length} epsilons: the law of epsilon needs 6`,
    );
  const overdispersion = (compared ?? softsign)?.overdispersion ?? 1;
  const ofEpsilon: EpsilonCurve | null =
    posterior === null && softsign !== null
      ? epsilonCurve(
          softsign.laws[0]!.fit,
          usable,
          epsilon,
          Math.sqrt(overdispersion),
          curves.commonError,
          confidence,
        )
      : null;
  const curve: RateCurve | null = posterior ?? ofEpsilon;
  if (curve === null && swept.length > 1) {
    warnings.push(
      `${here.length} usable optima${epsilons.length >= 2 ? ` at epsilon ${epsilon}` : ""}: at least 2 batch sizes, one of them with an optimum inside the tried learning rates, are needed for a prediction`,
    );
  } else if (ofEpsilon !== null) {
    warnings.push(
      `epsilon ${epsilon} has ${here.length} usable optima: predictions rest on the law of epsilon alone`,
    );
  } else if (posterior !== null && here.length < 3) {
    warnings.push(
      `${here.length} batch size${here.length === 1 ? " has its" : "s have their"} optimum inside the tried learning rates: predictions rest mostly on how other sweeps behaved; 3 or more are good`,
    );
  }
  const elsewhere = (at ?? []).filter((batchSize) => !swept.includes(batchSize));
  if (curve === null && elsewhere.length > 0)
    warnings.push(
      `batch size ${elsewhere.join(", ")}: nothing can be said from a sweep of ${swept.length === 1 ? `batch size ${swept[0]} alone` : "these batch sizes"}; runs at a second batch size are needed`,
    );

  const predict = (batchSize: number): Prediction | null => {
    const common = {
      batchSize,
      epsilon,
      extrapolation: Math.max(1, batchSize / largest, smallest / batchSize),
    };
    if (curve !== null) {
      const { value, low, high } = curve.at(Math.log(batchSize), confidence);
      return { ...common, value: Math.exp(value), low: Math.exp(low), high: Math.exp(high) };
    }
    const measured = here.find((optimum) => optimum.batchSize === batchSize);
    if (measured === undefined) return null;
    const { value, low, high } = optima[measured.group]!;
    return { ...common, value, low, high };
  };
  const wanted = at ?? (swept.length === 1 ? swept : [...swept, 2 * largest, 4 * largest]);
  const predictions = wanted.map(predict).filter((prediction) => prediction !== null);
  const found =
    compared !== null && posterior !== null
      ? features(posterior, largest, confidence)
      : ofEpsilon !== null
        ? {
            criticalBatchSize: ofEpsilon.criticalBatchSize,
            surgeProbability: ofEpsilon.peaksBelow(surgeHorizon * largest),
          }
        : { criticalBatchSize: null, surgeProbability: null };
  const errors = (here.length > 0 ? here : usable).map(({ error }) => error);

  return {
    optima,
    laws: (compared?.laws ?? [])
      .map((law) =>
        sweepLaw(law.fit, { ...law, weight: posterior?.support.get(law.fit.family.name) ?? 0 }, epsilon),
      )
      .sort((a, b) => b.weight - a.weight),
    epsilonLaw: softsign === null ? null : sweepLaw(softsign.laws[0]!.fit, softsign.laws[0]!, epsilon),
    overdispersion,
    discrepancy: posterior?.discrepancy ?? null,
    noise: curves.noise,
    epsilon,
    confidence,
    predictions,
    predict,
    ...found,
    bestBatchSize: bestBatchSize(comparable, budgets, curves.noise, confidence),
    nextRuns: proposeRuns({
      curve,
      optima: comparable,
      typicalError: errors.length === 0 ? 1 : median(errors),
      target: at === undefined || at.length === 0 ? 4 * largest : Math.max(...at),
    }),
    covariates: effects,
    warnings,
  };
}

import normal from "@stdlib/random-base-normal";
import { median } from "simple-statistics";
import { ConfigError, DataError } from "../errors.ts";
import { compareLaws, type LawComparison } from "./compareLaws.ts";
import { extentOf, fitLaw, type LawFit, type Optimum, predictLog } from "./fitLaw.ts";
import { type LawFamily, type LawName, lawFamilies, type Place, softsignFamily } from "./lawFamilies.ts";
import { type CurveFit, type CurveMinimum, curveLoss, fitCurves } from "./learningRateCurve.ts";
import { type NextRuns, proposeRuns, type Sample } from "./nextRuns.ts";
import { curveRuns, distinct, groupRows, warnOfMixtures, withoutDuplicates } from "./sweepGroups.ts";
import { checkRows, type SweepRow } from "./sweepRow.ts";
import { weightedQuantile } from "./weightedQuantile.ts";

export interface FitSweepOptions {
  /** Batch sizes to predict at, in the sweep's unit. Default: those of the sweep and 2 and 4 times the largest. */
  readonly at?: readonly number[];
  /** ε to predict at. Default: that of the sweep with the most batch sizes. */
  readonly epsilon?: number;
  /** Probability of all intervals. Default 0.9. */
  readonly confidence?: number;
  /** Number of bootstrap replicates. Default 200. */
  readonly replicates?: number;
  /** Seed of the bootstrap, a positive integer. Default 1. */
  readonly seed?: number;
}

/** A number with its interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The best learning rate at one batch size (and ε) of the sweep. */
export interface SweepOptimum extends Estimate {
  readonly batchSize: number;
  readonly epsilon: number;
  /** See `CurveMinimum`: `low` is 0 and `high` infinite where there is only a bound. */
  readonly kind: CurveMinimum["kind"];
  /** Loss at the optimum. */
  readonly loss: number;
  /** Runs with a finite loss, and runs that diverged. */
  readonly runs: number;
  readonly diverged: number;
  /** Smallest and largest learning rate tried. */
  readonly tried: readonly [smallest: number, largest: number];
  /** The fitted curve of the loss at a learning rate; null if none was fitted. */
  curve(learningRate: number): number | null;
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
  /** Laws of the batch size at one ε, best first; empty with fewer than 3 usable optima. */
  readonly laws: readonly SweepLaw[];
  /** The law of batch size and ε, fitted to all optima if ε varies; it's not compared with the others, as it sees other data. */
  readonly epsilonLaw: SweepLaw | null;
  /** By how much optima scatter more than their intervals say, ≥ 1. */
  readonly overdispersion: number;
  /** Standard deviation of the loss of one run; null if it can't be estimated. */
  readonly noise: number | null;
  readonly epsilon: number;
  readonly confidence: number;
  readonly predictions: readonly Prediction[];
  /** Predicts at any batch size, with the interval; null without laws. */
  predict(batchSize: number): Prediction | null;
  /**
   * The critical batch size: where training to a given loss takes twice the least steps and twice the least samples. Beyond it more data
   * parallelism buys little time. Infinite values mean: not within reach of this sweep. Null without laws.
   */
  readonly criticalBatchSize: Estimate | null;
  /** Probability that η* falls again beyond a peak within 16 times the largest swept batch size. Null without laws. */
  readonly surgeProbability: number | null;
  /** Runs to do next, the most useful first. */
  readonly nextRuns: readonly NextRuns[];
  /** What the reader should know before believing the rest. */
  readonly warnings: readonly string[];
}

/** Surges beyond this multiple of the largest swept batch size aren't counted. */
const surgeHorizon = 16;

function describeBound({ kind, batchSize, tried }: SweepOptimum): string | null {
  if (kind === "above")
    return `batch size ${batchSize}: the best learning rate may be above ${tried[1]}, the largest tried; add larger ones`;
  if (kind === "below")
    return `batch size ${batchSize}: the best learning rate may be below ${tried[0]}, the smallest tried; add smaller ones`;
  if (kind === "unresolved")
    return `batch size ${batchSize}: the losses are too noisy to place the best learning rate`;
  return null;
}

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

/** Index of the alternative at a quantile of their weights. */
function alternativeAt(alternatives: CurveFit["alternatives"], quantile: number): number {
  let sum = 0;
  for (let i = 0; i < alternatives.length; i++) {
    sum += alternatives[i]!.weight;
    if (sum >= quantile) return i;
  }
  return alternatives.length - 1;
}

/** Refits laws to optima drawn from their errors; each replicate of a law has the law's weight. */
function bootstrap(
  families: readonly { readonly family: LawFamily; readonly weight: number }[],
  optima: readonly UsableOptimum[],
  alternatives: CurveFit["alternatives"],
  spread: number,
  replicates: number,
  seed: number,
): Sample[] {
  const draw = normal.factory(0, 1, { seed });
  const extent = extentOf(optima);
  const samples: Sample[] = [];
  for (let r = 0; r < replicates; r++) {
    // One asymmetry for all curves of a replicate, at evenly spaced quantiles of its likelihood.
    const { shift } = alternatives[alternativeAt(alternatives, (r + 0.5) / replicates)]!;
    const drawn = optima.map((optimum) => ({
      ...optimum,
      logRate: optimum.logRate + shift + spread * optimum.error * draw(),
    }));
    for (const { family, weight } of families) {
      if (weight > 1e-3) samples.push({ fit: fitLaw(family, drawn, extent), weight: weight / replicates });
    }
  }
  return samples;
}

/**
 * Reads a sweep over learning rates and batch sizes: the optimum at each batch size, the laws that fit the optima, and what follows at
 * other batch sizes.
 *
 * 1. At each batch size (and ε) a curve is fitted to loss against log learning rate (`fitCurves`). An optimum at the edge of the tried
 *    learning rates is a bound, not an estimate, and takes no part in the laws.
 * 2. Each law is fitted to the optima by least squares of `log η*`, weighted by their errors, and compared (`compareLaws`).
 * 3. A prediction is the mean of the laws' logarithms, weighted by Akaike weights. Its interval comes from a parametric bootstrap of
 *    the optima over all laws with their weights: it holds the uncertainty of the optima, of the parameters and of the choice of law.
 *
 * @param rows - the sweep's runs; those that diverged have a loss that isn't finite
 * @throws DataError if a row can't be used, there is one batch size only, or none has 3 learning rates with a finite loss
 * @throws ConfigError for an impossible option
 *
 * Multiplying all learning rates, all batch sizes, or all losses by a constant only changes the units of the answer.
 */
export function fitSweep(rows: readonly SweepRow[], options: FitSweepOptions = {}): SweepFit {
  const { confidence = 0.9, replicates = 200, seed = 1, at } = options;
  if (!(confidence > 0 && confidence < 1))
    throw new ConfigError(`confidence ${confidence}: expected a number in (0, 1)`);
  for (const [name, value] of Object.entries({ replicates, seed })) {
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`${name} ${value}: expected a positive integer`);
  }
  for (const batchSize of at ?? []) {
    if (!(batchSize > 0 && batchSize < Number.POSITIVE_INFINITY))
      throw new ConfigError(`at ${batchSize}: expected a positive batch size`);
  }
  if (options.epsilon !== undefined && !(options.epsilon >= 0))
    throw new ConfigError(`epsilon ${options.epsilon}: expected a number ≥ 0`);
  if (rows.length === 0) throw new DataError("the sweep has no rows");
  checkRows(rows);
  const warnings: string[] = [];
  const kept = withoutDuplicates(rows, warnings);
  warnOfMixtures(kept, warnings);
  const groups = groupRows(kept, warnings);

  const curves = fitCurves(
    groups.map((group) => curveRuns(group.rows)),
    confidence,
  );
  if (curves.noise === null)
    warnings.push(
      "too few runs to estimate the noise of the loss: intervals of the optima are the neighbouring learning rates",
    );
  const optima = groups.map((group, i): SweepOptimum => {
    const minimum = curves.minima[i]!;
    const tried = group.rows.reduce(
      ([low, high], { learningRate }) => [Math.min(low, learningRate), Math.max(high, learningRate)] as const,
      [Number.POSITIVE_INFINITY, 0] as readonly [number, number],
    );
    const finite = group.rows.filter(({ loss }) => Number.isFinite(loss)).length;
    return {
      batchSize: group.batchSize,
      epsilon: group.epsilon,
      kind: minimum.kind,
      value: Math.exp(minimum.x),
      low: Math.exp(minimum.low),
      high: Math.exp(minimum.high),
      loss: minimum.loss,
      runs: finite,
      diverged: group.rows.length - finite,
      tried,
      curve: (learningRate) => curveLoss(minimum, Math.log(learningRate)),
    };
  });
  for (const optimum of optima) {
    const text = describeBound(optimum);
    if (text !== null) warnings.push(text);
  }
  const usable = optima.flatMap(({ batchSize, epsilon }, i): UsableOptimum[] => {
    const { kind, x, error } = curves.minima[i]!;
    return kind === "interior" || kind === "bracketed"
      ? [{ batchSize, epsilon, logRate: x, error, group: i }]
      : [];
  });

  const epsilons = distinct(usable.map(({ epsilon }) => epsilon));
  const most = [...epsilons].sort(
    (a, b) =>
      usable.filter(({ epsilon }) => epsilon === b).length -
      usable.filter(({ epsilon }) => epsilon === a).length,
  )[0];
  const epsilon = options.epsilon ?? most ?? 0;
  if (options.epsilon !== undefined && kept.every((row) => row.epsilon === undefined))
    throw new ConfigError(
      `epsilon ${options.epsilon}: the sweep has no epsilon column, so nothing can be said about it`,
    );

  const here = usable.filter((optimum) => optimum.epsilon === epsilon);
  const extent = extentOf(groups);
  const [smallest, largest] = extent.batchSize;
  const runsOf = (list: readonly UsableOptimum[]) =>
    list.reduce((sum, { group }) => sum + optima[group]!.runs, 0);
  const compared = here.length >= 3 ? compareLaws(lawFamilies, here, runsOf(here)) : null;
  const softsign =
    epsilons.length >= 2 && usable.length >= 6 ? compareLaws([softsignFamily], usable, runsOf(usable)) : null;
  if (epsilons.length >= 2 && softsign === null)
    warnings.push(
      `${usable.length} usable optima at ${epsilons.length} epsilons: the law of epsilon needs 6`,
    );
  const source =
    compared !== null
      ? { ...compared, optima: here }
      : softsign !== null
        ? { ...softsign, optima: usable }
        : null;
  if (source === null) {
    warnings.push(
      `${here.length} usable optima${epsilons.length >= 2 ? ` at epsilon ${epsilon}` : ""}: at least 3 batch sizes with an optimum inside the tried learning rates are needed for a prediction`,
    );
  } else if (compared === null) {
    warnings.push(
      `epsilon ${epsilon} has ${here.length} usable optima: predictions rest on the law of epsilon alone`,
    );
  }

  const spread = Math.sqrt(source?.overdispersion ?? 1);
  if (spread > 1.5) {
    warnings.push(
      `the optima scatter ${spread.toFixed(1)} times as much as their intervals say about every law: no law fits well, or the noise differs between runs`,
    );
  }
  const weighted = (source?.laws ?? []).map((law) => ({
    ...law,
    family: law.fit.family,
    weight: compared !== null ? law.weight : 1,
  }));
  const samples =
    source === null ? [] : bootstrap(weighted, source.optima, curves.alternatives, spread, replicates, seed);

  const predict = (batchSize: number): Prediction | null => {
    if (source === null) return null;
    const place = { batchSize, epsilon };
    const center = weighted.reduce((sum, { fit, weight }) => sum + weight * predictLog(fit, place), 0);
    const logs = samples.map(({ fit, weight }) => ({ value: predictLog(fit, place), weight }));
    const tail = (1 - confidence) / 2;
    return {
      batchSize,
      epsilon,
      value: Math.exp(center),
      low: Math.exp(Math.min(center, weightedQuantile(logs, tail)!)),
      high: Math.exp(Math.max(center, weightedQuantile(logs, 1 - tail)!)),
      extrapolation: Math.max(1, batchSize / largest, smallest / batchSize),
    };
  };

  const swept = distinct(groups.map(({ batchSize }) => batchSize)).sort((a, b) => a - b);
  const wanted = at ?? [...swept, 2 * largest, 4 * largest];
  const predictions = wanted.map(predict).filter((prediction) => prediction !== null);
  const critical = samples.map(({ fit, weight }) => ({
    value: fit.family.features(fit.coordinates, epsilon).criticalBatchSize ?? Number.POSITIVE_INFINITY,
    weight,
  }));
  const surging = samples.filter(
    ({ fit }) => fit.family.features(fit.coordinates, epsilon).peakBatchSize <= surgeHorizon * largest,
  );
  const weightOf = (list: readonly Sample[]) => list.reduce((sum, { weight }) => sum + weight, 0);
  const target = at === undefined || at.length === 0 ? 4 * largest : Math.max(...at);

  return {
    optima,
    laws: (compared?.laws ?? []).map((law) => sweepLaw(law.fit, law, epsilon)),
    epsilonLaw: softsign === null ? null : sweepLaw(softsign.laws[0]!.fit, softsign.laws[0]!, epsilon),
    overdispersion: source?.overdispersion ?? 1,
    noise: curves.noise,
    epsilon,
    confidence,
    predictions,
    predict,
    criticalBatchSize:
      source === null
        ? null
        : {
            value: weightedQuantile(critical, 0.5)!,
            low: weightedQuantile(critical, (1 - confidence) / 2)!,
            high: weightedQuantile(critical, (1 + confidence) / 2)!,
          },
    surgeProbability: source === null ? null : weightOf(surging) / weightOf(samples),
    nextRuns: proposeRuns({
      samples,
      optima: optima.filter((optimum) => optimum.epsilon === epsilon),
      typicalError: source === null ? null : median(source.optima.map(({ error }) => error)) * spread,
      target: { batchSize: target, epsilon } satisfies Place,
    }),
    warnings,
  };
}

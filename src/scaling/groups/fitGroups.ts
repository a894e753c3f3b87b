import { ConfigError, DataError } from "../../errors.ts";
import { studentQuantile } from "../../numbers/index.ts";
import { getOwn } from "../../reservedNames.ts";
import { type FitSweepOptions, fitSweep, type SweepFit } from "../fitSweep.ts";
import { lossMinimum } from "../law/lossOverBatches.ts";
import { compareBudgets } from "../sweepBudgets.ts";
import type { Estimate } from "../sweepOptima.ts";
import type { SweepRow } from "../sweepRow.ts";
import { runsOf } from "../sweepRuns.ts";
import { type JointGroup, type JointLaw, jointLaw } from "./jointLaw.ts";
import { type GroupKey, type StudyGroup, studyGroups } from "./studyGroups.ts";

/** One group and its own fit. */
export interface GroupFit extends StudyGroup {
  readonly fit: SweepFit;
}

/** A place to predict at: values of the grouping columns (those left out: every group) and the batch size. */
export interface GroupPlace {
  readonly key: GroupKey;
  readonly batchSize: number;
}

/** A prediction of the joint law. */
export interface GroupPrediction extends Estimate {
  readonly key: GroupKey;
  readonly batchSize: number;
  /** Whether the sweep holds this group: then its own optima count too. */
  readonly known: boolean;
  /** The best batch size there, by the losses of all groups; null where they don't say. */
  readonly bestBatchSize: Estimate | null;
}

export interface GroupsFit {
  readonly by: readonly string[];
  readonly groups: readonly GroupFit[];
  /** Groups that couldn't be fitted, and why. */
  readonly left: readonly { readonly key: GroupKey; readonly reason: string }[];
  /** Null with fewer than two groups that have an optimum. */
  readonly joint: Pick<
    JointLaw,
    "exponents" | "alongBestBatch" | "bestBatchExponents" | "groupDeviation" | "alike"
  > | null;
  readonly predictions: readonly GroupPrediction[];
  /** Predicts for a group, known or not; null without a joint law. */
  predict(place: GroupPlace): GroupPrediction | null;
  readonly warnings: readonly string[];
}

export interface FitGroupsOptions extends Omit<FitSweepOptions, "at"> {
  /** Where to predict. Default: each group at its batch sizes and 2 and 4 times the largest. */
  readonly at?: readonly GroupPlace[];
  /** Fits one group; as `fitSweep` does, which is the default: for those who have it done elsewhere at the same time. */
  readonly fit?: (group: StudyGroup, options: FitSweepOptions) => SweepFit;
}

/**
 * What each group is fitted with.
 *
 * @example
 * ```ts
 * groupOptions({ confidence: 0.5, at: [{ key: { N: 1e9 }, batchSize: 64 }] }).at; // => [64]
 * ```
 */
export function groupOptions({ at, fit: _, ...rest }: FitGroupsOptions): FitSweepOptions {
  return { ...rest, ...(at !== undefined && { at: [...new Set(at.map(({ batchSize }) => batchSize))] }) };
}

/** Losses that say this clearly where the best batch size is. */
const clearly = 0.5;
const nameOf = (key: GroupKey) =>
  Object.entries(key)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** The optima of a group as the joint law takes them, from its own fit. */
export function jointGroup(
  rows: readonly SweepRow[],
  fit: SweepFit,
  covariates: readonly number[],
  category: string,
): JointGroup {
  const best = compareBudgets(runsOf(rows)).comparable === false ? null : lossMinimum(fit.optima);
  const sizes = fit.optima.map(({ batchSize }) => Math.log(batchSize));
  // Where the losses still fall at the edge, they don't say how far.
  const measured = best !== null && best.x > Math.min(...sizes) && best.x < Math.max(...sizes);
  return {
    covariates,
    category,
    bestBatch: measured && best.clarity > clearly ? { x: best.x, error: best.error } : null,
    optima: fit.optima.flatMap(({ batchSize, value, error }) =>
      Number.isFinite(error) ? [{ u: Math.log(batchSize), y: Math.log(value), error }] : [],
    ),
  };
}

/**
 * One fit for each group of a study (model size, tokens, optimizer) and one joint law of all, for predictions at groups that weren't swept.
 *
 * @param by - columns: names of covariates, or `tokens`, `steps`, `epsilon`, `weightDecay`
 * @throws DataError if a row can't be used or no group can be fitted; PoolingError where a further column matters within a group
 * @throws ConfigError for a column that doesn't vary, or a place without a value that's needed
 *
 * Source of exponents to compare with: Li et al., Step Law, arXiv 2503.04715, `η ∝ N^−0.713·D^0.307`, `B ∝ D^0.571`.
 *
 * @example
 * ```ts
 * // Two model sizes, whose best learning rates differ by 2.
 * const rows = [1e7, 8e7].flatMap((N) =>
 *   [16, 64, 256].flatMap((batchSize) =>
 *     [-2, -1, 0, 1, 2].map((step) => ({
 *       learningRate: (N === 1e7 ? 0.002 : 0.001) * Math.sqrt(batchSize) * 2 ** step,
 *       batchSize,
 *       loss: 3 + 0.1 * step ** 2,
 *       covariates: { N },
 *     })),
 *   ),
 * );
 * const { groups, predictions } = fitGroups(rows, ["N"], { at: [{ key: { N: 3e7 }, batchSize: 64 }] });
 * groups.map(({ fit }) => fit.optima[1]!.value); // => [0.016, 0.008]
 * const [between] = predictions; // a size that wasn't swept
 * 0.008 < between!.value && between!.value < 0.016; // => true
 * ```
 */
export function fitGroups(
  rows: readonly SweepRow[],
  by: readonly string[],
  options: FitGroupsOptions = {},
): GroupsFit {
  const { confidence = 0.9, at, fit = (group, own) => fitSweep(group.rows, own) } = options;
  const own = groupOptions(options);
  const warnings: string[] = [];
  const groups: GroupFit[] = [];
  const left: { key: GroupKey; reason: string }[] = [];
  for (const group of studyGroups(rows, by)) {
    try {
      groups.push({ ...group, fit: fit(group, own) });
    } catch (error) {
      if (!(error instanceof DataError) || error.name === "PoolingError") throw error;
      left.push({ key: group.key, reason: error.message });
    }
  }
  if (groups.length === 0)
    throw new DataError(`no group can be fitted; ${nameOf(left[0]!.key)}: ${left[0]!.reason}`);
  for (const { key, reason } of left) warnings.push(`${nameOf(key)} is left out: ${reason}`);
  const joined = joinGroups(groups, by, { confidence, ...(at !== undefined && { at }) });
  return { ...joined, left, warnings: [...warnings, ...joined.warnings] };
}

/** One law of groups that are fitted already. */
export function joinGroups(
  groups: readonly GroupFit[],
  by: readonly string[],
  { confidence = 0.9, at }: Pick<FitGroupsOptions, "confidence" | "at"> = {},
): GroupsFit {
  const warnings: string[] = [];
  // Numeric columns have an exponent, where positive; others and single values only a level.
  const numeric = by.filter(
    (name) =>
      groups.every(({ key }) => typeof key[name] === "number" && key[name] > 0) &&
      new Set(groups.map(({ key }) => key[name])).size > 1,
  );
  const logsOf = (key: GroupKey) => numeric.map((name) => Math.log(key[name] as number));
  const categoryOf = (key: GroupKey) =>
    JSON.stringify(by.filter((name) => !numeric.includes(name)).map((name) => key[name]));
  const placed = groups.filter(({ fit }) => fit.optima.some(({ error }) => Number.isFinite(error)));
  const joint =
    placed.length < 2
      ? null
      : jointLaw(
          numeric,
          placed.map(({ key, fit, rows: members }) => jointGroup(members, fit, logsOf(key), categoryOf(key))),
          confidence,
        );
  if (joint === null) warnings.push("one group has an optimum inside the tried learning rates: no joint law");
  const z = studentQuantile((1 + confidence) / 2, 1e6);
  const estimate = ({ mean, deviation }: { mean: number; deviation: number }): Estimate => ({
    value: Math.exp(mean),
    low: Math.exp(mean - z * deviation),
    high: Math.exp(mean + z * deviation),
  });
  const predict = ({ key, batchSize }: GroupPlace): GroupPrediction | null => {
    if (joint === null) return null;
    const group = placed.findIndex((one) => by.every((name) => one.key[name] === getOwn(key, name)));
    const covariates = logsOf(key);
    if (covariates.some((value) => !Number.isFinite(value)))
      throw new ConfigError(`at ${nameOf(key)}: expected positive numbers`);
    const place = { covariates, category: categoryOf(key), ...(group >= 0 && { group }) };
    const best = joint.bestBatchAt(covariates);
    const shared = joint.at(place, Math.log(batchSize));
    const together = estimate(shared);
    // All groups know more than one, unless their curves differ: then the surer of the two counts.
    const own = group < 0 || joint.alike ? null : placed[group]!.fit.predict(batchSize);
    const alone = own !== null && own.high / own.low < together.high / together.low;
    const surer = alone ? { value: own.value, low: own.low, high: own.high } : together;
    return {
      key,
      batchSize,
      known: group >= 0,
      ...surer,
      bestBatchSize: best === null ? null : estimate(best),
    };
  };
  /** Each group that a place leaves open. */
  const expand = ({ key, batchSize }: GroupPlace): GroupPlace[] => {
    const unknown = Object.keys(key).find((name) => !by.includes(name));
    if (unknown !== undefined)
      throw new ConfigError(
        `at ${JSON.stringify(unknown)}: is no column that groups; those are ${by.join(", ")}`,
      );
    if (by.every((name) => getOwn(key, name) !== undefined)) return [{ key, batchSize }];
    if (Object.keys(key).length > 0)
      throw new ConfigError(
        `at ${nameOf(key)}: expected a value of ${by.filter((name) => getOwn(key, name) === undefined).join(", ")} too`,
      );
    return groups.map((group) => ({ key: group.key, batchSize }));
  };
  const everywhere = groups.flatMap(({ key, fit }) =>
    fit.predictions.map(({ batchSize }): GroupPlace => ({ key, batchSize })),
  );
  return {
    by,
    groups,
    left: [],
    joint,
    predictions: (at?.flatMap(expand) ?? everywhere).map(predict).filter((one) => one !== null),
    predict,
    warnings,
  };
}

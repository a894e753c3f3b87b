import { fitSweep, type SweepFit, type SweepRow } from "../../scaling/index.ts";
import { type BatchOptimum, growthExponent } from "../laws/growth.ts";
import { type MeasuredSteps, stepsOf } from "../laws/measureSteps.ts";
import type { LawOptimizer } from "../laws/optimizers.ts";
import type { Comparison } from "../laws/predictions.ts";
import { atBatch, confidence, type RunOptima, usable } from "../laws/runOptima.ts";
import { rowsForFit } from "../laws/runSweep.ts";
import { sgd, softsignOf, type TaskResult } from "./trials.ts";

/** Batch sizes up to this one are small: far below B_simple of both tasks. */
export const smallBatch = 4;
/** Batch sizes from this one on are large. */
export const largeBatch = 256;

/** Tried optima of one step, by batch size, where it surely descends. */
export function triedOptima(steps: MeasuredSteps, optimizer: LawOptimizer): BatchOptimum[] {
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law, trial, interior } }) =>
    interior && law !== null ? [{ batchSize, optimum: trial }] : [],
  );
}

export const runOptimaOf = ({ fit }: RunOptima): BatchOptimum[] =>
  usable(fit.optima).map((optimum) => ({ batchSize: optimum.batchSize, optimum }));

export const smallOnes = (optima: readonly BatchOptimum[]) =>
  growthExponent(optima.filter(({ batchSize }) => batchSize <= smallBatch));

export const largeOnes = (optima: readonly BatchOptimum[]) =>
  growthExponent(optima.filter(({ batchSize }) => batchSize >= largeBatch));

/** `E[φ̃ᵀHφ̃]`, which follows from both numbers of the law: twice ΔL* over the square of η*. */
export function measuredCurvature(
  steps: MeasuredSteps,
  optimizer: LawOptimizer,
  batchSize: number,
): number | null {
  const found = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)?.optimum;
  return found == null || found.law === null || found.lawDecrease === null
    ? null
    : (2 * found.lawDecrease.value) / found.law.value ** 2;
}

/** η*(ε)/ε beside η* of SGD. */
export function sgdComparisons(steps: MeasuredSteps, epsilon: number): Comparison[] {
  const reference = triedOptima(steps, sgd);
  return triedOptima(steps, softsignOf(epsilon)).flatMap(({ batchSize, optimum }) => {
    const measured = reference.find((row) => row.batchSize === batchSize)?.optimum;
    const scaled = {
      value: optimum.value / epsilon,
      low: optimum.low / epsilon,
      high: optimum.high / epsilon,
    };
    return measured === undefined
      ? []
      : [{ label: atBatch(batchSize), predicted: scaled.value, range: scaled, measured }];
  });
}

/** Fits the law of ε to the runs of every other ε and predicts the others. */
export function heldOutEpsilons({ runs }: TaskResult): { comparisons: Comparison[]; fit: SweepFit | null } {
  const rows = (list: TaskResult["runs"]): SweepRow[] =>
    list.flatMap(({ epsilon, sweep }) => rowsForFit(sweep.rows).map((row) => ({ ...row, epsilon })));
  const fitted = runs.filter((_, i) => i % 2 === 0);
  if (fitted.length < 2) return { comparisons: [], fit: null };
  const fit = fitSweep(rows(fitted), { confidence });
  const { epsilonLaw } = fit;
  return {
    fit,
    comparisons:
      epsilonLaw === null
        ? []
        : runs
            .filter((_, i) => i % 2 === 1)
            .flatMap(({ epsilon, sweep }) =>
              usable(sweep.fit.optima).map((measured) => ({
                label: `ε ${epsilon}, ${atBatch(measured.batchSize)}`,
                predicted: epsilonLaw.predict(measured.batchSize, epsilon),
                measured,
              })),
            ),
  };
}

export const exponentText = (exponent: { value: number; low: number; high: number } | null) =>
  exponent === null
    ? "unknown"
    : `${exponent.value.toFixed(2)} (${exponent.low.toFixed(2)} – ${exponent.high.toFixed(2)})`;

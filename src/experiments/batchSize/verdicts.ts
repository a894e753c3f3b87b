import { sgdOptimum, signOptimum } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";
import { closedSgd, closedSign } from "../laws/closedForms.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import { formComparisons, lawComparisons, stepsOf } from "../laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import { anchored, type Comparison, describeComparisons, judge } from "../laws/predictions.ts";
import { atBatch, predictHeldOut, type RunOptima } from "../laws/runOptima.ts";
import { settleComparisons } from "../toSettle.ts";
import {
  anchorOf,
  horizonComparisons,
  measurementComparisons,
  runComparisons,
  type Split,
  splitsOf,
} from "./comparisons.ts";
import { sgd, sign, stepOptimizers, type TaskResult } from "./trials.ts";

/** The aim: predictions within this factor. */
const aim = 1.5;

/** A verdict over several sets of comparisons: each has to hold. */
function verdictOver(
  claim: string,
  expected: string,
  sets: readonly { readonly name: string; readonly comparisons: readonly Comparison[] }[],
): Verdict {
  const all = sets.flatMap(({ comparisons }) => comparisons);
  const missing = sets.some(({ comparisons }) => comparisons.length === 0);
  const verdict = judge(all, aim);
  return {
    claim,
    expected,
    found: sets.map(({ name, comparisons }) => `${name}: ${describeComparisons(comparisons)}`).join("; "),
    verdict: verdict === "holds" && missing ? "open" : verdict,
    toSettle: settleComparisons(all, aim),
  };
}

/** Where the measured alignment or curvature isn't surely positive, in words. */
function withoutPrediction(results: readonly TaskResult[]): string {
  const places = results.flatMap(({ task, steps }) =>
    stepOptimizers.flatMap((optimizer) => {
      const batchSizes = stepsOf(steps, optimizer)
        .filter(({ optimum: { law } }) => law === null)
        .map(({ batchSize }) => batchSize);
      return batchSizes.length === 0
        ? []
        : [`${task}, ${optimizerName(optimizer)}, B = ${batchSizes.join(", ")}`];
    }),
  );
  return places.length === 0 ? "" : `no step that surely descends, so no prediction: ${places.join("; ")}`;
}

export function verdicts(results: readonly TaskResult[], plan: LawPlan): Verdict[] {
  const perOptimizer = (
    optimizers: readonly LawOptimizer[],
    compare: (r: TaskResult, o: LawOptimizer) => Comparison[],
  ) =>
    results.flatMap((result) =>
      optimizers.map((optimizer) => ({
        name: `${result.task}, ${optimizerName(optimizer)}`,
        comparisons: compare(result, optimizer),
      })),
    );
  const perRun = (compare: (result: TaskResult, run: RunOptima) => Comparison[]) =>
    results.flatMap((result) =>
      result.runs.map((run) => ({
        name: `${result.task}, ${optimizerName(run.optimizer)}`,
        comparisons: compare(result, run),
      })),
    );
  const decreases = ({ steps }: TaskResult, optimizer: LawOptimizer) =>
    stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { lawDecrease, trialDecrease, interior } }) =>
      lawDecrease === null || !interior
        ? []
        : [
            {
              label: atBatch(batchSize),
              predicted: lawDecrease.value,
              range: lawDecrease,
              measured: trialDecrease,
            },
          ],
    );
  const anchor = atBatch(anchorOf(plan));
  const [interpolation, upwards] = splitsOf(plan) as [Split, Split, Split];
  const within = `within ${aim}× at every batch size`;
  const general = verdictOver(
    "One step: η* = E[φ̃]ᵀg/E[φ̃ᵀHφ̃], measured at a checkpoint, is the learning rate that lowers the loss most (Su-10542)",
    within,
    perOptimizer(stepOptimizers, ({ steps }, optimizer) => lawComparisons(steps, optimizer)),
  );
  const without = withoutPrediction(results);
  return [
    without === "" ? general : { ...general, found: `${general.found}; ${without}` },
    verdictOver(
      `The same from one set of ${plan.measurement.samples} samples for all batch sizes, as \`rotor measure\` does it`,
      within,
      perOptimizer(stepOptimizers, measurementComparisons),
    ),
    verdictOver(
      "One step: ΔL* = (E[φ̃]ᵀg)²/(2E[φ̃ᵀHφ̃]) is what it gains",
      within,
      perOptimizer(stepOptimizers, decreases),
    ),
    verdictOver(
      "One step of SGD: η_max/(1 + B_noise/B) with three measured sums (arXiv 1812.06162)",
      within,
      results.map((result) => {
        const law = closedSgd(result.steps.statistics);
        return {
          name: result.task,
          comparisons: formComparisons(
            result.steps,
            sgd,
            law && ((batchSize) => sgdOptimum(law, batchSize).learningRate),
          ),
        };
      }),
    ),
    verdictOver(
      "One step of sign updates: the mean field with κ² = B_simple (Su-10542)",
      within,
      results.map((result) => {
        const law = closedSign(result.steps.statistics);
        return {
          name: result.task,
          comparisons: formComparisons(
            result.steps,
            sign,
            law && ((batchSize) => signOptimum(law, batchSize).learningRate),
          ),
        };
      }),
    ),
    verdictOver(
      "What is best for one step is the best constant learning rate of the steps after it (SGD, sign)",
      `within ${aim}× for the next ${plan.horizons.steps.join(", ")} steps`,
      plan.horizons.steps.map((count) => ({
        name: `${count} steps`,
        comparisons: results.flatMap((result) => horizonComparisons(result, count)),
      })),
    ),
    verdictOver(
      `One checkpoint's law is the best constant learning rate of a run of ${plan.steps} steps`,
      within,
      perRun(runComparisons),
    ),
    verdictOver(
      `The same, scaled by one constant so that it is right at ${anchor}: how η* changes with B`,
      `within ${aim}× at the other batch sizes`,
      perRun((result, run) => anchored(runComparisons(result, run), anchor)),
    ),
    verdictOver(
      "Laws fitted to runs of every other batch size predict those between",
      `within ${aim}× at ${interpolation.heldOut.join(", ")}`,
      perRun((_, { rows }) => predictHeldOut(rows, interpolation.fitted, interpolation.heldOut).comparisons),
    ),
    verdictOver(
      "Laws fitted to runs of the smaller half predict the larger batch sizes",
      `within ${aim}× at ${upwards.heldOut.join(", ")}`,
      perRun((_, { rows }) => predictHeldOut(rows, upwards.fitted, upwards.heldOut).comparisons),
    ),
  ];
}

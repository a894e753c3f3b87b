import { linearRule, type SweepOptimum, squareRootRule } from "../../scaling/index.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import { stepsOf } from "../laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import type { Comparison } from "../laws/predictions.ts";
import { atBatch, type RunOptima, usable } from "../laws/runOptima.ts";
import type { TaskResult } from "./trials.ts";

/** The best learning rate of one step beside that of the next ones, for one number of steps. */
export function horizonComparisons({ task, steps, horizons }: TaskResult, count: number): Comparison[] {
  return horizons.flatMap(({ optimizer, batchSize, optima }) => {
    const one = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum.trial;
    const found = optima.find((row) => row.steps === count)!;
    return found.interior
      ? [
          {
            label: `${task}, ${optimizerName(optimizer)}, ${atBatch(batchSize)}`,
            predicted: one.value,
            range: one,
            measured: found.optimum,
          },
        ]
      : [];
  });
}

/** What `measureCheckpoint` says beside the trial of one step, where that surely descends. */
export function measurementComparisons({ steps, laws }: TaskResult, optimizer: LawOptimizer): Comparison[] {
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law: exists, trial, interior } }) => {
    const law = laws.get(optimizer)!.optima.find((row) => row.batchSize === batchSize)?.learningRate;
    return law == null || exists === null || !interior
      ? []
      : [{ label: atBatch(batchSize), predicted: law.value, range: law, measured: trial }];
  });
}

/** The law of the checkpoint beside the optima of whole runs. */
export function runComparisons({ steps }: TaskResult, { optimizer, fit }: RunOptima): Comparison[] {
  const laws = stepsOf(steps, optimizer);
  return usable(fit.optima).flatMap((measured) => {
    const law = laws.find(({ batchSize }) => batchSize === measured.batchSize)?.optimum.law;
    return law == null
      ? []
      : [{ label: atBatch(measured.batchSize), predicted: law.value, range: law, measured }];
  });
}

export interface Split {
  readonly name: string;
  readonly fitted: readonly number[];
  readonly heldOut: readonly number[];
}

export function splitsOf({ batchSizes }: LawPlan): Split[] {
  const half = Math.ceil(batchSizes.length / 2);
  return [
    {
      name: "every other",
      fitted: batchSizes.filter((_, i) => i % 2 === 0),
      heldOut: batchSizes.filter((_, i) => i % 2 === 1),
    },
    { name: "small → large", fitted: batchSizes.slice(0, half), heldOut: batchSizes.slice(half) },
    { name: "large → small", fitted: batchSizes.slice(-half), heldOut: batchSizes.slice(0, -half) },
  ];
}

/** The batch size at which a user has tuned, in the middle. */
export const anchorOf = ({ batchSizes }: LawPlan) => batchSizes[Math.floor(batchSizes.length / 2)]!;

/** Rules of thumb from the optimum of the middle batch size. */
export function ruleComparisons(
  optima: readonly SweepOptimum[],
  plan: LawPlan,
): Record<string, Comparison[]> {
  const anchor = usable(optima).find(({ batchSize }) => batchSize === anchorOf(plan));
  if (anchor === undefined) return {};
  const reference = { learningRate: anchor.value, batchSize: anchor.batchSize };
  const rules = {
    constant: () => reference.learningRate,
    "√B": (batchSize: number) => squareRootRule(reference, batchSize),
    B: (batchSize: number) => linearRule(reference, batchSize),
  };
  return Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [
      name,
      usable(optima)
        .filter((optimum) => optimum !== anchor)
        .map((measured) => ({
          label: atBatch(measured.batchSize),
          predicted: rule(measured.batchSize),
          measured,
        })),
    ]),
  );
}

import type { ExperimentSize } from "../experiment.ts";
import { lawPlans, type PlannedSetting, smallEpsilon } from "../laws/lawSettings.ts";
import type { LawOptimizer } from "../laws/optimizers.ts";
import type { SharpnessMeasurement } from "../laws/sharpnessAlong.ts";

export interface Plan {
  readonly settings: readonly PlannedSetting[];
  /** Of a run. */
  readonly steps: number;
  readonly batchSizes: readonly number[];
  /** Of the sweep that finds the best learning rates: those of the experiment whose trials these are. */
  readonly sweptBatchSizes: readonly number[];
  /** Learning rates as multiples of the best one of whole runs; 1 among them. */
  readonly multiples: readonly number[];
  readonly seeds: readonly number[];
  readonly measurement: SharpnessMeasurement;
  /** Optimizers whose step from the checkpoint is measured: those of the experiment whose trials these are. */
  readonly stepOptimizers: readonly LawOptimizer[];
}

/** Optimizers whose steps divide by something that is the same along all directions of a small step: msign isn't of the kind. */
export const optimizers = [
  { kind: "sgd" },
  { kind: "adam", epsilon: smallEpsilon },
] as const satisfies readonly LawOptimizer[];

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    settings: lawPlans.full.settings,
    steps: lawPlans.full.steps,
    batchSizes: [16, 256],
    sweptBatchSizes: lawPlans.full.batchSizes,
    multiples: [1 / 8, 1 / 2, 1, 2],
    seeds: [1, 2, 3],
    measurement: { measureAt: [25, 50, 100], probeSize: 256, products: 16, directions: 8 },
    stepOptimizers: lawPlans.full.stepOptimizers,
  },
  quick: {
    settings: lawPlans.quick.settings,
    steps: 8,
    batchSizes: [16],
    sweptBatchSizes: [16],
    multiples: [1 / 4, 1],
    seeds: [1, 2],
    measurement: { measureAt: [4, 8], probeSize: 32, products: 4, directions: 2 },
    stepOptimizers: optimizers,
  },
};

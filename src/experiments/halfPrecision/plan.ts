import type { ExperimentSize } from "../experiment.ts";
import type { TaskSize } from "../laws/lawTask.ts";

/**
 * What is float16: nothing; products of matrices alone, as `training.precision: mixed` has it; or the gradients, both moments, ε and the quotient
 * too. Parameters stay float32.
 */
export const modes = ["float32", "mixed", "float16"] as const;
export type Mode = (typeof modes)[number];

export interface Plan {
  readonly task: TaskSize;
  readonly steps: number;
  /** Where the modes are compared. */
  readonly anchor: number;
  /** Ascending. */
  readonly epsilons: readonly number[];
  readonly seeds: readonly number[];
  /** Of the best learning rate by batch size, ascending. */
  readonly batchSizes: readonly number[];
  /** Where it is looked for, ascending. */
  readonly growthEpsilons: readonly number[];
  readonly growthSeeds: readonly number[];
  /** Learning rates that are tried for one best at most. */
  readonly maxRates: number;
}

/** Adam's, as everywhere. */
export const [b1, b2] = [0.9, 0.999] as const;
/** What losses are multiplied by before they are differentiated, where products are float16, and gradients divided by in float32. */
export const mixedScale = 2 ** 10;

/** Half of float16's smallest number: what is less becomes 0. */
export const vanishing = 2 ** -25;
/** Gradients below it have a second moment of 0 after a step in float16. */
export const vanishingGradient = Math.sqrt(vanishing / (1 - b2));

/** Learning rates are powers of 2; the first that is tried grows with ε, by which large ones divide. */
export const firstExponent = (epsilon: number): number =>
  Math.round(-7 + Math.max(0, Math.log2(epsilon / 1e-3)));

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    task: { modelDim: 32, evaluation: [500, 8] },
    steps: 120,
    anchor: 32,
    epsilons: [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    seeds: [1, 2, 3],
    batchSizes: [2, 8, 32, 128],
    growthEpsilons: [1e-8, 1e-3, 1e-2, 1e-1],
    growthSeeds: [1, 2, 3, 4, 5, 6],
    maxRates: 14,
  },
  quick: {
    task: { modelDim: 8, evaluation: [100, 2] },
    steps: 12,
    anchor: 8,
    epsilons: [1e-8, 1e-2],
    seeds: [1],
    batchSizes: [2, 8],
    growthEpsilons: [1e-8, 1e-2],
    growthSeeds: [1, 2],
    maxRates: 6,
  },
};

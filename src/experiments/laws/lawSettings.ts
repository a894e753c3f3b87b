import type { ExperimentContext } from "../experiment.ts";
import type { LawSetting } from "./lawTrials.ts";
import type { LawOptimizer } from "./optimizers.ts";

/** What the experiments on learning rate and batch size have in common, so that they share trials. */
export interface LawPlan {
  readonly settings: readonly LawSetting[];
  /** Steps of a training run. */
  readonly steps: number;
  /** Ascending. */
  readonly batchSizes: readonly number[];
  readonly epsilons: readonly number[];
  /** Optimizers whose step from the checkpoint is measured. */
  readonly stepOptimizers: readonly LawOptimizer[];
  /** Three independent batches for the sums of the closed forms, so many times. */
  readonly statisticsRepetitions: number;
  /** Batches that a step is measured on, and again as many for the trial. */
  repetitions(batchSize: number): number;
  seeds(batchSize: number): readonly number[];
}

/** ε of Adam by default, and one that is far above most elements of the gradient. */
export const [smallEpsilon, largeEpsilon] = [1e-8, 1e-2];

const stepOptimizersOf = (epsilons: readonly number[]): LawOptimizer[] => [
  { kind: "sgd" },
  { kind: "sign" },
  { kind: "adam", epsilon: smallEpsilon },
  { kind: "muon" },
  ...epsilons.map((epsilon): LawOptimizer => ({ kind: "softsign", epsilon })),
];

const fullEpsilons = [smallEpsilon, 1e-6, 1e-4, 1e-3, largeEpsilon, 1e-1];
const quickEpsilons = [smallEpsilon, largeEpsilon, 1e-1];

export const lawPlans: Readonly<Record<ExperimentContext["size"], LawPlan>> = {
  full: {
    settings: [
      {
        task: "books",
        size: { modelDim: 16, length: 16, evaluation: [256, 4] },
        checkpoint: { steps: 50, learningRate: 0.01, batchSize: 64, numGradients: 256 },
        probeSize: 128,
      },
      {
        task: "mnist",
        size: { modelDim: 32, evaluation: [1000, 9] },
        checkpoint: { steps: 50, learningRate: 0.003, batchSize: 64, numGradients: 256 },
        probeSize: 512,
      },
    ],
    steps: 100,
    batchSizes: [4, 8, 16, 32, 64, 128, 256, 512, 1024],
    epsilons: fullEpsilons,
    stepOptimizers: stepOptimizersOf(fullEpsilons),
    statisticsRepetitions: 128,
    repetitions: (batchSize) => (batchSize <= 16 ? 192 : batchSize <= 64 ? 96 : 64),
    seeds: (batchSize) => (batchSize <= 16 ? [1, 2, 3, 4] : batchSize <= 128 ? [1, 2, 3] : [1, 2]),
  },
  quick: {
    settings: [
      {
        task: "mnist",
        size: { modelDim: 8, evaluation: [200, 2] },
        checkpoint: { steps: 10, learningRate: 0.003, batchSize: 32, numGradients: 8 },
        probeSize: 64,
      },
    ],
    steps: 10,
    batchSizes: [4, 8, 16, 32, 64, 128],
    epsilons: quickEpsilons,
    stepOptimizers: stepOptimizersOf(quickEpsilons),
    statisticsRepetitions: 8,
    repetitions: () => 8,
    seeds: () => [1],
  },
};

import type { ExperimentSize } from "../experiment.ts";
import type { LawSetting } from "./lawTrials.ts";
import type { LawOptimizer } from "./optimizers.ts";

/** A setting with what experiments ask of it. */
export interface PlannedSetting extends LawSetting {
  /** Batches that a step is measured on, and again as many for the trial. */
  repetitions(batchSize: number): number;
  /** Seeds of whole runs: more where noise is larger, or steps cheaper. */
  seeds(batchSize: number): readonly number[];
  /** The loss that runs are to reach, in nats, and their batch sizes. */
  readonly target: number;
  readonly targetBatchSizes: readonly number[];
  /** Steps of the checkpoint's run at which the noise scale is measured: from the start to about the target. */
  readonly checkpoints: readonly number[];
}

/** What the experiments on learning rate and batch size have in common, so that they share trials. */
export interface LawPlan {
  readonly settings: readonly PlannedSetting[];
  /** Steps of a training run. */
  readonly steps: number;
  /** Of training runs, ascending. */
  readonly batchSizes: readonly number[];
  /** Of single steps, ascending: with smaller ones, where runs would need many more steps. */
  readonly stepBatchSizes: readonly number[];
  readonly epsilons: readonly number[];
  /** Batch sizes and ε of Adam's runs that are swept over both. */
  readonly epsilonRuns: { readonly batchSizes: readonly number[]; readonly epsilons: readonly number[] };
  /** Runs to a target loss. */
  readonly targets: {
    readonly seeds: readonly number[];
    /** At the smallest batch size; afterwards a multiple of the fewest steps seen. */
    readonly maxSteps: number;
    /** Three independent batches for the sums there, so many times. */
    readonly repetitions: number;
  };
  /** Optimizers whose step from the checkpoint is measured. */
  readonly stepOptimizers: readonly LawOptimizer[];
  /** Runs of some steps from the checkpoint. */
  readonly horizons: {
    readonly steps: readonly number[];
    readonly batchSizes: readonly number[];
    readonly repetitions: number;
  };
  /** Samples and products with Hessians that `measureCheckpoint` is given. */
  readonly measurement: { readonly samples: number; readonly probes: number };
  /** Three independent batches for the sums of the closed forms, so many times. */
  readonly statisticsRepetitions: number;
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

const firstSeeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const fullEpsilons = [smallEpsilon, 1e-6, 1e-4, 1e-3, largeEpsilon, 1e-1];
const quickEpsilons = [smallEpsilon, largeEpsilon, 1e-1];

export const lawPlans: Readonly<Record<ExperimentSize, LawPlan>> = {
  full: {
    settings: [
      {
        task: "books",
        size: { modelDim: 16, length: 16, evaluation: [256, 4] },
        checkpoint: { steps: 50, learningRate: 0.01, batchSize: 64, numGradients: 256 },
        probeSize: 128,
        repetitions: (batchSize) => (batchSize <= 16 ? 192 : batchSize <= 64 ? 96 : 64),
        seeds: (batchSize) => firstSeeds(batchSize <= 16 ? 4 : batchSize <= 128 ? 3 : 2),
        target: 2.5,
        targetBatchSizes: [2, 8, 32, 128, 256],
        checkpoints: [5, 10, 25, 50],
      },
      {
        task: "mnist",
        size: { modelDim: 32, evaluation: [1000, 9] },
        checkpoint: { steps: 50, learningRate: 0.003, batchSize: 64, numGradients: 256 },
        probeSize: 512,
        repetitions: (batchSize) =>
          batchSize <= 4 ? 768 : batchSize <= 16 ? 192 : batchSize <= 64 ? 96 : 64,
        seeds: (batchSize) => firstSeeds(batchSize <= 16 ? 8 : 6),
        target: 0.25,
        targetBatchSizes: [4, 16, 64, 256, 1024],
        checkpoints: [5, 10, 25, 50, 100, 200],
      },
    ],
    steps: 100,
    batchSizes: [4, 8, 16, 32, 64, 128, 256, 512, 1024],
    stepBatchSizes: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    epsilons: fullEpsilons,
    epsilonRuns: {
      batchSizes: [4, 16, 64, 256],
      epsilons: [smallEpsilon, 1e-3, largeEpsilon, 1e-1],
    },
    stepOptimizers: stepOptimizersOf(fullEpsilons),
    targets: { seeds: [1, 2], maxSteps: 6000, repetitions: 48 },
    horizons: { steps: [4, 16, 64], batchSizes: [4, 32, 256], repetitions: 8 },
    measurement: { samples: 4096, probes: 32 },
    statisticsRepetitions: 128,
  },
  quick: {
    settings: [
      {
        task: "mnist",
        size: { modelDim: 8, evaluation: [200, 2] },
        checkpoint: { steps: 10, learningRate: 0.003, batchSize: 32, numGradients: 8 },
        probeSize: 64,
        repetitions: () => 6,
        seeds: () => [1],
        target: 1.8,
        targetBatchSizes: [8, 32, 128],
        checkpoints: [2, 10],
      },
    ],
    steps: 10,
    batchSizes: [4, 16, 64],
    stepBatchSizes: [2, 4, 16, 64],
    epsilons: quickEpsilons,
    epsilonRuns: { batchSizes: [4, 16, 64], epsilons: [smallEpsilon, largeEpsilon] },
    stepOptimizers: stepOptimizersOf(quickEpsilons),
    targets: { seeds: [1, 2], maxSteps: 100, repetitions: 6 },
    horizons: { steps: [2, 4], batchSizes: [4], repetitions: 2 },
    measurement: { samples: 256, probes: 4 },
    statisticsRepetitions: 8,
  },
};

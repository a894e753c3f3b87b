import type { ExperimentSize } from "../experiment.ts";

/** What is measured: minutes for the report, seconds to see that it runs. */
export const plans = {
  full: {
    correlations: [0, 0.01, 0.03, 0.1, 0.3, 0.9],
    quadratic: { size: 48, numSamples: 4000 },
    network: {
      checkpoints: [20, 200, 1000],
      numProbes: 160,
      numGradients: 64,
      learningRate: 3e-3,
      modelDim: 48,
      batchSize: 16,
      length: 64,
    },
    seeds: [1, 2],
    loss: { b2: [0.5, 0.9, 0.99, 0.999], seeds: [1, 2, 3], steps: 300 },
  },
  quick: {
    correlations: [0, 0.1, 0.9],
    quadratic: { size: 16, numSamples: 500 },
    network: {
      checkpoints: [2, 8],
      numProbes: 6,
      numGradients: 6,
      learningRate: 3e-3,
      modelDim: 16,
      batchSize: 4,
      length: 16,
    },
    seeds: [1],
    loss: { b2: [0.9, 0.999], seeds: [1, 2], steps: 12 },
  },
} as const satisfies Record<ExperimentSize, object>;

export type Plan = (typeof plans)[ExperimentSize];

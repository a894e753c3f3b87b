import type { ExperimentSize } from "../experiment.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** What is measured: minutes for the report, seconds to see that it runs. */
export const plans = {
  full: {
    permutation: { layers: [1, 2, 4], modelDim: 32, numHeads: 4, length: 32, permutations: 16, seed: 1 },
    uniform: { sequences: 64, length: 512, dim: 64, seeds: upTo(16) },
    initial: {
      vocabSize: { independent: 4096, books: 257 },
      numLayers: 4,
      modelDim: 64,
      numHeads: 4,
      length: 256,
      batchSize: 16,
      numBatches: 4,
      seeds: upTo(6),
    },
    model: { numLayers: 3, modelDim: 64, numHeads: 4, maxLength: 128 },
    source: "books",
    steps: 400,
    batchSize: 8,
    evalBatches: 32,
    seeds: [1, 2, 3],
    base: 0.004,
    exponents: [-1, 0, 1],
    maxExtensions: 4,
    measurement: { lengthFactor: 4, sequences: 128 },
  },
  quick: {
    permutation: { layers: [1, 2], modelDim: 16, numHeads: 2, length: 8, permutations: 2, seed: 1 },
    uniform: { sequences: 16, length: 64, dim: 16, seeds: upTo(3) },
    initial: {
      vocabSize: { independent: 512, books: 257 },
      numLayers: 2,
      modelDim: 16,
      numHeads: 2,
      length: 16,
      batchSize: 4,
      numBatches: 2,
      seeds: upTo(2),
    },
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 },
    source: "moby-dick",
    steps: 8,
    batchSize: 4,
    evalBatches: 2,
    seeds: [1],
    base: 0.004,
    exponents: [1],
    maxExtensions: 0,
    measurement: { lengthFactor: 4, sequences: 32 },
  },
} as const satisfies Record<ExperimentSize, object>;

export type Plan = (typeof plans)[ExperimentSize];

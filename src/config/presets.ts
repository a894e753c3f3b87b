import type { PlainObject } from "./plainObject.ts";

const encoder = { kind: "convolutional", channels: [32, 64], numBlocks: 1 };
const autoencoder = {
  task: "autoencoder",
  quantizer: { kind: "vq", numCodes: 1024, dim: 16, learning: "ema", restartBelow: 0.1 },
  optimizer: { kind: "adamw", learningRate: 0.002, weightDecay: 0 },
  schedule: { kind: "warmup-cosine", warmupFraction: 20 / 1000 },
};
const autoencoderTraining = { steps: 1000, evalEvery: 200, checkpointEvery: 200, logEvery: 20 };

/**
 * Qwen3's block (arXiv 2505.09388), which every program that runs models knows, with grouped queries in its presets. `mlpDim` follows
 * `modelDim`, so that a preset can be made wider by one option.
 */
const qwen3 = { mlp: "swiglu", norm: "rmsnorm", qkNorm: true };

/** A named configuration. */
export interface Preset {
  /** What it is for, and how long it takes. */
  readonly purpose: string;
  readonly config: PlainObject;
}

/**
 * Named configurations, from seconds to GPT-2's size. Schedules are shares of the run, so that they go along with another number of steps:
 * the steps that were measured of those of the run. `expectedLoss` holds what was measured on the shipped data (final
 * validation loss, in nats or as a mean squared error, its mean and three standard deviations over seeds); null where nobody has measured it.
 */
export const presetRows = {
  tiny: {
    purpose: "seconds: a first look",
    config: {
      name: "tiny",
      model: {
        ...qwen3,
        numLayers: 2,
        modelDim: 64,
        numHeads: 2,
        numKvHeads: 1,
        maxLength: 128,
      },
      data: { source: "books", tokenizer: "bytes" },
      optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
      schedule: { kind: "warmup-stable-decay", warmupFraction: 10 / 120, decayFraction: 40 / 120 },
      training: { steps: 120, batchSize: 16, length: 64, logEvery: 20, sampleTokens: 80 },
      expectedLoss: { mean: 1.95, spread: 0.047, seeds: 5 },
    },
  },
  small: {
    purpose: "`npm start`, about two minutes: 2.4M parameters",
    config: {
      name: "small",
      model: {
        ...qwen3,
        numLayers: 4,
        modelDim: 192,
        numHeads: 6,
        numKvHeads: 2,
        maxLength: 256,
      },
      data: { source: "books", tokenizer: { bpe: 2048 } },
      optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
      schedule: { kind: "warmup-stable-decay", warmupFraction: 20 / 360, decayFraction: 140 / 360 },
      training: {
        steps: 360,
        batchSize: 16,
        length: 128,
        evalEvery: 100,
        sampleEvery: 200,
        sampleTokens: 96,
        checkpointEvery: 100,
      },
      expectedLoss: { mean: 4.226, spread: 0.036, seeds: 3 },
    },
  },
  medium: {
    purpose: "a quarter of an hour on two cores: 6.8M parameters",
    config: {
      name: "medium",
      model: { numLayers: 6, modelDim: 256, numHeads: 4, maxLength: 256 },
      data: { source: "books", tokenizer: { bpe: 4096 } },
      optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
      schedule: { kind: "warmup-stable-decay", warmupFraction: 30 / 1000, decayFraction: 400 / 1000 },
      training: {
        steps: 1000,
        batchSize: 16,
        length: 128,
        evalEvery: 200,
        sampleEvery: 500,
        checkpointEvery: 200,
      },
      expectedLoss: { mean: 4.04, spread: 0.022, seeds: 3 },
    },
  },
  "gpt2-small": {
    purpose:
      "a quarter of an hour: 100 steps of 124M parameters, which show that a model of this size trains and what it costs",
    config: {
      name: "gpt2-small",
      model: {
        numLayers: 12,
        modelDim: 768,
        numHeads: 12,
        mlp: "gelu-tanh",
        norm: "layernorm",
        qkNorm: false,
        tiedHead: true,
        maxLength: 1024,
      },
      data: { source: "books", tokenizer: { bpe: 50257 } },
      optimizer: { kind: "adamw", learningRate: 0.0006, b1: 0.9, b2: 0.95, weightDecay: 0.1 },
      schedule: { kind: "warmup-cosine", warmupFraction: 10 / 100, finalFraction: 0.1 },
      // The shipped books are 13 MB: a part of them shows that all works, and a run of GPT-2's length would read them again and again.
      training: {
        steps: 100,
        batchSize: 4,
        length: 256,
        evalEvery: 50,
        sampleEvery: 50,
        checkpointEvery: 50,
      },
      expectedLoss: { mean: 6.372, spread: 0.123, seeds: 3 },
    },
  },
  "vq-mnist": {
    purpose: "digits as codes",
    config: {
      name: "vq-mnist",
      ...autoencoder,
      model: { encoder, reconstructionWeight: 10 },
      data: { source: "mnist" },
      training: { ...autoencoderTraining, batchSize: 64 },
      expectedLoss: { mean: 0.003326, spread: 0.000068, seeds: 3 },
    },
  },
  "vq-photographs": {
    purpose: "photographs as codes",
    config: {
      name: "vq-photographs",
      ...autoencoder,
      model: { encoder, reconstructionWeight: 14 },
      data: { source: "photographs", size: 32, stride: 16 },
      training: { ...autoencoderTraining, batchSize: 48 },
      expectedLoss: { mean: 0.000734, spread: 0.000047, seeds: 3 },
    },
  },
  "codes-mnist": {
    purpose: "a transformer of the codes of `vq-mnist`",
    config: {
      name: "codes-mnist",
      task: "codes",
      model: { numLayers: 4, modelDim: 128, numHeads: 4 },
      data: { run: "vq-mnist" },
      optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
      schedule: { kind: "warmup-stable-decay", warmupFraction: 20 / 1000, decayFraction: 400 / 1000 },
      training: { steps: 1000, batchSize: 32, evalEvery: 200, checkpointEvery: 200, logEvery: 20 },
      expectedLoss: { mean: 2.391, spread: 0.152, seeds: 3 },
    },
  },
} as const satisfies Record<string, Preset>;

/** Name of a preset. */
export type PresetName = keyof typeof presetRows;

/** The configurations of the presets, as plain data. */
export const presets: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries<Preset>(presetRows).map(([name, { config }]) => [name, config]),
);

export const presetNames: readonly string[] = Object.keys(presets);

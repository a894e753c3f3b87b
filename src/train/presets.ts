const encoder = { kind: "convolutional", channels: [32, 64], numBlocks: 1 };
const autoencoder = {
  task: "autoencoder",
  quantizer: { kind: "vq", numCodes: 1024, dim: 16, learning: "ema", restartBelow: 0.1 },
  optimizer: { kind: "adamw", learningRate: 0.002, weightDecay: 0 },
  schedule: { kind: "warmup-cosine", warmupSteps: 20 },
};
const autoencoderTraining = { steps: 1000, evalEvery: 200, checkpointEvery: 200, logEvery: 20 };

/**
 * Named configurations, from seconds to GPT-2's size. `expectedLoss` holds what was measured on the shipped data (final
 * validation loss, in nats or as a mean squared error, its mean and three standard deviations over seeds); null where nobody has measured it.
 */
export const presets: Readonly<Record<string, unknown>> = {
  tiny: {
    name: "tiny",
    model: { numLayers: 2, modelDim: 64, numHeads: 2, maxLength: 128 },
    data: { source: "books", tokenizer: "bytes" },
    optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
    schedule: { kind: "warmup-stable-decay", warmupSteps: 10, decaySteps: 40 },
    training: { steps: 120, batchSize: 16, length: 64, logEvery: 20, sampleTokens: 80 },
    expectedLoss: { mean: 1.969, spread: 0.019, seeds: 5 },
  },
  small: {
    name: "small",
    model: { numLayers: 4, modelDim: 192, numHeads: 6, maxLength: 256 },
    data: { source: "books", tokenizer: { bpe: 2048 } },
    optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
    schedule: { kind: "warmup-stable-decay", warmupSteps: 20, decaySteps: 140 },
    training: {
      steps: 360,
      batchSize: 16,
      length: 128,
      evalEvery: 100,
      sampleEvery: 200,
      sampleTokens: 96,
      checkpointEvery: 100,
    },
    expectedLoss: { mean: 4.198, spread: 0.015, seeds: 3 },
  },
  medium: {
    name: "medium",
    model: { numLayers: 6, modelDim: 256, numHeads: 4, maxLength: 256 },
    data: { source: "books", tokenizer: { bpe: 4096 } },
    optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
    schedule: { kind: "warmup-stable-decay", warmupSteps: 30, decaySteps: 400 },
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
  "gpt2-small": {
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
    schedule: { kind: "warmup-cosine", warmupSteps: 10, finalFraction: 0.1 },
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
  "vq-mnist": {
    name: "vq-mnist",
    ...autoencoder,
    model: { encoder, reconstructionWeight: 10 },
    data: { source: "mnist" },
    training: { ...autoencoderTraining, batchSize: 64 },
    expectedLoss: { mean: 0.003326, spread: 0.000068, seeds: 3 },
  },
  "vq-photographs": {
    name: "vq-photographs",
    ...autoencoder,
    model: { encoder, reconstructionWeight: 14 },
    data: { source: "photographs", size: 32, stride: 16 },
    training: { ...autoencoderTraining, batchSize: 48 },
    expectedLoss: { mean: 0.000734, spread: 0.000047, seeds: 3 },
  },
  "codes-mnist": {
    name: "codes-mnist",
    task: "codes",
    model: { numLayers: 4, modelDim: 128, numHeads: 4 },
    data: { run: "vq-mnist" },
    optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.003 } },
    schedule: { kind: "warmup-stable-decay", warmupSteps: 20, decaySteps: 400 },
    training: { steps: 1000, batchSize: 32, evalEvery: 200, checkpointEvery: 200, logEvery: 20 },
    expectedLoss: { mean: 2.391, spread: 0.152, seeds: 3 },
  },
};

export const presetNames: readonly string[] = Object.keys(presets);

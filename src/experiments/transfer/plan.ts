import type { Parametrization } from "../../nn/index.ts";
import type { TrialConfig } from "../trainTrial.ts";

/** The optimizers whose learning rates are to be carried. */
export const optimizers = ["adamw", "muon"] as const;
export type OptimizerChoice = (typeof optimizers)[number];

/** What an axis of size is: the width at one depth, or the depth at one width. */
export interface Axis {
  readonly name: "width" | "depth";
  /** Ascending; the smallest is the base. */
  readonly sizes: readonly number[];
  readonly optimizers: readonly OptimizerChoice[];
  readonly parametrizations: readonly Parametrization[];
}

export interface Plan {
  readonly axes: readonly Axis[];
  /** Layers along the width, and width along the depth. */
  readonly numLayers: number;
  readonly modelDim: number;
  readonly headDim: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly evaluated: number;
  readonly seeds: readonly number[];
  /** Values by which a grid may grow. */
  readonly maxExtensions: number;
}

export const plans: Readonly<Record<"full" | "quick", Plan>> = {
  full: {
    axes: [
      {
        name: "width",
        sizes: [32, 64, 128],
        optimizers,
        parametrizations: ["standard", "mup", "spectral"],
      },
    ],
    numLayers: 2,
    modelDim: 64,
    headDim: 16,
    steps: 100,
    batchSize: 16,
    length: 32,
    evaluated: 256,
    seeds: [1, 2, 3],
    maxExtensions: 8,
  },
  quick: {
    axes: [
      { name: "width", sizes: [8, 16], optimizers: ["adamw"], parametrizations: ["standard", "mup"] },
      { name: "depth", sizes: [1, 2], optimizers: ["muon"], parametrizations: ["mup"] },
    ],
    numLayers: 1,
    modelDim: 8,
    headDim: 4,
    steps: 10,
    batchSize: 4,
    length: 8,
    evaluated: 16,
    seeds: [1],
    maxExtensions: 0,
  },
};

/** Learning rates that the grid of the smallest size begins with; from there on it begins at the best of the size before. */
export const firstRates: Readonly<Record<OptimizerChoice, Readonly<Record<Parametrization, number>>>> = {
  adamw: { standard: 2 ** -6, mup: 2 ** -6, spectral: 2 ** -1 },
  muon: { standard: 2 ** -5, mup: 2 ** -5, spectral: 2 ** -5 },
};

/** AdamW's learning rate beside Muon's: as in the presets, and in the spectral parametrization's units of whole features. */
const besideMuon: Readonly<Record<Parametrization, number>> = { standard: 0.15, mup: 0.15, spectral: 4 };

/** One run. */
export function trialConfig(
  plan: Plan,
  axis: Axis,
  optimizer: OptimizerChoice,
  parametrization: Parametrization,
  size: number,
  learningRate: number,
  seed: number,
): TrialConfig {
  const { headDim, steps, batchSize, length, evaluated } = plan;
  const [modelDim, numLayers] = axis.name === "width" ? [size, plan.numLayers] : [plan.modelDim, size];
  const base = axis.sizes[0]!;
  const baseDim = axis.name === "width" ? base : modelDim;
  return {
    name: "transfer",
    model: {
      numLayers,
      modelDim,
      numHeads: modelDim / headDim,
      headDim,
      maxLength: length,
      ...(parametrization === "standard" ? {} : { parametrization }),
      ...(parametrization === "mup" ? { baseDim, baseHeadDim: headDim } : {}),
      ...(axis.name === "depth" && parametrization !== "standard" ? { baseLayers: base } : {}),
    },
    data: { source: "moby-dick", tokenizer: "bytes" },
    optimizer:
      optimizer === "adamw"
        ? { kind: "adamw", learningRate, weightDecay: 0 }
        : {
            kind: "muon",
            learningRate,
            adamw: { learningRate: besideMuon[parametrization] * learningRate },
          },
    schedule: { kind: "warmup-cosine", warmupFraction: 0.1, finalFraction: 0 },
    training: {
      steps,
      batchSize,
      length,
      seed,
      evalBatches: Math.ceil(evaluated / batchSize),
      sampleTokens: 0,
    },
  };
}

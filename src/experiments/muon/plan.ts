import { adamwOptions } from "../byteTrial.ts";
import type { ExperimentSize } from "../experiment.ts";
import type { TrialConfig } from "../trainTrial.ts";

export interface ModelSize {
  readonly name: string;
  readonly model: TrialConfig["model"];
}

export interface Plan {
  readonly sizes: readonly ModelSize[];
  readonly source: string;
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly evalBatches: number;
  readonly seeds: readonly number[];
  readonly adamwExponents: readonly number[];
  readonly muonExponents: readonly number[];
  readonly maxExtensions: number;
  /** Shorter runs of Muon, as shares of `steps`, that show where it reaches AdamW's final loss. */
  readonly horizons: readonly number[];
  readonly timing: { readonly blocks: number; readonly stepsPerBlock: number };
  /** Options of AdamW that aren't swept are tried for the first sizes, as many as this. */
  readonly sizesWithVariants: number;
}

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    sizes: [
      { name: "2 layers, d = 64", model: { numLayers: 2, modelDim: 64, numHeads: 2, maxLength: 64 } },
      { name: "4 layers, d = 128", model: { numLayers: 4, modelDim: 128, numHeads: 4, maxLength: 64 } },
    ],
    source: "books",
    steps: 200,
    batchSize: 16,
    length: 64,
    evalBatches: 16,
    seeds: [1, 2, 3],
    adamwExponents: [-1, 0, 1, 2, 3],
    muonExponents: [-2, -1, 0, 1, 2],
    maxExtensions: 4,
    horizons: [0.4, 0.55, 0.7, 0.85],
    timing: { blocks: 6, stepsPerBlock: 9 },
    sizesWithVariants: 1,
  },
  quick: {
    sizes: [{ name: "1 layer, d = 16", model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 } }],
    source: "moby-dick",
    steps: 12,
    batchSize: 4,
    length: 16,
    evalBatches: 2,
    seeds: [1],
    adamwExponents: [2],
    muonExponents: [0, 1],
    maxExtensions: 0,
    horizons: [0.6],
    timing: { blocks: 2, stepsPerBlock: 2 },
    sizesWithVariants: 0,
  },
};

/** The middle of the grids: AdamW's, and Keller Jordan's for Muon. */
export const [adamwBase, muonBase] = [0.002, 0.02];

export type OptimizerName = "AdamW" | "Muon" | "Muon, match-adamw-rms";
export type OptimizerOptions = TrialConfig["optimizer"];

export const optimizers: Readonly<
  Record<OptimizerName, (learningRate: number, adamwRate: number) => OptimizerOptions>
> = {
  AdamW: (learningRate) => ({ kind: "adamw", learningRate, ...adamwOptions }),
  Muon: (learningRate, adamwRate) => ({
    kind: "muon",
    learningRate,
    scale: "keller-jordan",
    adamw: { learningRate: adamwRate, ...adamwOptions },
  }),
  "Muon, match-adamw-rms": (learningRate) => ({
    kind: "muon",
    learningRate,
    scale: "match-adamw-rms",
    adamw: { learningRate, ...adamwOptions },
  }),
};

/** Changes to AdamW's run at its best learning rate: does Muon win only against a badly set AdamW? */
export const adamwVariants: Readonly<
  Record<string, { readonly options?: object; readonly rateFactor?: number; readonly warmup?: number }>
> = {
  "b2 0.99": { options: { b2: 0.99 } },
  "b2 0.999": { options: { b2: 0.999 } },
  "eps 1e-8": { options: { eps: 1e-8 } },
  "weight decay 0.1": { options: { weightDecay: 0.1 } },
  "warmup 20 %": { warmup: 0.2 },
  "warmup 20 %, twice the learning rate": { warmup: 0.2, rateFactor: 2 },
};

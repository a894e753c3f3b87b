import type { ExperimentSize } from "../experiment.ts";
import type { MethodName } from "./methods.ts";
import type { QuantizerTrial } from "./trial.ts";

export interface Plan extends Omit<QuantizerTrial, "method" | "numCodes" | "seed"> {
  readonly sizes: readonly number[];
  readonly seeds: readonly number[];
  /** Pixels between patches of photographs, which are twice as large. */
  readonly stride: number;
  readonly validationFraction: number;
}

const common = {
  batchSize: 32,
  learningRate: 4e-3,
  // 1/variance of the pixels, as in VQ-VAE's code.
  reconstructionWeight: 14,
  evalImages: 256,
} as const;

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    ...common,
    sizes: [1024, 8192, 65536],
    seeds: [1, 2, 3],
    steps: 1000,
    channels: [16, 32],
    evalEvery: 100,
    stride: 8,
    validationFraction: 0.15,
  },
  quick: {
    ...common,
    sizes: [64, 1024],
    seeds: [1],
    steps: 6,
    channels: [4, 8],
    evalEvery: 2,
    evalImages: 64,
    stride: 64,
    validationFraction: 0.15,
  },
};

export const side = 16;

/** The control is enough at the smaller sizes. */
export const triedAt = (plan: Plan) => (method: MethodName, size: number) =>
  method !== "VQ (STE), SimVQ's start" || size !== plan.sizes.at(-1);

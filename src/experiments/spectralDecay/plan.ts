import type { ExperimentSize } from "../experiment.ts";
import type { TrialConfig } from "../trainTrial.ts";

export type DecayKind = "Frobenius" | "spectral" | "top-4" | "spectral, ones";
export type DecayOptions = NonNullable<Extract<TrialConfig["optimizer"], { kind: "adamw" }>["matrixDecay"]>;

export const decays: Readonly<Record<DecayKind, (strength: number) => DecayOptions>> = {
  Frobenius: (strength) => ({ kind: "frobenius", strength }),
  spectral: (strength) => ({ kind: "spectral", strength }),
  "top-4": (strength) => ({ kind: "top-k", strength, k: 4 }),
  "spectral, ones": (strength) => ({ kind: "spectral", strength, start: "ones", steps: 10 }),
};

export interface Plan {
  readonly model: TrialConfig["model"];
  readonly source: string;
  readonly learningRate: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly evalBatches: number;
  readonly seeds: readonly number[];
  readonly strengths: Readonly<Record<DecayKind, readonly number[]>>;
  /** Of the comparison of power iterations. */
  readonly estimateStrength: number;
  /** Power steps per update from the last vectors, of which the first is the default. */
  readonly estimateSteps: readonly number[];
  /** Steps between spectra. */
  readonly spectraEvery: number;
}

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    model: { numLayers: 2, modelDim: 64, numHeads: 2, maxLength: 64 },
    source: "books",
    learningRate: 0.003,
    steps: 200,
    batchSize: 16,
    length: 64,
    evalBatches: 16,
    seeds: [1, 2, 3],
    strengths: {
      Frobenius: [0.3, 1, 3, 10],
      spectral: [1, 3, 10, 30, 100],
      "top-4": [1, 3, 10, 30],
      "spectral, ones": [3, 10],
    },
    estimateStrength: 10,
    estimateSteps: [1, 2, 5],
    spectraEvery: 40,
  },
  quick: {
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 },
    source: "moby-dick",
    learningRate: 0.01,
    steps: 12,
    batchSize: 4,
    length: 16,
    evalBatches: 2,
    seeds: [1],
    strengths: { Frobenius: [10], spectral: [10], "top-4": [10], "spectral, ones": [10] },
    estimateStrength: 10,
    estimateSteps: [1],
    spectraEvery: 6,
  },
};

export const kindNames = Object.keys(decays) as DecayKind[];
/** Those that are compared at matched strength. */
export const matchedNames = ["Frobenius", "spectral", "top-4"] as const;

import type { ExperimentSize } from "../experiment.ts";
import type { TrialConfig } from "../trainTrial.ts";

/** Schedules by the share of the steps over which the rate falls to 0, linearly, after a short warmup. */
export const schedules = {
  constant: 0,
  "warmup–stable–decay": 0.2,
  "decay to zero": 1,
} as const;
export type ScheduleName = keyof typeof schedules;
export const scheduleNames = Object.keys(schedules) as ScheduleName[];

export interface Plan {
  /** Numbers of steps, ascending. */
  readonly horizons: readonly number[];
  readonly warmupSteps: number;
  readonly modelDim: number;
  readonly batchSize: number;
  readonly length: number;
  /** Sequences of validation. */
  readonly evaluated: number;
  readonly seeds: readonly number[];
  /** Values by which a grid may grow. */
  readonly maxExtensions: number;
}

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    horizons: [60, 120, 240],
    warmupSteps: 6,
    modelDim: 16,
    batchSize: 16,
    length: 16,
    evaluated: 1024,
    seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    maxExtensions: 6,
  },
  quick: {
    horizons: [6, 12],
    warmupSteps: 1,
    modelDim: 8,
    batchSize: 4,
    length: 8,
    evaluated: 16,
    seeds: [1],
    maxExtensions: 0,
  },
};

/** The learning rate that is tried first at the shortest horizon. */
export const firstRate = 2 ** -6;

/** One run of AdamW without weight decay. */
export function trialConfig(
  plan: Plan,
  schedule: ScheduleName,
  steps: number,
  learningRate: number,
  seed: number,
): TrialConfig {
  const { warmupSteps, modelDim, batchSize, length, evaluated } = plan;
  return {
    name: "horizon",
    model: { numLayers: 1, modelDim, numHeads: 2, maxLength: length },
    data: { source: "moby-dick", tokenizer: "bytes" },
    optimizer: { kind: "adamw", learningRate, weightDecay: 0 },
    schedule: {
      kind: "warmup-stable-decay",
      warmupSteps,
      decaySteps: Math.round(schedules[schedule] * (steps - warmupSteps)),
    },
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

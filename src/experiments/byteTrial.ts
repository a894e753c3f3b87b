import type { TrialConfig } from "./trainTrial.ts";

/** AdamW in every comparison, alone and as the part of Muon that is AdamW. */
export const adamwOptions = { b1: 0.9, b2: 0.95, eps: 1e-10, weightDecay: 0 } as const;

/** What the trainings of a comparison have in common. */
export interface ByteTraining {
  readonly model: TrialConfig["model"];
  /** The corpus, whose bytes are the tokens. */
  readonly source: string;
  readonly batchSize: number;
  readonly length: number;
  readonly evalBatches: number;
}

/**
 * A training of a byte-level transformer: warmup, a constant learning rate, and a linear decay to 0 over the last 40 % of the steps.
 *
 * @param warmup - share of the steps; default 0.05
 */
export function byteTrial(
  { model, source, batchSize, length, evalBatches }: ByteTraining,
  optimizer: TrialConfig["optimizer"],
  { steps, seed, warmup = 0.05 }: { readonly steps: number; readonly seed: number; readonly warmup?: number },
): TrialConfig {
  return {
    model,
    data: { source },
    optimizer,
    schedule: {
      kind: "warmup-stable-decay",
      warmupSteps: Math.round(warmup * steps),
      decaySteps: Math.round(0.4 * steps),
    },
    training: { steps, batchSize, length, evalBatches, seed },
  };
}

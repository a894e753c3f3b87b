import type { TrainConfig } from "./config.ts";

/** What a training step of a configuration takes in. */
export interface StepSize {
  /** Batches whose mean gradient makes one update. */
  readonly batches: number;
  /** Sequences or images: what a law's batch size counts. */
  readonly samples: number;
  /** Tokens, of language models; else images. */
  readonly items: number;
  readonly item: "tokens" | "images";
}

export function stepSize({ task, training }: TrainConfig): StepSize {
  if (task !== "language") {
    const { batchSize } = training;
    return { batches: 1, samples: batchSize, items: batchSize, item: "images" };
  }
  const samples = training.batchSize * training.accumulate;
  return { batches: training.accumulate, samples, items: samples * training.length, item: "tokens" };
}

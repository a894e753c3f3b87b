import type { TrainConfig } from "./schema.ts";

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
  const { accumulate: batches } = training;
  const samples = training.batchSize * batches;
  if (task !== "language") return { batches, samples, items: samples, item: "images" };
  return { batches, samples, items: samples * training.length, item: "tokens" };
}

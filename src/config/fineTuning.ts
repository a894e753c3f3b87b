import type { PlainObject } from "./plainObject.ts";

/**
 * What a training that begins with a model has when nothing else is said. Learning rates: 2e-5 for all parameters (Taori et al., Alpaca) and
 * 2e-4 for LoRA (Dettmers et al., arXiv 2305.14314, table 9), both for models of some billion parameters; no decay, as weights should stay near
 * where they were. Texts are of 512 tokens, or of as many as the model can take.
 */
export const fineTuning = (isLora: boolean): PlainObject => ({
  name: "finetune",
  optimizer: { kind: "adamw", learningRate: isLora ? 2e-4 : 2e-5, weightDecay: 0 },
  schedule: { kind: "warmup-cosine", warmupFraction: 0.03 },
  training: { steps: 200, batchSize: 8, evalEvery: 50, checkpointEvery: 50 },
});

/** Tokens of a text where nothing else is said: 512, or as many as the model can take. */
export const startLength = (maxLength: number): number => Math.min(512, maxLength);

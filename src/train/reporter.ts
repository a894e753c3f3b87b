import type { TrainConfig } from "../config/index.ts";
import type { Image } from "../data/index.ts";
import type { RunRecord } from "../runs/index.ts";
import type { TaskFacts } from "../tasks/index.ts";

/** What is known when training starts. */
export interface StartInfo {
  readonly run: RunRecord;
  readonly config: TrainConfig;
  readonly task: TaskFacts;
  /** What a step has so many of. */
  readonly item: "tokens" | "images" | "codes" | "examples";
  readonly itemsPerStep: number;
  /** Floating-point operations of a training step. */
  readonly flopsPerStep: number;
  /** Floating-point operations per second of a large matrix product. */
  readonly matmulPeak: number;
  /** Step of the checkpoint that is continued from, 0 for a new run. */
  readonly fromStep: number;
  /** Seconds for tracing, lowering and loading the training step. */
  readonly compileSeconds: number;
}

/** What is known after a step. */
export interface StepInfo {
  /** Steps done. */
  readonly step: number;
  readonly numSteps: number;
  readonly loss: number;
  /** Exponential average of the loss. */
  readonly smoothLoss: number;
  readonly gradNorm: number | null;
  /** Running estimate of B_simple in sequences; null if it isn't measured, or noise hides the gradient. */
  readonly noiseScale: number | null;
  /** What the task watches besides. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly itemsPerSecond: number;
  /** Model FLOPs per second as a share of the matrix-product peak. */
  readonly peakShare: number;
  readonly elapsedSeconds: number;
  readonly remainingSeconds: number;
}

/** A validation loss. */
export interface EvaluationInfo {
  readonly step: number;
  /** Nats per token of a language model; mean squared error of an autoencoder. */
  readonly loss: number;
  /** `bitsPerByte`; or `psnr`, `validationUsage`, … */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Whether a final loss is where it is expected to be. */
export type BandVerdict = "inside" | "below" | "above" | "not measured";

/** The outcome of a run. */
export interface TrainResult {
  readonly run: RunRecord;
  readonly status: "finished" | "interrupted";
  readonly step: number;
  /** Last validation, or null if the run was interrupted before one. */
  readonly validation: EvaluationInfo | null;
  readonly verdict: BandVerdict;
  /** Text sampled at the end; null for tasks that have none. */
  readonly sample: string | null;
  readonly checkpoint: string;
}

/** Who is told what happens; every method may be left out. They are called between steps and not awaited. */
export interface Reporter {
  start?(info: StartInfo): void;
  step?(info: StepInfo): void;
  evaluation?(info: EvaluationInfo): void;
  sample?(step: number, text: string): void;
  /** A picture that was drawn, and its file. */
  picture?(step: number, image: Image, file: string): void;
  checkpoint?(step: number, file: string): void;
  /** Something that a person should know, in one line. */
  note?(message: string): void;
}

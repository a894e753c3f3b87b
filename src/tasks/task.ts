import type { numpy as np } from "@jax-js/jax";
import type { CheckpointContents, CheckpointSidecar, StoredTensor } from "../checkpoint/index.ts";
import type { EngineLeaves, EngineTree, ShapeTree } from "../compile/index.ts";
import type { Image } from "../data/index.ts";
import type { ImageAutoencoderConfig, ParameterCount, TransformerConfig } from "../nn/index.ts";
import type { Observed, Tree } from "../optim/index.ts";
import type { RunStore } from "../runs/index.ts";
import type { LiveNoiseScale } from "./liveNoiseScale.ts";

/** What is learned, and what a run carries along besides. */
export interface TaskVariables {
  readonly params: Tree;
  /** Changed by the step itself, not by the optimizer: a codebook of moving averages, say. Absent if there is none. */
  readonly variables?: Tree;
}

/** The loss of a batch, traced. */
export interface TaskLoss {
  readonly loss: np.Array;
  /** For {@link StepTask.advance}; no derivative passes. Only tasks with variables may have it. */
  readonly aux?: Tree;
  /** What the optimizer asked to be told. */
  readonly observed?: Observed;
}

/** The part of a task that becomes a training step. Its functions of arrays are traced by `compile`, and consume what they are given. */
export interface StepTask {
  /** Parameters and variables at step 0, decided by the seed. */
  init(seed: number): Promise<EngineTree<TaskVariables>>;
  /** Inputs of the batch that is drawn `index`-th, a pure function of the index. */
  batch(index: number): EngineTree<Tree>;
  /** @param observes - what the optimizer must know of the forward pass; configurations ask tasks only for what they have */
  loss(params: Tree, variables: Tree | undefined, batch: Tree, observes?: keyof Observed | null): TaskLoss;
  /** What follows the optimizer's update, for tasks with variables: new variables, and metrics, each `float32[]`. */
  advance?(
    params: Tree,
    variables: Tree,
    aux: Tree,
    batch: Tree,
  ): {
    readonly params: Tree;
    readonly variables: Tree;
    readonly metrics: Readonly<Record<string, np.Array>>;
  };
  /** What `advance` gets in a step of several batches, of what `loss` kept of each of them: as if they were one. With `advance`. */
  joinAux?(parts: readonly Tree[]): Tree;
}

/** What a person is told of a task before it starts. */
export type TaskFacts =
  | {
      readonly kind: "language";
      readonly model: TransformerConfig;
      readonly parameters: ParameterCount;
      /** Fewer where parts are frozen; with LoRA its changes alone. */
      readonly trainedParameters: number;
      readonly trainTokens: number;
      readonly validationTokens: number;
      /** Whether these are the data set's own split. */
      readonly hasOwnSplit: boolean;
      readonly numDocuments: number;
    }
  | {
      readonly kind: "autoencoder";
      readonly model: ImageAutoencoderConfig;
      readonly parameters: { readonly total: number };
      /** Codes of each index that a vector gets; empty without a quantizer. */
      readonly codebookSizes: readonly number[];
      readonly trainImages: number;
      readonly validationImages: number;
    }
  | {
      readonly kind: "codes";
      readonly model: TransformerConfig;
      readonly parameters: ParameterCount;
      /** The run of the autoencoder. */
      readonly run: string;
      readonly codesPerImage: number;
      /** Classes that images are drawn of; 0 without. */
      readonly numClasses: number;
      readonly trainImages: number;
      readonly validationImages: number;
    }
  | OwnTaskFacts;

/** What is known of a task of one's own before it is trained. */
export interface OwnTaskFacts {
  readonly kind: "own";
  readonly parameters: { readonly total: number };
  /** Types of the parameters, in their tree. */
  readonly params: ShapeTree<Tree>;
  /** Null for no end. */
  readonly trainExamples: number | null;
  readonly validationExamples: number;
}

export interface TaskEvaluation {
  /** In the task's unit, see {@link Task.unit}. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Hits of every code, per codebook; for tasks with codebooks. */
  readonly histograms?: readonly ArrayLike<number>[];
}

/** What is trained: everything in a run that isn't the same for all tasks. */
export interface Task extends StepTask, Disposable {
  readonly facts: TaskFacts;
  /** Of validation losses. */
  readonly unit: string;
  /** What a batch has so many of. */
  readonly item: "tokens" | "images" | "codes" | "examples";
  readonly itemsPerBatch: number;
  /** Floating-point operations of a training step, per batch. */
  readonly flopsPerBatch: number;
  /** Epochs that have begun after so many batches, with fractions. */
  epochs(numBatches: number): number;
  /** What a person should know before the first step, one line each. */
  notes?(params: EngineLeaves<Tree>, variables: EngineLeaves<Tree> | undefined): Promise<readonly string[]>;
  /** Evaluates on data that is never trained on; leaves the arrays alone. */
  evaluate(params: EngineLeaves<Tree>, variables: EngineLeaves<Tree> | undefined): Promise<TaskEvaluation>;
  /** Samples of text, for tasks that have them. */
  readonly samples?: {
    /** Steps between samples; 0 for only at the end. */
    readonly every: number;
    readonly atEnd: boolean;
    make(params: EngineLeaves<Tree>): Promise<string>;
  };
  /** The gradient noise scale during training, for tasks that can measure it; null if the configuration doesn't ask for it. */
  noiseScale?(store: RunStore, run: string): LiveNoiseScale | null;
  /** What the model makes, drawn at each evaluation; null for tasks without pictures. */
  readonly picture: {
    /** Of the file, without step and ending. */
    readonly name: string;
    draw(params: EngineLeaves<Tree>, variables: EngineLeaves<Tree> | undefined): Promise<Image>;
  } | null;
  /** What a checkpoint holds besides tensors and configuration, so that the model can be used without the data. */
  readonly stored: Pick<CheckpointContents, "tokenizer" | "data" | "chatTemplate" | "image" | "codes">;
  /** Parameters that aren't trained, by path, once training has begun; absent where all are. They are stored once for all checkpoints. */
  frozen?(): ReadonlyMap<string, StoredTensor>;
  /** @throws CheckpointError if the data isn't what the run was trained on */
  checkStored(sidecar: CheckpointSidecar, run: string): void;
  /** Frees programs of the engine. */
  close(): Promise<void>;
}

import type { numpy as np } from "@jax-js/jax";
import { compile, EngineArray, type EnginePlacement, type EngineTree } from "../compile/index.ts";
import { evaluationStep, type LanguageConfig } from "../config/index.ts";
import { type ExampleDataset, evaluationBatches, type PackedRows, type TokenDataset } from "../data/index.ts";
import { type PackedBatch, packedLoss, type TransformerConfig, type TransformerParams } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { StepTask } from "./task.ts";

/** A batch of examples, with what its mean counts for in a step of several. */
interface WeightedBatch extends PackedBatch {
  /** `float32[]` */
  readonly share: np.Array;
}

function arraysOf(
  { inputs, targets, segments, places }: PackedRows,
  shape: readonly number[],
): EngineTree<PackedBatch> {
  const array = (data: Int32Array<ArrayBuffer>) => EngineArray.from(data, shape);
  return {
    inputs: array(inputs),
    targets: array(targets),
    segments: array(segments),
    places: array(places),
  } as unknown as EngineTree<PackedBatch>;
}

/**
 * Learning what counts of `batchSize` rows of examples: the mean over all targets of a step that count, however many batches it has.
 */
export function exampleSteps(
  model: TransformerConfig,
  { train }: ExampleDataset,
  { batchSize, length, seed, accumulate }: LanguageConfig["training"],
): Pick<StepTask, "batch" | "loss"> {
  const counted = (index: number) => train.batch(index, batchSize, seed).numCounted;
  return {
    batch(index) {
      const rows = train.batch(index, batchSize, seed);
      const first = accumulate * Math.floor(index / accumulate);
      let total = rows.numCounted;
      for (let other = first; other < first + accumulate; other++)
        if (other !== index) total += counted(other);
      // The step takes the mean over its batches.
      const share = (accumulate * rows.numCounted) / total;
      return {
        ...arraysOf(rows, [batchSize, length]),
        share: EngineArray.from(Float32Array.of(share), []),
      } as unknown as EngineTree<Tree>;
    },
    loss: (params, _variables, { share, ...batch }: WeightedBatch) => ({
      loss: packedLoss(params as TransformerParams, batch, model).mul(share),
    }),
  };
}

/** A batch that a model is evaluated on. */
interface EvaluationBatch {
  /** Inputs of the program, besides the parameters. */
  readonly inputs: EngineTree<Tree>;
  /** Targets that count, by their ids. */
  readonly targets: Int32Array;
  /** What its mean counts for. */
  readonly weight: number;
}

/** How a language model is evaluated. */
export interface LanguageEvaluation {
  readonly batches: readonly EvaluationBatch[];
  /** Mean loss of a batch. */
  readonly loss: {
    (params: Tree, inputs: Tree): unknown;
    dispose(): Promise<void>;
  };
}

/** Windows of texts, all of whose targets count. */
export function textEvaluation(
  model: TransformerConfig,
  { validation }: TokenDataset,
  { batchSize, length, evalBatches }: LanguageConfig["training"],
  placement: EnginePlacement,
): LanguageEvaluation {
  const batches = evaluationBatches(validation, batchSize, length, evalBatches).map((tokens) => ({
    inputs: EngineArray.from(tokens, [batchSize, length + 1]) as unknown as EngineTree<Tree>,
    targets: tokens.filter((_, i) => i % (length + 1) !== 0),
    weight: 1,
  }));
  return { batches, loss: evaluationStep(model, placement) as unknown as LanguageEvaluation["loss"] };
}

/** Rows of examples, spread over all that are kept for validation: every target that counts has the same weight. */
export function exampleEvaluation(
  model: TransformerConfig,
  { validation }: ExampleDataset,
  { batchSize, length, evalBatches }: LanguageConfig["training"],
  placement: EnginePlacement,
): LanguageEvaluation {
  const { numRows } = validation;
  const numBatches = Math.min(evalBatches, Math.max(1, Math.floor(numRows / batchSize)));
  const batches = Array.from({ length: numBatches }, (_, i) => {
    const drawn = Array.from({ length: batchSize }, (_, row) =>
      Math.floor(((i * batchSize + row) * numRows) / (numBatches * batchSize)),
    );
    // Fewer rows than a batch has: each once.
    const which = [...new Set(drawn)];
    const rows = validation.rows(which);
    return {
      inputs: arraysOf(rows, [which.length, length]) as unknown as EngineTree<Tree>,
      targets: rows.targets.filter((target) => target >= 0),
      weight: rows.numCounted,
    };
  });
  const loss = compile((params: TransformerParams, batch: PackedBatch) => packedLoss(params, batch, model), {
    ...placement,
    name: "evaluate",
  });
  return { batches, loss: loss as unknown as LanguageEvaluation["loss"] };
}

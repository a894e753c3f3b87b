import type { numpy as np } from "@jax-js/jax";
import { compile, EngineArray, type EnginePlacement, type EngineTree } from "../compile/index.ts";
import { evaluationStep, type LanguageConfig } from "../config/index.ts";
import {
  type BatchSampler,
  type ExampleDataset,
  evaluationBatches,
  type PackedRows,
  type TokenDataset,
} from "../data/index.ts";
import {
  type PackedBatch,
  packedLoss,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { NoisePairs } from "./liveNoiseScale.ts";
import { maxLogits } from "./maxLogits.ts";
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
      const share = (accumulate * rows.numCounted) / Math.max(1, total);
      return {
        ...arraysOf(rows, [batchSize, length]),
        share: EngineArray.from(Float32Array.of(share), []),
      } as unknown as EngineTree<Tree>;
    },
    loss(params, _variables, { share, ...batch }: WeightedBatch, observes) {
      const seen = observes === "maxLogits" ? maxLogits(batch.segments.ref) : null;
      const loss = packedLoss(params as TransformerParams, batch, model, seen?.observe).mul(share);
      return seen === null ? { loss } : { loss, observed: { maxLogits: seen.take() } };
    },
  };
}

const noiseSize = ({ batchSize, accumulate }: LanguageConfig["training"]) =>
  accumulate > 1 ? batchSize : Math.floor(batchSize / 2);

export function textNoise(
  model: TransformerConfig,
  sampler: BatchSampler,
  training: LanguageConfig["training"],
): NoisePairs {
  const { length, accumulate } = training;
  const size = noiseSize(training);
  const sequences = (tokens: Int32Array<ArrayBuffer>, from: number) => {
    const own = tokens.slice(from * (length + 1), (from + size) * (length + 1));
    return EngineArray.from(own, [size, length + 1]) as unknown as EngineTree<Tree>;
  };
  return {
    size,
    loss: (params, tokens) => transformerLoss(params, tokens as np.Array, model),
    pair(index) {
      const first = sampler.batch(index * accumulate);
      const second = accumulate > 1 ? sampler.batch(index * accumulate + 1) : first;
      return [sequences(first, 0), sequences(second, accumulate > 1 ? 0 : size)];
    },
  };
}

/**
 * Rows are the samples: the gradient of one is the sum over its targets, in units of the mean number of targets in a row of the pair. So the two
 * batches' means are the one that a step of both takes.
 */
export function exampleNoise(
  model: TransformerConfig,
  { train }: ExampleDataset,
  training: LanguageConfig["training"],
): NoisePairs {
  const { batchSize, length, seed, accumulate } = training;
  const size = noiseSize(training);
  const part = ({ inputs, targets, segments, places }: PackedRows, from: number): PackedRows => {
    const own = (data: Int32Array<ArrayBuffer>) => data.slice(from * length, (from + size) * length);
    const counted = own(targets);
    return {
      inputs: own(inputs),
      targets: counted,
      segments: own(segments),
      places: own(places),
      numCounted: counted.filter((target) => target >= 0).length,
    };
  };
  return {
    size,
    loss: (params, weighted) => {
      const { share, ...batch } = weighted as unknown as WeightedBatch;
      return packedLoss(params, batch, model).mul(share);
    },
    pair(index) {
      const first = train.batch(index * accumulate, batchSize, seed);
      const second = accumulate > 1 ? train.batch(index * accumulate + 1, batchSize, seed) : first;
      const parts = [part(first, 0), part(second, accumulate > 1 ? 0 : size)] as const;
      const total = parts[0].numCounted + parts[1].numCounted;
      const weighted = (rows: PackedRows) =>
        ({
          ...arraysOf(rows, [size, length]),
          share: EngineArray.from(Float32Array.of((2 * rows.numCounted) / Math.max(1, total)), []),
        }) as unknown as EngineTree<Tree>;
      return [weighted(parts[0]), weighted(parts[1])];
    },
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

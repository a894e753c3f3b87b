import { numpy as np, random } from "@jax-js/jax";
import { EngineArray } from "../../compile/index.ts";
import { BatchSampler, evaluationBatches, imageBatch, mix, mnistDigits } from "../../data/index.ts";
import {
  crossEntropy,
  gelu,
  initTransformer,
  linear,
  normalMatrix,
  resolveTransformerConfig,
  transformerLoss,
} from "../../nn/index.ts";
import type { Tree } from "../../optim/index.ts";
import { openBooks } from "../books.ts";

/** A batch in the engine: functions that get it leave it alone. */
export type EngineBatch = EngineArray | readonly [inputs: EngineArray, labels: EngineArray];

/** A small model with data: where the laws of learning rate and batch size are put to the test. */
export interface LawTask extends Disposable {
  readonly name: TaskName;
  /** What one sample of a batch is, in the plural. */
  readonly unit: string;
  readonly description: string;
  /** Random parameters of a seed. */
  init(seed: number): Tree;
  /** Mean loss of a batch in nats; consumes both. */
  loss(params: Tree, batch: Tree): np.Array;
  /** Samples `start … start + count − 1` of a stream: a shuffled text (books), or drawn with replacement (mnist). */
  samples(stream: number, start: number, count: number): EngineBatch;
  /** Batches that stand for the expected loss, the same every time. */
  evaluation(): readonly EngineBatch[];
}

export type TaskName = "books" | "mnist";

/** Batch `index` of a stream. */
export function batchOf(task: LawTask, stream: number, batchSize: number, index: number): EngineBatch {
  return task.samples(stream, index * batchSize, batchSize);
}

/** Sizes of a task's model. */
export interface TaskSize {
  readonly modelDim: number;
  /** Of books: predicted bytes per sequence. Default 16. */
  readonly length?: number;
  /** Samples of one batch of the evaluation, and number of batches. */
  readonly evaluation: readonly [batchSize: number, count: number];
}

/**
 * Opens a task.
 *
 * @param home - folder below which token files are kept
 * @throws DataError if its data are missing
 */
export async function openTask(name: TaskName, size: TaskSize, home: string): Promise<LawTask> {
  return name === "books" ? openBooksTask(size, home) : openMnistTask(size);
}

/** Next-byte prediction on the shipped books by a transformer of one block. */
async function openBooksTask(
  { modelDim, length = 16, evaluation: [batchSize, count] }: TaskSize,
  home: string,
): Promise<LawTask> {
  const data = await openBooks(home);
  const config = resolveTransformerConfig({
    vocabSize: 257,
    numLayers: 1,
    modelDim,
    numHeads: 2,
    maxLength: length,
  });
  const samplers = new Map<number, BatchSampler>();
  const tokens = (batch: Int32Array<ArrayBuffer>) =>
    EngineArray.from(batch, [batch.length / (length + 1), length + 1]);
  return {
    name: "books",
    unit: `sequences of ${length} bytes`,
    description: `a transformer of one block, width ${modelDim}, on bytes of the shipped books`,
    init: (seed) => initTransformer(random.key(seed), config) as Tree,
    loss: (params, batch) => transformerLoss(params, batch, config),
    samples(stream, start, sampleCount) {
      const sampler =
        samplers.get(stream) ??
        new BatchSampler({ source: data.train, batchSize: 1, length, seed: mix(stream, 1) });
      samplers.set(stream, sampler);
      const batch = new Int32Array(sampleCount * (length + 1));
      for (let row = 0; row < sampleCount; row++)
        data.train.read(sampler.windowStart(start + row), length + 1, batch, row * (length + 1));
      return tokens(batch);
    },
    evaluation: () => evaluationBatches(data.validation, batchSize, length, count).map(tokens),
    [Symbol.dispose]: () => data[Symbol.dispose](),
  };
}

const side = 28;
/** Images are averaged over squares of so many pixels. */
const pool = 2;
const inputDim = (side / pool) ** 2;

/** Digits of MNIST by a perceptron with two hidden layers. The population is the training set: its loss is the expected loss. */
function openMnistTask({ modelDim, evaluation: [batchSize, count] }: TaskSize): LawTask {
  const digits = mnistDigits("train");
  const inputs = pooled(
    imageBatch(
      digits,
      Uint32Array.from({ length: digits.count }, (_, i) => i),
    ),
  );
  const take = (indices: ArrayLike<number>): EngineBatch => {
    const [x, y] = [new Float32Array(indices.length * inputDim), new Int32Array(indices.length)];
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      x.set(inputs.subarray(index * inputDim, (index + 1) * inputDim), i * inputDim);
      y[i] = digits.labels[index]!;
    }
    return [EngineArray.from(x, [indices.length, inputDim]), EngineArray.from(y, [indices.length])];
  };
  return {
    name: "mnist",
    unit: "images",
    description: `a perceptron with two hidden layers of ${modelDim} on digits of MNIST, averaged to ${side / pool}×${side / pool} pixels`,
    init(seed) {
      const sizes = [inputDim, modelDim, modelDim, 10];
      const keys = random.split(random.key(seed), 3);
      const layers = [0, 1, 2].map((i) =>
        normalMatrix(keys.ref.slice(i), sizes[i]!, sizes[i + 1]!, Math.sqrt(1 / sizes[i]!)),
      );
      keys.dispose();
      const biases = sizes.slice(1).map((width) => np.zeros([width]));
      return { hidden: layers.slice(0, 2), biases, head: layers[2]! };
    },
    loss({ hidden, biases, head }, [images, labels]) {
      const first = gelu(linear(images, hidden[0]).add(biases[0]));
      const second = gelu(linear(first, hidden[1]).add(biases[1]));
      return crossEntropy(linear(second, head).add(biases[2]), labels);
    },
    samples: (stream, start, sampleCount) =>
      take(Uint32Array.from({ length: sampleCount }, (_, i) => mix(stream, start + i, 7) % digits.count)),
    evaluation: () => {
      const stride = Math.floor(digits.count / (batchSize * count));
      return Array.from({ length: count }, (_, b) =>
        take(Uint32Array.from({ length: batchSize }, (_, i) => (b * batchSize + i) * stride)),
      );
    },
    [Symbol.dispose]: () => {},
  };
}

/** Images averaged over squares of pixels, all standardised alike. */
function pooled(images: Float32Array): Float32Array {
  const width = side / pool;
  const count = images.length / side ** 2;
  const result = new Float32Array(count * inputDim);
  for (let i = 0; i < images.length; i++) {
    const [image, place] = [Math.floor(i / side ** 2), i % side ** 2];
    const [row, column] = [Math.floor(place / side / pool), Math.floor((place % side) / pool)];
    result[image * inputDim + row * width + column]! += images[i]! / pool ** 2;
  }
  // Mean and deviation of the pixels of MNIST.
  return result.map((value) => (value - 0.13) / 0.31);
}

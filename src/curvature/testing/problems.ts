import { DType, defaultDevice, nn, numpy as np, random } from "@jax-js/jax";
import { Matrix } from "ml-matrix";
import { initTransformer, resolveTransformerConfig, transformer, transformerLoss } from "../../nn/index.ts";
import type { Tree } from "../../optim/index.ts";

/** Numbers in [−1, 1), the same for the same seed. */
export function uniformNumbers(seed: number, count: number): number[] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function float64(values: readonly number[], shape: number[] = [values.length]): np.Array {
  return np.array(Float64Array.from(values), { shape, dtype: DType.Float64 });
}

export function float32(values: readonly number[], shape: number[] = [values.length]): np.Array {
  return np.array(Float32Array.from(values), { shape });
}

/** A symmetric matrix of random numbers in [−1, 1). */
export function symmetricMatrix(size: number, seed: number): Matrix {
  const m = Matrix.from1DArray(size, size, uniformNumbers(seed, size * size));
  return m.clone().add(m.transpose()).mul(0.5);
}

/** `½wᵀHw` for the vector `w` that two arrays of a tree form together. */
export function quadratic(
  hessian: Matrix,
  array = float64,
): { params: () => Tree; loss: (p: Tree) => np.Array } {
  const size = hessian.rows;
  const split = Math.floor(size / 3);
  const h = () => array(hessian.to1DArray(), [size, size]);
  return {
    params: () => ({
      a: array(uniformNumbers(1, split)),
      b: [array(uniformNumbers(2, size - split), [1, size - split])],
    }),
    loss: ({ a, b: [b] }) => {
      const w = np.concatenate([a, (b as np.Array).reshape([size - split])]);
      return np.dot(w.ref, np.matmul(h(), w)).mul(0.5);
    },
  };
}

/** Two layers with tanh and a squared error, in float64 where the arrays are: 3·4 + 4 + 4·2 = 24 parameters. */
export function perceptron(array = float64): { params: () => Tree; loss: (p: Tree) => np.Array } {
  const x = uniformNumbers(3, 15);
  const y = uniformNumbers(4, 10);
  return {
    params: () => ({
      w1: array(uniformNumbers(5, 12), [3, 4]),
      b1: array(uniformNumbers(6, 4)),
      w2: array(uniformNumbers(7, 8), [4, 2]),
    }),
    loss: ({ w1, b1, w2 }) => {
      const hidden = np.tanh(np.matmul(array(x, [5, 3]), w1).add(b1));
      return np.square(np.matmul(hidden, w2).sub(array(y, [5, 2]))).sum();
    },
  };
}

const config = resolveTransformerConfig({
  vocabSize: 11,
  numLayers: 2,
  modelDim: 8,
  numHeads: 2,
  maxLength: 8,
  initStd: 0.5,
});

export interface TinyTransformer {
  readonly params: () => Tree;
  readonly loss: (p: Tree) => np.Array;
  /** The same loss without a gather of logits, whose derivative jax-js 0.1.25 can't jit. */
  readonly selectingLoss: (p: Tree) => np.Array;
}

/** A transformer of two layers with everything in it (RoPE, RMSNorm, QK-norm, squared ReLU), on a batch of 2 × 7 tokens. */
export function tinyTransformer(): TinyTransformer {
  const tokens = Int32Array.from({ length: 16 }, (_, i) => (i * 7 + (i % 3)) % 11);
  const part = (start: number) =>
    np.array(
      tokens.filter((_, i) => i % 8 >= start && i % 8 < start + 7),
      { shape: [2, 7] },
    );
  return {
    params: () => initTransformer(random.key(0), config) as Tree,
    loss: (p) => transformerLoss(p, np.array(tokens, { shape: [2, 8] }), config),
    selectingLoss: (p) => {
      const logits = transformer(p, part(0), config);
      const chosen = logits.ref.mul(nn.oneHot(part(1), 11)).sum(-1);
      return nn.logsumexp(logits, -1).sub(chosen).mean();
    },
  };
}

/** Runs with jax-js's interpreter: its WebAssembly computes functions of float64 in float32. */
export async function inFloat64<T>(run: () => Promise<T>): Promise<T> {
  const device = defaultDevice();
  defaultDevice("cpu");
  try {
    return await run();
  } finally {
    defaultDevice(device);
  }
}

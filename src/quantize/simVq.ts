import { numpy as np, random } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkCount, checkIndices, checkName, checkValues, checkVectors } from "./checks.ts";
import { checkKey, type GradientOptions, quantizeThrough, resolveGradient } from "./gradientEstimator.ts";
import { defaultBudgetBytes, nearestCode } from "./nearestCode.ts";
import { dispose, type Quantizer, type QuantizerTree } from "./quantizer.ts";
import { checkLossWeights, type LossWeights, lossWeights, quantizerLoss } from "./quantizerLoss.ts";

export interface SimVqOptions extends GradientOptions {
  /** `K` */
  readonly numCodes: number;
  /** `D` */
  readonly dim: number;
  /** Width of the table E. Default `dim`; others with a full transform only. */
  readonly tableDim?: number;
  /** `"full"`: W is a matrix; `"diagonal"`: a vector of factors. Default `"full"` (SimVQ). */
  readonly transform?: "full" | "diagonal";
  /** Adds a trained vector to all codes. Default false (vector-quantize-pytorch; the authors' code has one). */
  readonly bias?: boolean;
  /** Trains the table E as well. Default false: E stays as drawn (SimVQ). */
  readonly trainTable?: boolean;
  /** Default `lossWeights("vq-vae")`, 1 and 0.25. */
  readonly loss?: LossWeights;
  /** Bytes that the scores of one chunk of the search may take. Default 16 MiB. */
  readonly budgetBytes?: number;
}

/**
 * Table of effective codes, `E W` (+ bias): all that inference needs, by `nearestCode` and by picking rows.
 *
 * @param params - of {@link simVq}, consumed
 * @param state - of {@link simVq}, consumed
 * @returns `float32[K, D]`
 */
export function foldCodes(params: QuantizerTree, state: QuantizerTree): np.Array {
  const table = ((state.table ?? params.table) as np.Array).ref;
  const transform = (params.transform as np.Array).ref;
  const bias = (params.bias as np.Array | undefined)?.ref;
  dispose(params, state);
  const codes = transform.shape.length === 1 ? table.mul(transform) : np.matmul(table, transform);
  return bias === undefined ? codes : codes.add(bias);
}

/**
 * SimVQ: codes are rows of `E W`, a random table times one trained map, so that a step moves all codes, used or not.
 *
 * `q = argmin_{e_k W} ‖z − e_k W‖`, Euclidean; loss as VQ-VAE's. E is drawn from `N(0, 1/tableDim)`; W starts as PyTorch's
 * `nn.Linear`, uniform in `±1/√tableDim` (a bias too), a diagonal one as ones. There are no moving averages.
 *
 * Differences between published versions: vector-quantize-pytorch has no bias, the authors' code has; the authors' class puts β on
 * the codebook term by default (`lossWeights("taming-legacy")`), their configurations don't. PyTorch stores W as `[out, in]`, here
 * it is `[tableDim, D]`.
 *
 * With the rotation trick, and vectors much shorter than the codes, the first steps may overshoot: {@link rotationWarning}.
 *
 * Params: `transform`, `bias` and `table` if they are trained; state: `table` if it isn't.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One Linear Layer, arXiv 2411.02038;
 * Su-10519.
 */
export function simVq(options: SimVqOptions): Quantizer {
  const { numCodes, dim, tableDim = dim, transform = "full", bias = false, trainTable = false } = options;
  const { loss: weights = lossWeights("vq-vae"), budgetBytes = defaultBudgetBytes } = options;
  checkCount("simVq numCodes", numCodes, 1);
  checkCount("simVq dim", dim, 1);
  checkCount("simVq tableDim", tableDim, 1);
  checkName("simVq transform", transform, ["full", "diagonal"]);
  if (transform === "diagonal" && tableDim !== dim)
    throw new ConfigError(`simVq tableDim ${tableDim}: expected ${dim}, the dim, with a diagonal transform`);
  checkLossWeights(weights);
  const estimator = resolveGradient(options);
  const check = (z: np.Array) => {
    checkVectors("simVq", z, dim);
    checkValues("simVq z", z, false);
  };
  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      const [forTable, forTransform, forBias] = [...random.split(key, 3)] as [np.Array, np.Array, np.Array];
      const table = random.normal(forTable, [numCodes, tableDim]).mul(tableDim ** -0.5);
      const bound = { minval: -(tableDim ** -0.5), maxval: tableDim ** -0.5 };
      let initial: np.Array;
      if (transform === "full") initial = random.uniform(forTransform, [tableDim, dim], bound);
      else {
        forTransform.dispose();
        initial = np.ones([dim]);
      }
      const params: QuantizerTree = { transform: initial };
      if (bias) params.bias = random.uniform(forBias, [dim], bound);
      else forBias.dispose();
      return trainTable ? { params: { ...params, table }, state: {} } : { params, state: { table } };
    },
    apply(params, state, z, key) {
      check(z);
      checkKey(estimator.gradient, key);
      const shape = z.shape;
      const codes = foldCodes(params, state);
      const flat = z.reshape([-1, dim]);
      const indices = nearestCode(flat.ref, codes.ref, { budgetBytes });
      const q = codes.slice(indices.ref);
      const { loss, error } = quantizerLoss(flat.ref, q.ref, weights);
      return {
        quantized: quantizeThrough(flat, q, estimator, key).reshape(shape),
        indices: indices.reshape(shape.slice(0, -1)),
        loss,
        error,
        batch: {},
      };
    },
    update: (state) => state,
    encode(params, state, z) {
      check(z);
      return nearestCode(z, foldCodes(params, state), { budgetBytes });
    },
    decode(params, state, indices) {
      checkIndices("simVq decode", indices, [numCodes]);
      return foldCodes(params, state).slice(indices);
    },
  };
}

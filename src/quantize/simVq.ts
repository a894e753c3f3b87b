import { numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, type Sizes } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { choice, computed, count, flag, type OptionTable, required, withDefaults } from "../options/index.ts";
import { checkIndices, checkValues, checkVectors } from "./checks.ts";
import {
  checkKey,
  type GradientOptions,
  gradientTable,
  quantizeThrough,
  resolveGradient,
} from "./gradientEstimator.ts";
import { defaultBudgetBytes, nearestCode } from "./nearestCode.ts";
import { dispose, type Quantizer, type QuantizerTree } from "./quantizer.ts";
import {
  checkLossWeights,
  type LossWeights,
  lossOption,
  lossWeights,
  quantizerLoss,
} from "./quantizerLoss.ts";
import { quantizerMethod } from "./quantizerMethod.ts";

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

/** @throws ShapeError unless table, map and bias fit together; nothing is consumed */
function checkVariables(what: string, params: QuantizerTree, state: QuantizerTree, sizes: Sizes = {}): void {
  const { transform, bias } = params;
  checkShapes(
    what,
    {
      "params.transform": [transform, transform?.shape?.length === 1 ? "float32[D]" : "float32[E, D]"],
      "params.table": [params.table, transform?.shape?.length === 1 ? "float32[K, D]" : "float32[K, E]"],
      "state.table": [state.table, transform?.shape?.length === 1 ? "float32[K, D]" : "float32[K, E]"],
      "params.bias": [bias, "float32[D]"],
    },
    sizes,
  );
}

/**
 * Table of effective codes, `E W` (+ bias): all that inference needs, by `nearestCode` and by picking rows.
 *
 * @param params - of {@link simVq}, consumed
 * @param state - of {@link simVq}, consumed
 * @returns `float32[K, D]`
 * @throws ShapeError for variables of other shapes; nothing is consumed then
 *
 * @example
 * ```ts
 * const { params, state } = simVq({ numCodes: 8, dim: 2 }).init(random.key(0));
 * foldCodes(params, state).shape; // => [8, 2]
 * ```
 */
export function foldCodes(params: QuantizerTree, state: QuantizerTree): np.Array {
  checkVariables("foldCodes", params, state);
  const table = ((state.table ?? params.table) as np.Array).ref;
  const transform = (params.transform as np.Array).ref;
  const bias = (params.bias as np.Array | undefined)?.ref;
  dispose(params, state);
  const codes = transform.shape.length === 1 ? table.mul(transform) : np.matmul(table, transform);
  return bias === undefined ? codes : codes.add(bias);
}

const simVqTable = {
  numCodes: required(count),
  dim: required(count),
  tableDim: computed(count, "dim", "SimVQ"),
  transform: choice(["full", "diagonal"] as const, "full", "SimVQ"),
  bias: flag(false, "vector-quantize-pytorch"),
  trainTable: flag(false, "SimVQ"),
  loss: lossOption("β₁ 1 and β₂ 0.25", "SimVQ"),
  budgetBytes: count(defaultBudgetBytes, "Rotor"),
  ...gradientTable,
} satisfies OptionTable;

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
 *
 * @example
 * ```ts
 * const quantizer = simVq({ numCodes: 8, dim: 2 });
 * const { params, state } = quantizer.init(random.key(0));
 * const codes = foldCodes(tree.ref(params), tree.ref(state));
 * // What is a code already comes back as it is, at no loss.
 * const { loss, indices } = quantizer.apply(params, state, codes.slice([3, 5]));
 * indices; // => [3, 4]
 * loss; // => 0.000
 * ```
 */
export function simVq(options: SimVqOptions): Quantizer {
  const filled = withDefaults(simVqTable, options, "simVq");
  const { numCodes, dim, transform, bias, trainTable, budgetBytes } = filled;
  const { tableDim = dim, loss: weights = lossWeights("vq-vae") } = filled;
  if (transform === "diagonal" && tableDim !== dim)
    throw new ConfigError(`simVq tableDim ${tableDim}: expected ${dim}, the dim, with a diagonal transform`);
  checkLossWeights(weights);
  const estimator = resolveGradient(options);
  const own = (what: string, params: QuantizerTree, state: QuantizerTree) =>
    checkVariables(what, params, state, { K: numCodes, D: dim });
  const check = (params: QuantizerTree, state: QuantizerTree, z: np.Array) => {
    checkVectors("simVq", z, dim);
    own("simVq", params, state);
    checkValues("simVq z", z, false);
  };
  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      checkKeys("simVq init", key);
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
      check(params, state, z);
      checkKey("simVq", estimator.gradient, key);
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
      check(params, state, z);
      return nearestCode(z, foldCodes(params, state), { budgetBytes });
    },
    decode(params, state, indices) {
      checkIndices("simVq decode", indices, [numCodes]);
      own("simVq decode", params, state);
      return foldCodes(params, state).slice(indices);
    },
  };
}

export const simVqMethod = quantizerMethod({
  options: simVqTable,
  make: simVq,
  numSearched: ({ numCodes }) => numCodes,
  hasCodebook: false,
  name: "simVq",
  codes: "`E W`, or `E w` with a diagonal",
  trained: "W; with `trainTable` also E",
});

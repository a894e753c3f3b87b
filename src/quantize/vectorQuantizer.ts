import { lax, numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import {
  choice,
  computed,
  count,
  fraction,
  nonNegative,
  type OptionTable,
  required,
  withDefaults,
} from "../options/index.ts";
import { checkCodes, checkIndices, checkValues, checkVectors } from "./checks.ts";
import { countCodes, normalize, sumByCode } from "./codeStatistics.ts";
import {
  checkKey,
  type GradientOptions,
  gradientTable,
  quantizeThrough,
  resolveGradient,
} from "./gradientEstimator.ts";
import { codeDistances, defaultBudgetBytes, type NearestCodeOptions, nearestCode } from "./nearestCode.ts";
import { dispose, type Quantizer, type QuantizerTree, type QuantizerVariables } from "./quantizer.ts";
import {
  checkLossWeights,
  type LossWeights,
  lossOption,
  lossWeights,
  quantizerLoss,
} from "./quantizerLoss.ts";
import { quantizerMethod } from "./quantizerMethod.ts";

export interface VectorQuantizerOptions extends GradientOptions, NearestCodeOptions {
  /** `K` */
  readonly numCodes: number;
  /** `D` */
  readonly dim: number;
  /**
   * How codes are learned: `"loss"`, by the codebook loss and an optimizer; `"ema"`, as moving averages of the vectors they are nearest
   * to, without gradients. Default `"loss"` (VQ-VAE).
   */
  readonly learning?: "loss" | "ema";
  /** Default `lossWeights("vq-vae")`, 1 and 0.25; with `"ema"` the codebook's weight is 0 and must be. */
  readonly loss?: LossWeights;
  /** Of the moving averages: counts, and with `"ema"` sums. Default 0.99 (VQ-VAE; vector-quantize-pytorch: 0.8). */
  readonly decay?: number;
  /** Laplace smoothing of the counts, with `"ema"` only. Default 1e-5 (VQ-VAE). */
  readonly eps?: number;
}

/** Which codes {@link VectorQuantizer.restart} replaces. */
export interface RestartOptions {
  /** Codes are replaced whose moving average of hits per batch is below this. No default: vector-quantize-pytorch's own was 2, now 0. */
  readonly threshold: number;
}

/** A codebook of vectors. Variables: `codebook`, `clusterSize` (moving average of hits per batch), with EMA also `average`. */
export interface VectorQuantizer extends Quantizer {
  /**
   * Variables with these codes.
   *
   * @param codes - `float32[K, D]`, consumed
   * @param counts - `float32[K]`, hits per batch, consumed; for instance of k-means. Default ones.
   * @throws ShapeError for other shapes, DataError for values that can't be used, where they are known
   */
  initFrom(codes: np.Array, counts?: np.Array): QuantizerVariables;
  /**
   * Puts vectors of a batch, drawn with replacement, in the place of dead codes; their count becomes the threshold. The optimizer's
   * moments of a replaced code are not touched.
   *
   * @param z - `float32[.., D]`, consumed
   * @param key - random key, consumed
   * @returns the variables, and `restarted: int32[]`, how many codes were replaced
   */
  restart(
    params: QuantizerTree,
    state: QuantizerTree,
    z: np.Array,
    key: np.Array,
    options: RestartOptions,
  ): QuantizerVariables & { readonly restarted: np.Array };
}

const vqTable = {
  numCodes: required(count),
  dim: required(count),
  learning: choice(["loss", "ema"] as const, "loss", "VQ-VAE"),
  distance: choice(codeDistances, "euclidean", "VQ-VAE"),
  loss: lossOption("β₁ 1, or 0 with learning ema, and β₂ 0.25", "VQ-VAE"),
  decay: fraction(0.99, "VQ-VAE"),
  eps: computed(nonNegative, "1e-5, with learning ema only", "VQ-VAE"),
  budgetBytes: count(defaultBudgetBytes, "Rotor"),
  ...gradientTable,
} satisfies OptionTable;

/**
 * Vector quantization: the nearest of `K` codes.
 *
 * `q = argmin_{e_k} ‖z − e_k‖` (under cosine distance `z` and codes are first brought to length 1, and unit vectors come out);
 * loss `β₁·mean (q − sg z)² + β₂·mean (z − sg q)²`. With EMA, after each batch with `n_k` hits and sums `m_k`:
 *
 * `N_k ← γN_k + (1 − γ)n_k`, `M_k ← γM_k + (1 − γ)m_k`, `e_k = M_k / (N (N_k + ε)/(N + Kε))`, `N = Σ N_k`,
 *
 * and the batch itself is quantized with the codes before. Codes start uniform in `±1/K` (VQ-VAE's code); better starts: k-means by
 * `initFrom`.
 *
 * vector-quantize-pytorch allows a learnable codebook with Euclidean distance only; here cosine distance works with both.
 *
 * @throws ConfigError for impossible options
 *
 * Source: VQ-VAE, arXiv 1711.00937, eq. 1–3 and appendix A.1.
 *
 * @example
 * ```ts
 * const quantizer = vectorQuantizer({ numCodes: 2, dim: 1 });
 * const { params, state } = quantizer.initFrom(np.array([[0], [1]]));
 * const { quantized, indices, loss } = quantizer.apply(params, state, np.array([[0.2], [0.9]]));
 * quantized; // => [[0], [1]]
 * indices; // => [0, 1]
 * // (1 + 0.25)·mean (z − q)²
 * loss; // => 0.03125
 * ```
 */
export function vectorQuantizer(options: VectorQuantizerOptions): VectorQuantizer {
  const filled = withDefaults(vqTable, options, "vectorQuantizer");
  const { numCodes, dim, learning, decay, distance, budgetBytes, eps = 1e-5 } = filled;
  const ema = learning === "ema";
  if (!ema && options.eps !== undefined)
    throw new ConfigError(`eps ${options.eps}: expected with learning "ema" only`);
  const defaults = lossWeights("vq-vae");
  const weights = checkLossWeights(options.loss ?? (ema ? { ...defaults, codebook: 0 } : defaults));
  if (ema && weights.codebook !== 0) {
    throw new ConfigError(
      `loss.codebook ${weights.codebook}: expected 0 with learning "ema", which needs no loss`,
    );
  }
  const estimator = resolveGradient(options);
  const cosine = distance === "cosine";
  const search = { distance, budgetBytes };
  const oriented = (x: np.Array) => (cosine ? normalize(x) : x);

  /** The codes that come out; consumes both trees. */
  const takeTable = (params: QuantizerTree, state: QuantizerTree): np.Array => {
    const codebook = ((ema ? state.codebook : params.codebook) as np.Array).ref;
    dispose(params, state);
    return oriented(codebook);
  };
  /** @throws ShapeError unless the variables are this quantizer's; nothing is consumed */
  const checkOwn = (what: string, params: QuantizerTree, state: QuantizerTree) =>
    checkShapes(
      what,
      {
        "params.codebook": [params.codebook, "float32[K, D]"],
        "state.codebook": [state.codebook, "float32[K, D]"],
        "state.clusterSize": [state.clusterSize, "float32[K]"],
        "state.average": [state.average, "float32[K, D]"],
      },
      { K: numCodes, D: dim },
    );
  const check = (what: string, params: QuantizerTree, state: QuantizerTree, z: np.Array) => {
    checkVectors(what, z, dim);
    checkOwn(what, params, state);
    checkValues(`${what} z`, z, cosine);
  };
  const variables = (codebook: np.Array, clusterSize: np.Array, average: np.Array): QuantizerVariables => {
    if (ema) return { params: {}, state: { codebook, clusterSize, average } };
    average.dispose();
    return { params: { codebook }, state: { clusterSize } };
  };
  const column = (x: np.Array) => x.reshape([numCodes, 1]);

  /** Moving averages after a batch of `float32[N, D]`; consumes all. */
  const nextState = (state: QuantizerTree, { z, indices }: QuantizerTree): QuantizerTree => {
    checkOwn("vectorQuantizer update", {}, state);
    checkShapes("vectorQuantizer update", {
      z: [z, `float32[N, ${dim}]`],
      indices: [indices, "int32[N]"],
    });
    const blend = (old: np.Array, now: np.Array) => old.mul(decay).add(now.mul(1 - decay));
    const clusterSize = blend(state.clusterSize, countCodes(ema ? indices.ref : indices, numCodes));
    if (!ema) {
      z.dispose();
      return { clusterSize };
    }
    state.codebook.dispose();
    const average = blend(state.average, sumByCode(z, indices, numCodes));
    const total = clusterSize.ref.sum();
    const shares = clusterSize.ref.add(eps).div(total.ref.add(numCodes * eps));
    const codebook = oriented(average.ref.div(column(shares.mul(total))));
    return { codebook, clusterSize, average };
  };

  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      checkKeys("vectorQuantizer init", key);
      const codes = random.uniform(key, [numCodes, dim], { minval: -1 / numCodes, maxval: 1 / numCodes });
      return this.initFrom(codes);
    },
    initFrom(codes, counts) {
      checkCodes("vectorQuantizer initFrom", codes, dim, numCodes);
      checkShapes("vectorQuantizer initFrom", { counts: [counts, `float32[${numCodes}]`] });
      checkValues("vectorQuantizer initFrom codes", codes, cosine);
      const clusterSize = counts ?? np.ones([numCodes]);
      const codebook = oriented(codes);
      return variables(codebook, clusterSize, codebook.ref.mul(column(clusterSize.ref)));
    },
    apply(params, state, z, key) {
      check("vectorQuantizer", params, state, z);
      checkKey("vectorQuantizer", estimator.gradient, key);
      const shape = z.shape;
      const table = takeTable(params, state);
      const flat = oriented(z).reshape([-1, dim]);
      const indices = nearestCode(flat.ref, table.ref, search);
      const q = table.slice(indices.ref);
      const batch = { z: lax.stopGradient(flat.ref), indices: indices.ref };
      const { loss, error } = quantizerLoss(flat.ref, q.ref, weights);
      return {
        quantized: quantizeThrough(flat, q, estimator, key).reshape(shape),
        indices: indices.reshape(shape.slice(0, -1)),
        loss,
        error,
        batch,
      };
    },
    update: nextState,
    encode(params, state, z) {
      check("vectorQuantizer", params, state, z);
      return nearestCode(oriented(z), takeTable(params, state), search);
    },
    decode(params, state, indices) {
      checkIndices("vectorQuantizer decode", indices, [numCodes]);
      checkOwn("vectorQuantizer decode", params, state);
      return takeTable(params, state).slice(indices);
    },
    restart(params, state, z, key, { threshold }) {
      check("vectorQuantizer restart", params, state, z);
      checkKeys("vectorQuantizer restart", key);
      if (!(threshold > 0)) throw new ConfigError(`restart threshold ${threshold}: expected a number > 0`);
      const flat = oriented(lax.stopGradient(z).reshape([-1, dim]));
      const chosen = random.randint(key, { shape: [numCodes], minval: 0, maxval: flat.shape[0]! });
      const fresh = flat.slice(chosen);
      const dead = (state.clusterSize as np.Array).ref.less(threshold);
      const restarted = dead.ref.astype(np.int32).sum();
      const replace = (old: np.Array, now: np.Array) => np.where(column(dead.ref), now, old);
      const codebook = ema ? state.codebook : params.codebook;
      const replaced = replace(codebook, fresh.ref);
      const average = ema ? replace(state.average, fresh.mul(threshold)) : fresh;
      const clusterSize = np.where(dead, threshold, state.clusterSize as np.Array);
      return { ...variables(replaced, clusterSize, average), restarted };
    },
  };
}

export const vqMethod = quantizerMethod({
  options: vqTable,
  make: vectorQuantizer,
  numSearched: ({ numCodes }) => numCodes,
  hasCodebook: true,
  name: "vectorQuantizer",
  codes: "a table, nearest by Euclidean or cosine distance",
  trained: 'by the codebook loss, or as moving averages (`learning: "ema"`)',
});

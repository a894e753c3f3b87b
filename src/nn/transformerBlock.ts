import type { numpy as np } from "@jax-js/jax";
import { checkShapes, type Patterns } from "../arrayShapes.ts";
import type { RotaryTables } from "../position/index.ts";
import {
  type AttentionParams,
  type AttentionShape,
  attention,
  attentionPatterns,
  checkBias,
  checkRotaryTables,
  type HeadsObserver,
  initAttention,
} from "./attention.ts";
import { type DrawMatrix, normalMatrix } from "./linear.ts";
import { initMlp, type MlpParams, mlp, mlpPatterns } from "./mlp.ts";
import { configuredNorm, initConfiguredNorm, type NormParams, normPatterns } from "./norm.ts";
import { initialFactor } from "./parametrization.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** Which of the norms there are depends on their placement, and on whether they have parameters. */
export interface BlockParams {
  /** Of what attention reads. */
  readonly attentionNorm?: NormParams;
  readonly attention: AttentionParams;
  /** Of what attention gives. */
  readonly attentionOutputNorm?: NormParams;
  /** Of what the MLP reads. */
  readonly mlpNorm?: NormParams;
  readonly mlp: MlpParams;
  /** Of what the MLP gives. */
  readonly mlpOutputNorm?: NormParams;
}

/** Patterns of a block's arrays. */
export function blockPatterns(
  name: string,
  { attention, mlp, ...norms }: BlockParams,
  config: AttentionShape,
  dim: string | number,
): Patterns {
  return {
    ...attentionPatterns(`${name}.attention`, attention, config, dim),
    ...mlpPatterns(`${name}.mlp`, mlp, dim, "F"),
    ...Object.fromEntries(
      Object.entries(norms).flatMap(([norm, params]) =>
        Object.entries(normPatterns(`${name}.${norm}`, params, dim)),
      ),
    ),
  };
}

/** Keys that {@link initBlock} takes. */
export const keysPerBlock = 7;

/**
 * Random parameters of a block: normal with standard deviation `initStd`, `initStd/√(2·numLayers)` for the two matrices that write into
 * the residual stream; norms start as the identity.
 *
 * @param keyAt - gives random key `0 … 6`; each is consumed
 * @param draw - what makes the matrices. Default {@link normalMatrix}
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const { mlp } = initBlock((i) => random.key(i), config);
 * mlp.up.shape; // => [8, 32]
 * ```
 */
export function initBlock(
  keyAt: (i: number) => np.Array,
  config: TransformerConfig,
  draw: DrawMatrix = normalMatrix,
): BlockParams {
  const { modelDim, initStd } = config;
  const residualStd = initStd / Math.sqrt(2 * config.numLayers);
  const norms = (name: "attention" | "mlp") => {
    const isThere = config.normGain !== "none";
    const placed = (suffix: string, placement: TransformerConfig["normPlacement"]) =>
      isThere && config.normPlacement !== placement
        ? { [`${name}${suffix}`]: initConfiguredNorm(config, modelDim)! }
        : {};
    return { ...placed("Norm", "reordered"), ...placed("OutputNorm", "pre") };
  };
  // In the sizes of the parametrization.
  const drawHidden: DrawMatrix = (key, fanIn, fanOut, std) =>
    draw(key, fanIn, fanOut, std, initialFactor(config, "hidden", fanIn, fanOut));
  return {
    ...norms("attention"),
    attention: initAttention(
      [keyAt(0), keyAt(1), keyAt(2), keyAt(3)],
      modelDim,
      config,
      config.qkNorm,
      initStd,
      residualStd,
      config.attentionBias,
      drawHidden,
    ),
    ...norms("mlp"),
    mlp: initMlp(
      [keyAt(4), keyAt(5), keyAt(6)],
      modelDim,
      config.mlpDim,
      config.mlp,
      initStd,
      residualStd,
      config.mlpBias,
      drawHidden,
    ),
  };
}

/**
 * A block: with pre-norm, the default, `x ← x + attention(norm(x))`, `x ← x + mlp(norm(x))`. See `normPlacement` and `parallelBlock` of
 * {@link TransformerConfig} for others.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - consumed
 * @param config - with `causal`, the bias must hide all later places
 * @param bias - added to the scores, as {@link attention} takes it, consumed
 * @param rotary - tables for `L` positions or null, consumed
 * @returns `float32[B, L, D]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const block = initBlock((i) => random.key(i), config);
 * const x = np.ones([1, 3, 8]);
 * transformerBlock(x, block, config, causalBias(3), rotaryTables([0, 1, 2], 4)).shape; // => [1, 3, 8]
 * ```
 */
export function transformerBlock(
  x: np.Array,
  params: BlockParams,
  config: TransformerConfig & { readonly causal?: boolean },
  bias: np.Array,
  rotary: RotaryTables | null,
  observe?: HeadsObserver,
): np.Array {
  const { B, L } = checkShapes("transformerBlock", {
    x: [x, "float32[B, L, D]"],
    ...blockPatterns("params", params, config, "D"),
  });
  checkBias("transformerBlock", bias, { B: B!, N: config.numHeads, L: L!, S: L! });
  checkRotaryTables("transformerBlock", rotary, B!, L!, config);
  return blockAround(x, params, config, (h) => attention(h, params.attention, config, bias, rotary, observe));
}

/**
 * {@link transformerBlock} around an attention that is given.
 *
 * @param x - consumed
 * @param params - consumed but for `attention`
 * @param attended - what attention makes of its input, which it consumes
 */
export function blockAround(
  x: np.Array,
  params: BlockParams,
  config: TransformerConfig,
  attended: (h: np.Array) => np.Array,
): np.Array {
  const before = (h: np.Array, own: NormParams | undefined) =>
    config.normPlacement === "reordered" ? h : configuredNorm(h, own, config);
  const after = (h: np.Array, own: NormParams | undefined) =>
    config.normPlacement === "pre" ? h : configuredNorm(h, own, config);
  const fed = (h: np.Array) =>
    after(mlp(before(h, params.mlpNorm), params.mlp, config.mlp), params.mlpOutputNorm);
  const first = after(attended(before(x.ref, params.attentionNorm)), params.attentionOutputNorm);
  if (config.parallelBlock) return x.ref.add(first).add(fed(x));
  const middle = x.add(first);
  return middle.ref.add(fed(middle));
}

import { ConfigError } from "../errors.ts";
import {
  checkRotary,
  type FrequencyAllocation,
  type RopeScaling,
  type RotaryPairing,
} from "../position/index.ts";
import { type AttentionBias, attentionBiases, type QkNormOver, qkNormWidths } from "./attention.ts";
import { isGated, type MlpKind, mlpKinds } from "./mlp.ts";
import { type NormGain, type NormKind, normGains, normKinds } from "./norm.ts";
import {
  checkParametrization,
  type Parametrization,
  parametrizedAttentionScale,
  parametrizedEmbeddingScale,
} from "./parametrization.ts";
import { type PositionKind, positionKinds, t5Buckets } from "./positionKind.ts";

/** Names of {@link NormPlacement}. */
export const normPlacements = ["pre", "reordered", "sandwich"] as const;

/**
 * Where the norms of a block stand: `"pre"` before attention and MLP (GPT-2, Llama), `"reordered"` after each, inside of the residual
 * connection (OLMo 2), `"sandwich"` before and after (CogView, Gemma 2 and 3).
 */
export type NormPlacement = (typeof normPlacements)[number];

/** A decoder-only transformer, pre-norm by default. Absent options take the defaults of {@link resolveTransformerConfig}. */
export interface TransformerOptions {
  /** Number of token ids, `V`. */
  readonly vocabSize: number;
  readonly numLayers: number;
  /** Width of the residual stream, `D`. */
  readonly modelDim: number;
  /** Query heads, `N`. */
  readonly numHeads: number;
  /** Key/value heads, `K`; must divide `numHeads`. Default `numHeads`. */
  readonly numKvHeads?: number;
  /** Size of a head, `H`. Default `modelDim / numHeads`. */
  readonly headDim?: number;
  /** Inner width of the MLP, `F`. Default `4·D` (Vaswani et al.); for gated ones `8/3·D` rounded up to a multiple of 8 (Llama). */
  readonly mlpDim?: number;
  /** Default `"relu2"` (Primer; nanochat). */
  readonly mlp?: MlpKind;
  /** Default `"rmsnorm"` (Llama). */
  readonly norm?: NormKind;
  /** Default 1e-6 (Llama) for RMSNorm, 1e-5 (PyTorch) for LayerNorm. */
  readonly normEps?: number;
  /** What norms are multiplied by, those of queries and keys too. Default `"weight"`. */
  readonly normGain?: NormGain;
  /** Where the norms of a block stand. Default `"pre"` (GPT-2). */
  readonly normPlacement?: NormPlacement;
  /** Attention and MLP read the same input, each through its own norm: `x + attention(norm(x)) + mlp(norm(x))`. Default false (GPT-NeoX: true). */
  readonly parallelBlock?: boolean;
  /** RMSNorm of queries and keys. Default true (nanochat). */
  readonly qkNorm?: boolean;
  /** Whether QK-norm is of each head (Qwen3) or of all together (OLMo 2). Default `"head"`. */
  readonly qkNormOver?: QkNormOver;
  /** Which projections of attention have a bias. Default `"none"`. */
  readonly attentionBias?: AttentionBias;
  /** Biases in the MLP. Default false. */
  readonly mlpBias?: boolean;
  /** What scores are multiplied by. Default null: `1/√headDim`. */
  readonly attentionScale?: number | null;
  /** `c` of `c·tanh(x/c)` for the scores of attention. Default null: none (Gemma 2: 50). */
  readonly attentionSoftcap?: number | null;
  /** The same for the logits. Default null: none (Gemma 2: 30, nanochat: 15). */
  readonly logitSoftcap?: number | null;
  /** What embeddings are multiplied by. Default 1 (Gemma: `√modelDim`). */
  readonly embeddingScale?: number;
  /** A norm of the embeddings before the first block. Default false. */
  readonly embeddingNorm?: boolean;
  /** Places that a query sees in sliding layers, its own included. Default null: no layer slides. */
  readonly slidingWindow?: number | null;
  /** Layers, from 0, that slide. Default null: all, if there is a `slidingWindow`. */
  readonly slidingLayers?: readonly number[] | null;
  /** `ropeBase` of sliding layers, whose frequencies aren't scaled. Default null: as the others (Gemma 3: 10000). */
  readonly slidingRopeBase?: number | null;
  /** Layers, from 0, whose queries and keys don't turn, with position rope. Default none (SmolLM3: every fourth). */
  readonly nopeLayers?: readonly number[];
  /** Use the embedding as output head. Default false. */
  readonly tiedHead?: boolean;
  /** Default `"rope"`. */
  readonly position?: PositionKind;
  /** Default 10000 (RoFormer). */
  readonly ropeBase?: number;
  /** Default `"half"` (Llama). */
  readonly ropePairing?: RotaryPairing;
  /** Change of the rotary frequencies for texts longer than those of the training. Default null, none. */
  readonly ropeScaling?: RopeScaling | null;
  /** Components of a head that turn, the first ones. Default `headDim`, all (GPT-NeoX turns a quarter). */
  readonly rotaryDim?: number;
  /** Which axis drives which frequency. Default cyclic: with `A` axes, each turns every A-th frequency. */
  readonly allocation?: FrequencyAllocation;
  /**
   * Position vectors of the places of a sequence, for rotary positions, all of as many axes. Sequences can't be longer than there are.
   * Default null: `0, 1, 2, …`.
   */
  readonly placePositions?: readonly (readonly number[])[] | null;
  /** Longest sequence of the training, and the size of a learned table of positions. Default 1024. */
  readonly maxLength?: number;
  /**
   * Standard deviation of all matrices; those that write into the residual stream get `initStd/√(2·numLayers)`. Default 0.02 (GPT-2). With
   * another `parametrization`, times {@link initialFactor}; default 1 with `"spectral"`.
   */
  readonly initStd?: number;
  /** How initial sizes, scores of attention and learning rates go with the width. Default `"standard"`. */
  readonly parametrization?: Parametrization;
  /** Width at which `"mup"` is the standard parametrization, which it needs. Default null. */
  readonly baseDim?: number | null;
  /** Size of a head at that width, which `"mup"` needs too. Default null. */
  readonly baseHeadDim?: number | null;
  /**
   * Layers of the model from which on learning rates shrink with depth, so that what the residual branches add stays as large. Default
   * null: they don't (Yang et al., arXiv 2310.02244).
   */
  readonly baseLayers?: number | null;
}

/** {@link TransformerOptions} with every default filled in. */
export type TransformerConfig = Required<TransformerOptions>;

function positiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`${name} ${value}: expected a positive integer`);
}

/**
 * Fills in the defaults and checks that the sizes fit together.
 *
 * @throws ConfigError naming the option, its value and what is allowed
 *
 * @example
 * ```ts
 * const { headDim, mlpDim, mlp } = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 64, numHeads: 4 });
 * [headDim, mlpDim, mlp]; // => [16, 256, "relu2"]
 * ```
 */
export function resolveTransformerConfig(options: TransformerOptions): TransformerConfig {
  return resolveWithAxes(options, options.placePositions?.[0]?.length ?? 1);
}

/**
 * {@link resolveTransformerConfig} for positions of so many axes.
 *
 * @throws ConfigError as there
 */
export function resolveWithAxes(options: TransformerOptions, numAxes: number): TransformerConfig {
  const config = resolveSizes(options, numAxes);
  const { numHeads, numKvHeads, headDim, mlpDim } = config;
  checkParametrization(config, {
    mlpDim,
    numHeads·headDim: numHeads * headDim,
    numKvHeads·headDim: numKvHeads * headDim,
  });
  return {
    ...config,
    attentionScale:
      options.attentionScale === undefined ? parametrizedAttentionScale(config) : config.attentionScale,
    embeddingScale: options.embeddingScale ?? parametrizedEmbeddingScale(config),
  };
}

function resolveSizes(options: TransformerOptions, numAxes: number): TransformerConfig {
  const { modelDim, numHeads } = options;
  for (const name of ["vocabSize", "numLayers", "modelDim", "numHeads"] as const)
    positiveInteger(name, options[name]);
  const norm = options.norm ?? "rmsnorm";
  const mlp = options.mlp ?? "relu2";
  const headDim = options.headDim ?? modelDim / numHeads;
  if (options.headDim === undefined && !Number.isInteger(headDim)) {
    throw new ConfigError(
      `modelDim ${modelDim}: expected a multiple of numHeads ${numHeads}, or headDim given`,
    );
  }
  const config: TransformerConfig = {
    vocabSize: options.vocabSize,
    numLayers: options.numLayers,
    modelDim,
    numHeads,
    numKvHeads: options.numKvHeads ?? numHeads,
    headDim,
    mlpDim: options.mlpDim ?? (isGated(mlp) ? Math.ceil(modelDim / 3) * 8 : 4 * modelDim),
    mlp,
    norm,
    normEps: options.normEps ?? (norm === "rmsnorm" ? 1e-6 : 1e-5),
    normGain: options.normGain ?? "weight",
    normPlacement: options.normPlacement ?? "pre",
    parallelBlock: options.parallelBlock ?? false,
    qkNorm: options.qkNorm ?? true,
    qkNormOver: options.qkNormOver ?? "head",
    attentionBias: options.attentionBias ?? "none",
    mlpBias: options.mlpBias ?? false,
    attentionScale: options.attentionScale ?? null,
    attentionSoftcap: options.attentionSoftcap ?? null,
    logitSoftcap: options.logitSoftcap ?? null,
    embeddingScale: options.embeddingScale ?? 1,
    embeddingNorm: options.embeddingNorm ?? false,
    slidingWindow: options.slidingWindow ?? null,
    slidingLayers: options.slidingLayers ?? null,
    slidingRopeBase: options.slidingRopeBase ?? null,
    nopeLayers: options.nopeLayers ?? [],
    tiedHead: options.tiedHead ?? false,
    position: options.position ?? "rope",
    ropeBase: options.ropeBase ?? 10000,
    ropePairing: options.ropePairing ?? "half",
    ropeScaling: options.ropeScaling ?? null,
    rotaryDim: options.rotaryDim ?? headDim,
    allocation: options.allocation ?? { kind: "cyclic" },
    placePositions: options.placePositions ?? null,
    maxLength: options.maxLength ?? 1024,
    initStd: options.initStd ?? (options.parametrization === "spectral" ? 1 : 0.02),
    parametrization: options.parametrization ?? "standard",
    baseDim: options.baseDim ?? null,
    baseHeadDim: options.baseHeadDim ?? null,
    baseLayers: options.baseLayers ?? null,
  };
  for (const name of ["numKvHeads", "headDim", "mlpDim", "maxLength"] as const)
    positiveInteger(name, config[name]);
  if (numHeads % config.numKvHeads !== 0) {
    throw new ConfigError(`numKvHeads ${config.numKvHeads}: expected a divisor of numHeads ${numHeads}`);
  }
  if (!(config.ropeBase > 1)) throw new ConfigError(`ropeBase ${config.ropeBase}: expected a number above 1`);
  checkChoices(config);
  checkLayers(config);
  checkPlacePositions(config);
  if (config.position === "rope") {
    const { rotaryDim, ropeBase, ropePairing, ropeScaling, allocation, numKvHeads } = config;
    checkRotary(headDim, {
      rotaryDim,
      base: ropeBase,
      pairing: ropePairing,
      scaling: ropeScaling,
      allocation,
      numAxes,
      numHeads: numKvHeads,
    });
  }
  if (!positionKinds.includes(config.position)) {
    throw new ConfigError(`position "${config.position}": expected ${positionKinds.join(", ")}`);
  }
  if (config.position === "sinusoidal" && modelDim % 2 !== 0) {
    throw new ConfigError(`modelDim ${modelDim}: expected an even size for sinusoidal positions`);
  }
  if (!(config.normEps > 0)) throw new ConfigError(`normEps ${config.normEps}: expected a positive number`);
  if (!(config.initStd > 0)) throw new ConfigError(`initStd ${config.initStd}: expected a positive number`);
  return config;
}

function checkChoices(config: TransformerConfig): void {
  const choices = {
    norm: normKinds,
    normGain: normGains,
    normPlacement: normPlacements,
    mlp: mlpKinds,
    qkNormOver: qkNormWidths,
    attentionBias: attentionBiases,
  } as const;
  for (const [name, allowed] of Object.entries(choices)) {
    const value = config[name as keyof typeof choices];
    if (!(allowed as readonly string[]).includes(value))
      throw new ConfigError(`${name} "${value}": expected ${allowed.join(", ")}`);
  }
  for (const name of ["attentionScale", "attentionSoftcap", "logitSoftcap", "embeddingScale"] as const) {
    const value = config[name];
    if (value !== null && !(value > 0 && Number.isFinite(value)))
      throw new ConfigError(`${name} ${value}: expected a positive number`);
  }
  if (config.qkNormOver === "projection" && !config.qkNorm)
    throw new ConfigError(
      'qkNormOver "projection": has no effect without qkNorm; expected qkNorm true as well',
    );
  if (config.parallelBlock && config.normPlacement !== "pre")
    throw new ConfigError(
      `parallelBlock: expected normPlacement "pre" as well, not "${config.normPlacement}"`,
    );
}

/** Options of some of the layers. */
function checkLayers(config: TransformerConfig): void {
  const { slidingWindow, slidingLayers, slidingRopeBase, nopeLayers, numLayers, position } = config;
  if (slidingWindow !== null) positiveInteger("slidingWindow", slidingWindow);
  for (const name of ["slidingLayers", "slidingRopeBase"] as const) {
    if (config[name] !== null && slidingWindow === null)
      throw new ConfigError(`${name}: has no effect without slidingWindow; expected it as well`);
  }
  if (slidingRopeBase !== null && !(slidingRopeBase > 1))
    throw new ConfigError(`slidingRopeBase ${slidingRopeBase}: expected a number above 1`);
  for (const [name, needed] of [
    ["slidingRopeBase", slidingRopeBase !== null],
    ["nopeLayers", nopeLayers.length > 0],
  ] as const) {
    if (needed && position !== "rope")
      throw new ConfigError(`${name}: has no effect with position "${position}"; expected rope`);
  }
  for (const [name, layers] of Object.entries({ slidingLayers: slidingLayers ?? [], nopeLayers })) {
    const wrong = layers.find(
      (layer, i) => !Number.isInteger(layer) || layer < 0 || layer >= numLayers || layers.indexOf(layer) < i,
    );
    if (wrong !== undefined)
      throw new ConfigError(`${name} ${wrong}: expected layers from 0 to ${numLayers - 1}, each once`);
  }
}

function checkPlacePositions({ placePositions, position }: TransformerConfig): void {
  if (placePositions === null) return;
  if (position !== "rope")
    throw new ConfigError(`placePositions: expected position "rope" as well, not "${position}"`);
  const numAxes = placePositions[0]?.length ?? 0;
  const isWhole = (vector: readonly number[]) => vector.length === numAxes && vector.every(Number.isFinite);
  if (numAxes === 0 || !placePositions.every(isWhole)) {
    throw new ConfigError(
      "placePositions: expected at least one vector of finite numbers, all of as many axes",
    );
  }
}

/** Numbers of parameters of a model. */
export interface ParameterCount {
  /** Token embedding, a learned table of positions and, if untied, the output head. */
  readonly embedding: number;
  /** Everything else. */
  readonly nonEmbedding: number;
  readonly total: number;
}

/**
 * Counts the parameters of a model without making it.
 *
 * @example
 * ```ts
 * const gpt2 = { vocabSize: 50257, numLayers: 12, modelDim: 768, numHeads: 12 };
 * countParameters(resolveTransformerConfig({ ...gpt2, tiedHead: true })).embedding; // => 38597376
 * ```
 */
export function countParameters(config: TransformerConfig): ParameterCount {
  const { vocabSize, modelDim, numLayers, numHeads, numKvHeads, headDim, mlpDim } = config;
  const hasGain = config.normGain !== "none";
  const normSize = hasGain ? (config.norm === "rmsnorm" ? 1 : 2) * modelDim : 0;
  const heads = numHeads + numKvHeads;
  const qkNorm = config.qkNorm && hasGain ? (config.qkNormOver === "head" ? 2 : heads) * headDim : 0;
  const attentionBias = {
    none: 0,
    qkv: (heads + numKvHeads) * headDim,
    all: (heads + numKvHeads) * headDim + modelDim,
  }[config.attentionBias];
  const attention = 2 * modelDim * headDim * heads + qkNorm + attentionBias;
  const maps = isGated(config.mlp) ? 3 : 2;
  const mlpBias = config.mlpBias ? (maps - 1) * mlpDim + modelDim : 0;
  const mlp = maps * modelDim * mlpDim + mlpBias;
  const blockNorms = (config.normPlacement === "sandwich" ? 4 : 2) * normSize;
  const otherNorms = (config.embeddingNorm ? 2 : 1) * normSize;
  const positions = config.position === "learned" ? config.maxLength * modelDim : 0;
  const bias = config.position === "t5" ? t5Buckets.numBuckets * numHeads : 0;
  const embedding = vocabSize * modelDim * (config.tiedHead ? 1 : 2) + positions;
  const nonEmbedding = numLayers * (attention + mlp + blockNorms) + otherNorms + bias;
  return { embedding, nonEmbedding, total: embedding + nonEmbedding };
}

/**
 * Floating-point operations of one training step per token: 6 per matrix element (2 forward, 4 backward), and
 * `12·L·N·H` per layer for the attention scores and sums over a context of `L` (no credit for the causal half).
 *
 * Source: Kaplan et al., arXiv 2001.08361, section 2.1; Chowdhery et al., PaLM, arXiv 2204.02311, appendix B.
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * // 6 for each of 4·8² + 2·8·32 + 8·8 elements of matrices, and 12·L·8 of attention.
 * flopsPerToken(config, 16); // => 6528
 * ```
 */
export function flopsPerToken(config: TransformerConfig, length: number): number {
  const { vocabSize, modelDim, numLayers, numHeads, numKvHeads, headDim, mlpDim } = config;
  const attention = 2 * modelDim * headDim * (numHeads + numKvHeads);
  const mlp = (isGated(config.mlp) ? 3 : 2) * modelDim * mlpDim;
  return (
    6 * (numLayers * (attention + mlp) + vocabSize * modelDim) + 12 * numLayers * length * numHeads * headDim
  );
}

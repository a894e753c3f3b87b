import { ConfigError } from "../errors.ts";
import {
  checkRotary,
  type FrequencyAllocation,
  type RopeScaling,
  type RotaryPairing,
} from "../position/index.ts";
import type { MlpKind } from "./mlp.ts";
import type { NormKind } from "./norm.ts";
import { type PositionKind, t5Buckets } from "./positionEncoding.ts";

/** A decoder-only, pre-norm transformer. Absent options take the defaults of {@link resolveTransformerConfig}. */
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
  /** Inner width of the MLP, `F`. Default `4·D` (Vaswani et al.); for SwiGLU `8/3·D` rounded up to a multiple of 8 (Llama). */
  readonly mlpDim?: number;
  /** Default `"relu2"` (Primer; nanochat). */
  readonly mlp?: MlpKind;
  /** Default `"rmsnorm"` (Llama). */
  readonly norm?: NormKind;
  /** Default 1e-6 (Llama) for RMSNorm, 1e-5 (PyTorch) for LayerNorm. */
  readonly normEps?: number;
  /** RMSNorm of queries and keys per head. Default true (OLMo 2, nanochat). */
  readonly qkNorm?: boolean;
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
  /** Standard deviation of all matrices; those that write into the residual stream get `initStd/√(2·numLayers)`. Default 0.02 (GPT-2). */
  readonly initStd?: number;
}

/** {@link TransformerOptions} with every default filled in. */
export type TransformerConfig = Required<TransformerOptions>;

/** Names of the encodings. */
export const positionKinds = [
  "rope",
  "none",
  "alibi",
  "sinusoidal",
  "learned",
  "t5",
] as const satisfies readonly PositionKind[];

function positiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`${name} ${value}: expected a positive integer`);
}

/**
 * Fills in the defaults and checks that the sizes fit together.
 *
 * @throws ConfigError naming the option, its value and what is allowed
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
    mlpDim: options.mlpDim ?? (mlp === "swiglu" ? Math.ceil(modelDim / 3) * 8 : 4 * modelDim),
    mlp,
    norm,
    normEps: options.normEps ?? (norm === "rmsnorm" ? 1e-6 : 1e-5),
    qkNorm: options.qkNorm ?? true,
    tiedHead: options.tiedHead ?? false,
    position: options.position ?? "rope",
    ropeBase: options.ropeBase ?? 10000,
    ropePairing: options.ropePairing ?? "half",
    ropeScaling: options.ropeScaling ?? null,
    rotaryDim: options.rotaryDim ?? headDim,
    allocation: options.allocation ?? { kind: "cyclic" },
    placePositions: options.placePositions ?? null,
    maxLength: options.maxLength ?? 1024,
    initStd: options.initStd ?? 0.02,
  };
  for (const name of ["numKvHeads", "headDim", "mlpDim", "maxLength"] as const)
    positiveInteger(name, config[name]);
  if (numHeads % config.numKvHeads !== 0) {
    throw new ConfigError(`numKvHeads ${config.numKvHeads}: expected a divisor of numHeads ${numHeads}`);
  }
  if (!(config.ropeBase > 1)) throw new ConfigError(`ropeBase ${config.ropeBase}: expected a number above 1`);
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

/** Counts the parameters of a model without making it. */
export function countParameters(config: TransformerConfig): ParameterCount {
  const { vocabSize, modelDim, numLayers, numHeads, numKvHeads, headDim, mlpDim } = config;
  const normSize = config.norm === "rmsnorm" ? modelDim : 2 * modelDim;
  const attention = 2 * modelDim * headDim * (numHeads + numKvHeads) + (config.qkNorm ? 2 * headDim : 0);
  const mlp = (config.mlp === "swiglu" ? 3 : 2) * modelDim * mlpDim;
  const positions = config.position === "learned" ? config.maxLength * modelDim : 0;
  const bias = config.position === "t5" ? t5Buckets.numBuckets * numHeads : 0;
  const embedding = vocabSize * modelDim * (config.tiedHead ? 1 : 2) + positions;
  const nonEmbedding = numLayers * (attention + mlp + 2 * normSize) + normSize + bias;
  return { embedding, nonEmbedding, total: embedding + nonEmbedding };
}

/**
 * Floating-point operations of one training step per token: 6 per matrix element (2 forward, 4 backward), and
 * `12·L·N·H` per layer for the attention scores and sums over a context of `L` (no credit for the causal half).
 *
 * Source: Kaplan et al., arXiv 2001.08361, section 2.1; Chowdhery et al., PaLM, arXiv 2204.02311, appendix B.
 */
export function flopsPerToken(config: TransformerConfig, length: number): number {
  const { vocabSize, modelDim, numLayers, numHeads, numKvHeads, headDim, mlpDim } = config;
  const attention = 2 * modelDim * headDim * (numHeads + numKvHeads);
  const mlp = (config.mlp === "swiglu" ? 3 : 2) * modelDim * mlpDim;
  return (
    6 * (numLayers * (attention + mlp) + vocabSize * modelDim) + 12 * numLayers * length * numHeads * headDim
  );
}

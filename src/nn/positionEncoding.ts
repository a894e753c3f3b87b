import { numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import {
  alibiBias,
  disposeRotaryTables,
  type RotaryOptions,
  type RotaryTables,
  relativeBucket,
  rotaryTables,
  rotaryTablesRef,
  sinusoidalPositions,
  type TokenPositions,
} from "../position/index.ts";
import { causalBias, inWindow, maskBias } from "./attention.ts";
import { type DrawMatrix, normalMatrix } from "./linear.ts";
import { t5Buckets } from "./positionKind.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** A table by position (learned) or by bucket of distances (T5). */
export interface PositionParams {
  /** `[maxLength, D]` or `[32, N]` */
  readonly embedding: np.Array;
}

/** What a model does with positions, for the queries at hand. */
export interface PositionEncoding {
  /** Null unless queries and keys turn; one of each layer where layers differ. */
  readonly rotary: RotaryTables | null | readonly (RotaryTables | null)[];
  /** `float32[L, S]`, `float32[N, L, S]` or `float32[B, 1, L, S]`: the causal mask, with what is added to the scores. */
  readonly bias: np.Array;
  /** The bias of layers with a sliding window, where there are some. */
  readonly slidingBias?: np.Array;
}

/** Whether a layer sees a sliding window only. */
export function isSliding({ slidingWindow, slidingLayers }: TransformerConfig, layer: number): boolean {
  return slidingWindow !== null && (slidingLayers === null || slidingLayers.includes(layer));
}

/** Another reference to the bias of a layer. */
export function biasOfLayer(
  { bias, slidingBias }: PositionEncoding,
  layer: number,
  config: TransformerConfig,
): np.Array {
  return slidingBias !== undefined && isSliding(config, layer) ? slidingBias.ref : bias.ref;
}

/** Gives the biases of an encoding up. */
export function disposeBias({ bias, slidingBias }: PositionEncoding): void {
  bias.dispose();
  slidingBias?.dispose();
}

/** Another reference to the tables of a layer. */
export function rotaryOfLayer(rotary: PositionEncoding["rotary"], layer: number): RotaryTables | null {
  const own = Array.isArray(rotary)
    ? (rotary as readonly (RotaryTables | null)[])[layer]!
    : (rotary as RotaryTables | null);
  return own === null ? null : rotaryTablesRef(own);
}

/** Gives all tables of an encoding up. */
export function disposeRotary(rotary: PositionEncoding["rotary"]): void {
  const tables = Array.isArray(rotary)
    ? (rotary as readonly (RotaryTables | null)[])
    : [rotary as RotaryTables | null];
  for (const own of tables) if (own !== null) disposeRotaryTables(own);
}

/** Whether the model has a {@link PositionParams}. */
export function hasPositionParams({ position }: Pick<TransformerConfig, "position">): boolean {
  return position === "learned" || position === "t5";
}

/** Of {@link PositionParams}, where a model has them. */
export function positionShape({ position, maxLength, modelDim, numHeads }: TransformerConfig) {
  return position === "learned"
    ? ([maxLength, modelDim] as const)
    : ([t5Buckets.numBuckets, numHeads] as const);
}

/** @param key - random key, consumed */
export function initPosition(
  key: np.Array,
  config: TransformerConfig,
  draw: DrawMatrix = normalMatrix,
): PositionParams {
  const [rows, columns] = positionShape(config);
  return { embedding: draw(key, rows, columns, config.initStd) };
}

/**
 * @throws ShapeError if the model has learned or given positions, and fewer than asked for; every other encoding goes on beyond
 *   `maxLength`
 */
export function checkLength(name: string, length: number, config: TransformerConfig): void {
  const { position, maxLength, placePositions } = config;
  if (placePositions !== null && length > placePositions.length) {
    throw new ShapeError(
      `${name}: ${length} tokens: expected at most ${placePositions.length}, as many as placePositions`,
    );
  }
  if (position === "learned" && length > maxLength) {
    throw new ShapeError(
      `${name}: ${length} tokens: expected at most maxLength ${maxLength}, as positions are learned; rope, alibi, t5, sinusoidal and none go further`,
    );
  }
}

/**
 * Options of the rotary tables, but for the axes of positions.
 *
 * @param slidingBase - the base of sliding layers, whose frequencies aren't scaled. Default null: those of the other layers.
 */
export function rotaryOptions(config: TransformerConfig, slidingBase: number | null = null): RotaryOptions {
  const { ropeBase, ropePairing, ropeScaling, rotaryDim, allocation, numKvHeads } = config;
  return {
    base: slidingBase ?? ropeBase,
    pairing: ropePairing,
    scaling: slidingBase === null ? ropeScaling : null,
    rotaryDim,
    allocation,
    numHeads: numKvHeads,
  };
}

/**
 * Adds what belongs to the places to the embeddings of tokens. With sinusoidal positions the embeddings are multiplied by `√D` first
 * (Vaswani et al., section 3.4): the sinusoids have a root mean square of 0.7.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - left alone
 * @param places - `int32[L]`, consumed, or null for `0 … L − 1`
 */
export function addPositions(
  x: np.Array,
  params: PositionParams | undefined,
  config: TransformerConfig,
  places: np.Array | null,
): np.Array {
  const length = x.shape[1]!;
  switch (config.position) {
    case "learned": {
      const table = params!.embedding.ref;
      return x.add(places === null ? table.slice([0, length]) : table.slice(places));
    }
    case "sinusoidal": {
      const where = places ?? Array.from({ length }, (_, n) => n);
      return x.mul(Math.sqrt(config.modelDim)).add(sinusoidalPositions(where, config.modelDim));
    }
    default:
      places?.dispose();
      return x;
  }
}

/**
 * Rotary tables and bias of a causal model over `0 … L − 1`, all at once.
 *
 * @param params - left alone
 */
export function causalEncoding(
  params: PositionParams | undefined,
  config: TransformerConfig,
  length: number,
): PositionEncoding {
  const { slidingWindow } = config;
  const masks = {
    bias: causalBias(length),
    ...(slidingWindow === null ? {} : { slidingBias: causalBias(length, slidingWindow) }),
  };
  switch (config.position) {
    case "rope": {
      const places = Array.from({ length }, (_, n) => n);
      const positions = placesOf(config, length) ?? places;
      const tables = (base: number | null) =>
        rotaryTables(positions, config.headDim, rotaryOptions(config, base));
      return { rotary: rotaryByLayer(config, tables), ...masks };
    }
    case "alibi": {
      const places = np.arange(length);
      const distances = places.ref.reshape([length, 1]).sub(places.reshape([1, length]));
      return { rotary: null, ...withScores(masks, alibiBias(config.numHeads, distances)) };
    }
    case "t5":
      return { rotary: null, ...withScores(masks, t5Bias(params!, length)) };
    default:
      return { rotary: null, ...masks };
  }
}

type Masks = Pick<PositionEncoding, "bias" | "slidingBias">;

/** Masks with what is added to the scores. All are consumed. */
function withScores({ bias, slidingBias }: Masks, scores: np.Array): Masks {
  if (slidingBias === undefined) return { bias: bias.add(scores) };
  return { bias: bias.add(scores.ref), slidingBias: slidingBias.add(scores) };
}

/**
 * The tables of a model, one of each layer where layers differ: those without positions have none, those with a sliding window may turn by
 * a base of their own.
 *
 * @param make - makes tables for a base of sliding layers, or for null those of the others
 */
function rotaryByLayer(
  config: TransformerConfig,
  make: (slidingBase: number | null) => RotaryTables,
): PositionEncoding["rotary"] {
  const { nopeLayers, slidingRopeBase, numLayers } = config;
  if (nopeLayers.length === 0 && slidingRopeBase === null) return make(null);
  const made = new Map<number | null, RotaryTables>();
  return Array.from({ length: numLayers }, (_, layer) => {
    if (nopeLayers.includes(layer)) return null;
    const base = isSliding(config, layer) ? slidingRopeBase : null;
    const known = made.get(base);
    if (known !== undefined) return rotaryTablesRef(known);
    const fresh = make(base);
    made.set(base, fresh);
    return fresh;
  });
}

/**
 * T5's bias of every query and key of one length: the rows of the table by distance, once each, shifted by one place from query to
 * query. Looking up `L²` rows would be less to read, but its gradient adds up `L²` rows one by one.
 *
 * @returns `float32[N, L, L]`
 */
function t5Bias({ embedding }: PositionParams, length: number): np.Array {
  const numHeads = embedding.shape[1]!;
  // Row c belongs to the distance `c − (L − 1)` from query to key; a last one fills up.
  const width = 2 * length;
  const buckets = Int32Array.from({ length: width }, (_, c) => relativeBucket(c - (length - 1), t5Buckets));
  const row = embedding.ref.slice(np.array(buckets)).transpose();
  return np
    .tile(row, [1, length])
    .slice([], [0, length * (width - 1)])
    .reshape([numHeads, length, width - 1])
    .slice([], [], [length - 1, width - 1]);
}

/** The first of the given positions, or null without. */
function placesOf({ placePositions }: TransformerConfig, length: number): TokenPositions | null {
  if (placePositions === null) return null;
  const given = placePositions.slice(0, length);
  return { values: Float64Array.from(given.flat()), numAxes: placePositions[0]!.length };
}

/** @param own - `int32[n]`, consumed */
function cachedRotary(config: TransformerConfig, own: np.Array, size: number): PositionEncoding["rotary"] {
  const given = placesOf(config, size);
  const rotary = rotaryByLayer(config, (base) => {
    const options = rotaryOptions(config, base);
    if (given === null) return rotaryTables(own.ref, config.headDim, options);
    const { values, numAxes } = given;
    const table = np.array(Float32Array.from(values), { shape: [values.length / numAxes, numAxes] });
    return rotaryTables(table.slice(own.ref), config.headDim, { ...options, numAxes });
  });
  own.dispose();
  return rotary;
}

/**
 * Rotary tables and bias of `n` queries at traced places over all places of a cache.
 *
 * @param params - left alone
 * @param own - `int32[n]`, places of the queries, consumed
 * @param size - `S`, places of the cache
 */
export function cachedEncoding(
  params: PositionParams | undefined,
  config: TransformerConfig,
  own: np.Array,
  size: number,
): PositionEncoding {
  const count = own.shape[0]!;
  const distances = own.ref.reshape([count, 1]).sub(np.arange(size).reshape([1, size]));
  const { slidingWindow } = config;
  const masks = {
    bias: maskBias(inWindow(distances.ref, null)),
    ...(slidingWindow === null ? {} : { slidingBias: maskBias(inWindow(distances.ref, slidingWindow)) }),
  };
  const rotary = config.position === "rope" ? cachedRotary(config, own.ref, size) : null;
  own.dispose();
  if (config.position === "alibi") {
    return { rotary, ...withScores(masks, alibiBias(config.numHeads, distances)) };
  }
  if (config.position === "t5") {
    const { maxDistance } = t5Buckets;
    const bucketOf = Int32Array.from({ length: maxDistance + 1 }, (_, d) => relativeBucket(-d, t5Buckets));
    const buckets = np.array(bucketOf).slice(np.clip(distances, 0, maxDistance).astype(np.int32));
    const bias = params!.embedding.ref.slice(buckets);
    return { rotary, ...withScores(masks, bias.transpose([2, 0, 1])) };
  }
  distances.dispose();
  return { rotary, ...masks };
}

import { numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import {
  alibiBias,
  type RotaryOptions,
  type RotaryTables,
  relativeBucket,
  rotaryTables,
  sinusoidalPositions,
  type TokenPositions,
} from "../position/index.ts";
import { causalBias, maskBias } from "./attention.ts";
import { normalMatrix } from "./linear.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/**
 * How a decoder learns of positions: `"rope"` turns queries and keys, `"alibi"` and `"t5"` add a bias to the scores, `"sinusoidal"` and
 * `"learned"` add a vector to the embeddings, `"none"` leaves it to the causal mask (NoPE).
 */
export type PositionKind = "rope" | "none" | "alibi" | "sinusoidal" | "learned" | "t5";

/** A table by position (learned) or by bucket of distances (T5). */
export interface PositionParams {
  /** `[maxLength, D]` or `[32, N]` */
  readonly embedding: np.Array;
}

/** Buckets of a causal decoder and the distance from which all share the last one (T5). */
export const t5Buckets = { bidirectional: false, numBuckets: 32, maxDistance: 128 } as const;

/** What a model does with positions, for the queries at hand. */
export interface PositionEncoding {
  /** Null unless queries and keys turn. */
  readonly rotary: RotaryTables | null;
  /** `float32[L, S]`, `float32[N, L, S]` or `float32[B, 1, L, S]`: the causal mask, with what is added to the scores. */
  readonly bias: np.Array;
}

/** Whether the model has a {@link PositionParams}. */
export function hasPositionParams({ position }: Pick<TransformerConfig, "position">): boolean {
  return position === "learned" || position === "t5";
}

/** @param key - random key, consumed */
export function initPosition(key: np.Array, config: TransformerConfig): PositionParams {
  const [rows, columns] =
    config.position === "learned"
      ? [config.maxLength, config.modelDim]
      : [t5Buckets.numBuckets, config.numHeads];
  return { embedding: normalMatrix(key, rows, columns, config.initStd) };
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

/** Options of the rotary tables, but for the axes of positions. */
export function rotaryOptions(config: TransformerConfig): RotaryOptions {
  const { ropeBase, ropePairing, ropeScaling, rotaryDim, allocation, numKvHeads } = config;
  return {
    base: ropeBase,
    pairing: ropePairing,
    scaling: ropeScaling,
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
  const mask = causalBias(length);
  switch (config.position) {
    case "rope": {
      const places = Array.from({ length }, (_, n) => n);
      const positions = placesOf(config, length) ?? places;
      return { rotary: rotaryTables(positions, config.headDim, rotaryOptions(config)), bias: mask };
    }
    case "alibi": {
      const places = np.arange(length);
      const distances = places.ref.reshape([length, 1]).sub(places.reshape([1, length]));
      return { rotary: null, bias: mask.add(alibiBias(config.numHeads, distances)) };
    }
    case "t5":
      return { rotary: null, bias: mask.add(t5Bias(params!, length)) };
    default:
      return { rotary: null, bias: mask };
  }
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
function cachedRotary(config: TransformerConfig, own: np.Array, size: number): RotaryTables {
  const given = placesOf(config, size);
  if (given === null) return rotaryTables(own, config.headDim, rotaryOptions(config));
  const { values, numAxes } = given;
  const table = np.array(Float32Array.from(values), { shape: [values.length / numAxes, numAxes] });
  return rotaryTables(table.slice(own), config.headDim, { ...rotaryOptions(config), numAxes });
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
  const mask = maskBias(distances.ref.greaterEqual(0));
  const rotary = config.position === "rope" ? cachedRotary(config, own.ref, size) : null;
  own.dispose();
  if (config.position === "alibi") {
    return { rotary, bias: mask.add(alibiBias(config.numHeads, distances)) };
  }
  if (config.position === "t5") {
    const { maxDistance } = t5Buckets;
    const bucketOf = Int32Array.from({ length: maxDistance + 1 }, (_, d) => relativeBucket(-d, t5Buckets));
    const buckets = np.array(bucketOf).slice(np.clip(distances, 0, maxDistance).astype(np.int32));
    const bias = params!.embedding.ref.slice(buckets);
    return { rotary, bias: mask.add(bias.transpose([2, 0, 1])) };
  }
  distances.dispose();
  return { rotary, bias: mask };
}

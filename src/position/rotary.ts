import { numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";

/**
 * Which components of a head turn together: `"half"` pairs `(j, j + H/2)` (Llama, GPT-NeoX), `"interleaved"` pairs
 * `(2j, 2j + 1)` (RoFormer).
 */
export type RotaryPairing = "half" | "interleaved";

export interface RotaryOptions {
  /** Base of the frequencies `base^(−2j/H)`. Default 10000 (RoFormer). */
  readonly base?: number;
  /** Default `"half"` (Llama). */
  readonly pairing?: RotaryPairing;
}

/** Cosines and signed sines, shaped to multiply heads that {@link applyRotary} has split into pairs. */
export interface RotaryTables {
  /** `float32[.., L, 1, 1, H/2]` for half pairing, `float32[.., L, 1, H/2, 1]` for interleaved. */
  readonly cos: np.Array;
  /** As `cos` but with both members of a pair, the first one negative: `−sin` then `sin`. */
  readonly sin: np.Array;
  readonly pairing: RotaryPairing;
}

/**
 * Frequencies `θ_j = base^(−2j/H)`, `j = 0 … H/2 − 1`, in radians per position.
 *
 * @throws ConfigError if `headDim` is odd or not positive, or `base` is not above 1
 *
 * Source: RoFormer, arXiv 2104.09864, eq. 15; Su-10352.
 */
export function rotaryFrequencies(headDim: number, base = 10000): number[] {
  if (!Number.isInteger(headDim) || headDim <= 0 || headDim % 2 !== 0) {
    throw new ConfigError(`rotary: headDim ${headDim}: expected a positive even integer`);
  }
  if (!(base > 1)) throw new ConfigError(`rotary: base ${base}: expected a number above 1`);
  return Array.from({ length: headDim / 2 }, (_, j) => base ** ((-2 * j) / headDim));
}

/**
 * Tables of `cos(n·θ_j)` and `±sin(n·θ_j)` for rotating heads at the given positions; shared by all layers.
 *
 * @param positions - `n`, possibly fractional: numbers (the tables are then constants, computed in float64), or an array
 *   `float32|int32[L]` or `[B, L]`, consumed
 * @param headDim - `H`, even
 */
export function rotaryTables(
  positions: np.Array | readonly number[],
  headDim: number,
  { base = 10000, pairing = "half" }: RotaryOptions = {},
): RotaryTables {
  const frequencies = rotaryFrequencies(headDim, base);
  const pairs = frequencies.length;
  const cosShape = pairing === "half" ? [1, 1, pairs] : [1, pairs, 1];
  const sinShape = pairing === "half" ? [1, 2, pairs] : [1, pairs, 2];
  if (!(positions instanceof np.Array) && Array.isArray(positions)) {
    const cos = new Float32Array(positions.length * pairs);
    const sin = new Float32Array(positions.length * pairs * 2);
    positions.forEach((n, row) => {
      frequencies.forEach((theta, j) => {
        cos[row * pairs + j] = Math.cos(n * theta);
        const [first, second] = pairing === "half" ? [j, pairs + j] : [2 * j, 2 * j + 1];
        sin[row * 2 * pairs + first] = -Math.sin(n * theta);
        sin[row * 2 * pairs + second] = Math.sin(n * theta);
      });
    });
    return {
      cos: np.array(cos, { shape: [positions.length, ...cosShape] }),
      sin: np.array(sin, { shape: [positions.length, ...sinShape] }),
      pairing,
    };
  }
  const traced = positions as np.Array;
  const shape = [...traced.shape];
  const theta = np.array(Float32Array.from(frequencies), { shape: [pairs] });
  const angles = traced
    .astype(np.float32)
    .reshape([...shape, 1])
    .mul(theta);
  const cos = np.cos(angles.ref).reshape([...shape, ...cosShape]);
  const sine = np.sin(angles).reshape([...shape, ...(pairing === "half" ? [1, 1, pairs] : [1, pairs, 1])]);
  const sin = np.concatenate([np.negative(sine.ref), sine], pairing === "half" ? -2 : -1);
  return { cos, sin, pairing };
}

/** Another reference to both tables. */
export function rotaryTablesRef(tables: RotaryTables): RotaryTables {
  return { cos: tables.cos.ref, sin: tables.sin.ref, pairing: tables.pairing };
}

/**
 * Turns pair `j` of every head by the angle in the tables: `(a, b) → (a cos − b sin, b cos + a sin)`.
 *
 * It is written as `x·cos + swap(x)·(∓sin)`, where `swap` exchanges the members of each pair: unlike slices and
 * concatenations, whose gradients are padded sums, it is its own transpose.
 *
 * @param x - `float32[B, L, N, H]`, consumed
 * @param tables - for `L` positions, consumed
 * @returns `float32[B, L, N, H]`; each pair keeps its norm
 * @throws ShapeError if `x` is not of rank 4 or its last axis doesn't fit the tables; nothing is consumed then
 *
 * Source: RoFormer, arXiv 2104.09864, eq. 34.
 */
export function applyRotary(x: np.Array, { cos, sin, pairing }: RotaryTables): np.Array {
  const pairs = pairing === "half" ? cos.shape.at(-1)! : cos.shape.at(-2)!;
  const shape = [...x.shape];
  if (shape.length !== 4 || shape[3] !== 2 * pairs) {
    throw new ShapeError(`applyRotary: x is ${x.dtype}[${shape.join()}], expected [B, L, N, ${2 * pairs}]`);
  }
  const split = x.reshape([...shape.slice(0, 3), ...(pairing === "half" ? [2, pairs] : [pairs, 2])]);
  const swapped = np.flip(split.ref, pairing === "half" ? 3 : 4);
  return split.mul(cos).add(swapped.mul(sin)).reshape(shape);
}

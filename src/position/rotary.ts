import { numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { accurateSinCos } from "./accurateSinCos.ts";
import {
  type AllocatedFrequencies,
  allocateFrequencies,
  type FrequencyAllocation,
} from "./frequencyAllocation.ts";
import type { RopeScaling } from "./ropeScaling.ts";
import type { TokenPositions } from "./tokenPositions.ts";

/**
 * Which components of a head turn together: `"half"` pairs `(j, j + d/2)` (Llama, GPT-NeoX), `"interleaved"` pairs
 * `(2j, 2j + 1)` (RoFormer), `"half-per-axis"` halves of each of `A` slices of `d/A` components (the vision encoder of Gemma 4; as `"half"`
 * for one axis). It says nothing of axes: see {@link FrequencyAllocation} for those.
 */
export type RotaryPairing = (typeof rotaryPairings)[number];

/** Names of the pairings. */
export const rotaryPairings = ["half", "interleaved", "half-per-axis"] as const;

export interface RotaryOptions {
  /** Base of the frequencies `base^(−2j/d)`. Default 10000 (RoFormer). */
  readonly base?: number;
  /** Default `"half"` (Llama). */
  readonly pairing?: RotaryPairing;
  /** `d`: only the first `d` components of a head turn. Default the whole head. */
  readonly rotaryDim?: number;
  /** Change of the frequencies for long texts. Default none. */
  readonly scaling?: RopeScaling | null;
  /** Which axis drives which frequency. Default cyclic, which is plain RoPE for one axis. */
  readonly allocation?: FrequencyAllocation;
  /** Heads (key/value heads with grouped queries), for the allocation `per-head` only. */
  readonly numHeads?: number;
  /** `A`: when positions are an array, the size of its last axis, which holds coordinates. Default: positions are plain numbers. */
  readonly numAxes?: number;
}

/** Cosines and signed sines, shaped to multiply heads that {@link applyRotary} has split into pairs. */
export interface RotaryTables {
  /**
   * `float32[.., L, K, 1, d/2]` for half pairing, `float32[.., L, K, d/2, 1]` for interleaved, `float32[.., L, K, A, 1, d/(2A)]` for
   * halves per axis; `K` is 1 if all heads turn alike. Multiplied by the attention factor of the scaling. The 1 is 2 where the two components of
   * a pair turn by different angles.
   */
  readonly cos: np.Array;
  /** As `cos` but with both members of a pair, the first one negative: `−sin` then `sin`. */
  readonly sin: np.Array;
  readonly pairing: RotaryPairing;
  /** `H`, components of a head; those after the first `d` don't turn. */
  readonly headDim: number;
}

/**
 * Tables of `cos(angle)` and `±sin(angle)` for rotating heads at the given positions, `angle = p[axis(j)]·θ_j`; shared by all layers.
 *
 * Inside `jit` and `compile`, tables of plain numbers are constants of the compiled function; those of arrays are computed at every call.
 * Eagerly there is no cache, as it would own arrays that callers dispose of: keep tables with {@link rotaryTablesRef}.
 *
 * @param positions - possibly fractional: plain numbers or {@link TokenPositions} (the tables are then constants, with angles
 *   computed in float64), or an array `float32|int32[L]`, `[B, L]`, with `numAxes` `[L, A]` or `[B, L, A]`, consumed
 * @param headDim - `H`, even
 * @throws ConfigError or ShapeError if sizes don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const { cos, sin } = rotaryTables([0, Math.PI / 2], 2);
 * cos; // => [[[[1.000]]], [[[0.000]]]]
 * sin; // => [[[[0.000], [0.000]]], [[[-1.000], [1.000]]]]
 * ```
 */
export function rotaryTables(
  positions: np.Array | readonly number[] | TokenPositions,
  headDim: number,
  options: RotaryOptions = {},
): RotaryTables {
  const { pairing = "half" } = options;
  const plain = plainPositions(positions);
  const numAxes = plain === null ? (options.numAxes ?? 1) : plain.numAxes;
  if (options.numAxes !== undefined && options.numAxes !== numAxes) {
    throw new ShapeError(`rotary: positions have ${numAxes} axes, expected numAxes ${options.numAxes}`);
  }
  const allocated = checkRotary(headDim, { ...options, numAxes });
  if (plain !== null) return { ...constantTables(plain, allocated, pairing), pairing, headDim };
  const traced = positions as np.Array;
  if (options.numAxes !== undefined && traced.shape.at(-1) !== numAxes) {
    throw new ShapeError(
      `rotary: positions are ${traced.dtype}[${traced.shape.join()}], expected a last axis of numAxes ${numAxes}`,
    );
  }
  const hasAxes = options.numAxes !== undefined;
  if (isInMemory(traced)) return { ...memoryTables(traced, hasAxes, allocated, pairing), pairing, headDim };
  return { ...tracedTables(traced, hasAxes, allocated, pairing), pairing, headDim };
}

/** An array of numbers that can be read without waiting for a device; tracers aren't. */
const isInMemory = (array: np.Array): boolean => array instanceof np.Array && array.device !== "webgpu";

/** Tables of an array whose numbers are known, as those of plain numbers. */
function memoryTables(
  positions: np.Array,
  hasAxes: boolean,
  allocated: AllocatedFrequencies,
  pairing: RotaryPairing,
): { cos: np.Array; sin: np.Array } {
  const shape = hasAxes ? positions.shape.slice(0, -1) : [...positions.shape];
  const values = positions.dataSync();
  const { cos, sin } = constantTables({ values, numAxes: allocated.numAxes }, allocated, pairing);
  const rows = (table: np.Array) => table.reshape([...shape, ...table.shape.slice(1)]);
  return { cos: rows(cos), sin: rows(sin) };
}

/**
 * Whether sizes fit together, as {@link rotaryTables} checks them.
 *
 * @returns what turns how
 * @throws ConfigError if they don't
 *
 * @example
 * ```ts
 * checkRotary(64, { base: 500000 }).frequencies.length; // => 32
 * assert.throws(() => checkRotary(7, {}), ConfigError);
 * ```
 */
export function checkRotary(headDim: number, options: RotaryOptions): AllocatedFrequencies {
  const { base = 10000, pairing = "half", scaling = null, allocation = { kind: "cyclic" } } = options;
  const { rotaryDim = headDim, numAxes = 1, numHeads } = options;
  if (!Number.isInteger(headDim) || headDim <= 0 || headDim % 2 !== 0) {
    throw new ConfigError(`rotary: headDim ${headDim}: expected a positive even integer`);
  }
  if (!Number.isInteger(rotaryDim) || rotaryDim % 2 !== 0 || rotaryDim <= 0 || rotaryDim > headDim) {
    throw new ConfigError(
      `rotary: rotaryDim ${rotaryDim}: expected a positive even integer up to headDim ${headDim}`,
    );
  }
  if (!rotaryPairings.includes(pairing)) {
    throw new ConfigError(`rotary: pairing "${pairing}": expected ${rotaryPairings.join(", ")}`);
  }
  const allocated = allocateFrequencies(allocation, {
    numAxes,
    rotaryDim,
    base,
    scaling,
    ...(numHeads === undefined ? {} : { numHeads }),
  });
  if (pairing === "half-per-axis" && rotaryDim % (2 * numAxes) !== 0) {
    throw new ConfigError(
      `rotary: pairing half-per-axis: ${rotaryDim} components that turn: expected a multiple of ${2 * numAxes} for ${numAxes} axes`,
    );
  }
  return allocated;
}

/** Axes of a head that is split into pairs; `members` is 2, or 1 for what both have. */
function pairShape(pairing: RotaryPairing, pairs: number, numAxes: number, members: 1 | 2): number[] {
  if (pairing === "interleaved") return [pairs, members];
  return pairing === "half" ? [members, pairs] : [numAxes, members, pairs / numAxes];
}

/** Null for arrays, which may be tracers. */
function plainPositions(
  positions: np.Array | readonly number[] | TokenPositions,
): { values: ArrayLike<number>; numAxes: number } | null {
  if (Array.isArray(positions)) return { values: positions, numAxes: 1 };
  const { values, numAxes } = positions as TokenPositions;
  return values instanceof Float64Array ? { values, numAxes } : null;
}

function constantTables(
  { values, numAxes }: { values: ArrayLike<number>; numAxes: number },
  { axisOfFrequency, attentionFactor, second, ...allocated }: AllocatedFrequencies,
  pairing: RotaryPairing,
): { cos: np.Array; sin: np.Array } {
  const length = values.length / numAxes;
  const theta = Float64Array.from(allocated.frequencies);
  const [pairs, heads] = [theta.length, axisOfFrequency.length];
  const members = second === undefined ? 1 : 2;
  const cos = new Float32Array(length * heads * pairs * members);
  const sin = new Float32Array(length * heads * pairs * 2);
  // Pairs whose members lie together: all, or those of an axis.
  const block = pairing === "half-per-axis" ? pairs / numAxes : pairs;
  const [step, next] = pairing === "interleaved" ? [2, 1] : [1, block];
  const angleOf = (token: number, axis: number | null, frequency: number) =>
    axis === null ? 0 : values[token * numAxes + axis]! * frequency;
  for (let token = 0, at = 0; token < length; token++) {
    for (let head = 0; head < heads; head++) {
      const axes = axisOfFrequency[head]!;
      for (let j = 0; j < pairs; j++, at++) {
        const axis = axes[j]!;
        const angle = angleOf(token, axis, theta[j]!);
        const factor = axis === null ? 1 : attentionFactor;
        const sine = factor * Math.sin(angle);
        const first = 2 * (at - (j % block)) + step * (j % block);
        sin[first] = -sine;
        if (second === undefined) {
          cos[at] = factor * Math.cos(angle);
          sin[first + next] = sine;
        } else {
          const other = angleOf(token, second.axisOfFrequency[head]![j]!, second.frequencies[j]!);
          cos[first] = factor * Math.cos(angle);
          cos[first + next] = factor * Math.cos(other);
          sin[first + next] = factor * Math.sin(other);
        }
      }
    }
  }
  return {
    cos: np.array(cos, { shape: [length, heads, ...pairShape(pairing, pairs, numAxes, members)] }),
    sin: np.array(sin, { shape: [length, heads, ...pairShape(pairing, pairs, numAxes, 2)] }),
  };
}

function tracedTables(
  positions: np.Array,
  hasAxes: boolean,
  { axisOfFrequency, attentionFactor, frequencies, numAxes, second }: AllocatedFrequencies,
  pairing: RotaryPairing,
): { cos: np.Array; sin: np.Array } {
  const [pairs, heads] = [frequencies.length, axisOfFrequency.length];
  const shape = hasAxes ? positions.shape.slice(0, -1) : [...positions.shape];
  const coordinates = positions.astype(np.float32).reshape([...shape, numAxes]);
  const table = [heads, ...pairShape(pairing, pairs, numAxes, 1)];
  const both = (axes: AllocatedFrequencies["axisOfFrequency"], thetas: readonly number[]) => {
    const radians = axes.flat().map((axis, at) => ({ axis, theta: thetas[at % pairs]! }));
    const turned = accurateSinCos(coordinates.ref, radians);
    const shaped = {
      cos: turned.cos.reshape([...shape, ...table]),
      sin: turned.sin.reshape([...shape, ...table]),
    };
    if (attentionFactor === 1) return shaped;
    const factor = Float32Array.from(axes.flat(), (own) => (own === null ? 1 : attentionFactor));
    return {
      cos: shaped.cos.mul(np.array(factor, { shape: table })),
      sin: shaped.sin.mul(attentionFactor),
    };
  };
  const member = pairing === "interleaved" ? -1 : -2;
  const first = both(axisOfFrequency, frequencies);
  if (second === undefined) {
    coordinates.dispose();
    return { cos: first.cos, sin: np.concatenate([np.negative(first.sin.ref), first.sin], member) };
  }
  const other = both(second.axisOfFrequency, second.frequencies);
  coordinates.dispose();
  return {
    cos: np.concatenate([first.cos, other.cos], member),
    sin: np.concatenate([np.negative(first.sin), other.sin], member),
  };
}

/**
 * Another reference to both tables.
 *
 * @example
 * ```ts
 * const tables = rotaryTables([3], 2);
 * const [query, key] = [np.array([[[[1, 0]]]]), np.array([[[[0, 1]]]])];
 * // Both are turned by the same tables, which the second use gives up.
 * const turned = [applyRotary(query, rotaryTablesRef(tables)), applyRotary(key, tables)];
 * turned.map((x) => x.js()); // => [[[[[-0.990, 0.141]]]], [[[[-0.141, -0.990]]]]]
 * ```
 */
export function rotaryTablesRef(tables: RotaryTables): RotaryTables {
  return { ...tables, cos: tables.cos.ref, sin: tables.sin.ref };
}

/**
 * Gives both tables up.
 *
 * @example
 * ```ts
 * const tables = rotaryTables([0, 1, 2], 4);
 * tables.cos.shape; // => [3, 1, 1, 2]
 * disposeRotaryTables(tables);
 * ```
 */
export function disposeRotaryTables({ cos, sin }: RotaryTables): void {
  cos.dispose();
  sin.dispose();
}

/**
 * Turns pair `j` of every head by the angle in the tables: `(a, b) → (a cos − b sin, b cos + a sin)`.
 *
 * It is written as `x·cos + swap(x)·(∓sin)`, where `swap` exchanges the members of each pair: unlike slices and
 * concatenations, whose gradients are padded sums, it is its own transpose. Only a head that turns in part (`d < H`) is cut and
 * put together again.
 *
 * @param x - `float32[B, L, N, H]`, consumed
 * @param tables - for `L` positions, consumed. With a row per head there may be `K` rows, `K` dividing `N`: head `n` takes row `⌊n·K/N⌋`.
 * @returns `float32[B, L, N, H]`; each pair keeps its norm, times the attention factor of the scaling
 * @throws ShapeError if `x` is not of rank 4 or its last axes don't fit the tables; nothing is consumed then
 *
 * Source: RoFormer, arXiv 2104.09864, eq. 34.
 *
 * @example
 * ```ts
 * // One head of two components: one pair, whose angle is its position.
 * const x = np.array([[[[1, 0]], [[1, 0]]]]);
 * applyRotary(x, rotaryTables([0, 1], 2)); // => [[[[1, 0]], [[0.5403, 0.8415]]]]
 * ```
 */
export function applyRotary(x: np.Array, { cos, sin, pairing, headDim }: RotaryTables): np.Array {
  const splitAxes = pairing === "half-per-axis" ? 3 : 2;
  const split = sin.shape.slice(-splitAxes);
  const pairs = split.reduce((a, b) => a * b, 1) / 2;
  const rows = cos.shape.at(-splitAxes - 1)!;
  const shape = [...x.shape];
  if (shape.length !== 4 || shape[3] !== headDim || shape[2]! % rows !== 0) {
    const heads = rows === 1 ? "N" : `a multiple of ${rows}`;
    throw new ShapeError(
      `applyRotary: x is ${x.dtype}[${shape.join()}], expected [B, L, ${heads}, ${headDim}]`,
    );
  }
  if (2 * pairs < headDim) {
    const turning = x.ref.slice([], [], [], [0, 2 * pairs]);
    const rest = x.slice([], [], [], [2 * pairs, headDim]);
    return np.concatenate([applyRotary(turning, { cos, sin, pairing, headDim: 2 * pairs }), rest], -1);
  }
  const repeats = shape[2]! / rows;
  const [ownCos, ownSin] =
    rows === 1 || repeats === 1
      ? [cos, sin]
      : [np.repeat(cos, repeats, -splitAxes - 1), np.repeat(sin, repeats, -splitAxes - 1)];
  const numAxes = pairing === "half-per-axis" ? split[0]! : 1;
  const halves = x.reshape([...shape.slice(0, 3), ...pairShape(pairing, pairs, numAxes, 2)]);
  const swapped = np.flip(halves.ref, pairing === "half" ? 3 : 4);
  return halves.mul(ownCos).add(swapped.mul(ownSin)).reshape(shape);
}

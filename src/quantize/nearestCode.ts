import { lax, numpy as np } from "@jax-js/jax";
import { shownArray } from "../arrayShapes.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import { balance } from "../spectral/index.ts";
import { checkCodes, checkName, checkValues, checkVectors } from "./checks.ts";

/** How near a code is: `"euclidean"` `‖z − e‖`, or `"cosine"`, the angle between `z` and `e`. */
export type CodeDistance = "euclidean" | "cosine";

export interface NearestCodeOptions {
  /** Default `"euclidean"` (VQ-VAE). */
  readonly distance?: CodeDistance;
  /** Bytes that the scores of one chunk may take. Default 16 MiB. */
  readonly budgetBytes?: number;
}

export const codeDistances: readonly CodeDistance[] = ["euclidean", "cosine"];
export const defaultBudgetBytes = 16 * 2 ** 20;

/** Scores are first reduced over blocks of this many codes; only the best block of each vector is searched for its index. */
const blockSize = 64;
/** With fewer codes in a chunk a matrix product is slow, so that the vectors are split instead. */
const fewestCodes = 256;

/** Sizes of the pieces in which scores are computed. */
export interface SearchPlan {
  /** Vectors per piece. */
  readonly vectors: number;
  /** Codes per piece, a multiple of `block`. */
  readonly codes: number;
  /** Codes per block. */
  readonly block: number;
}

/**
 * The largest pieces whose `float32[vectors, codes]` scores fit the budget: chunks of codes, and chunks of vectors too where
 * already 256 codes for all vectors don't fit.
 *
 * @throws ConfigError if not even one vector fits
 *
 * @example
 * ```ts
 * // 4,096 vectors and 65,536 codes within 16 MiB: 1,024 codes at a time.
 * const { vectors, codes } = planSearch(4096, 65536, 2 ** 24);
 * [vectors, codes]; // => [4096, 1024]
 * ```
 */
export function planSearch(numVectors: number, numCodes: number, budgetBytes: number): SearchPlan {
  const block = Math.min(blockSize, numCodes);
  const padded = Math.ceil(numCodes / block) * block;
  const least = Math.min(padded, fewestCodes);
  if (!(budgetBytes >= 4 * least)) {
    throw new ConfigError(
      `nearestCode budgetBytes ${budgetBytes}: expected at least ${4 * least}, the scores of one vector`,
    );
  }
  const codesThatFit = Math.floor(budgetBytes / (4 * numVectors * block)) * block;
  const codes = Math.min(padded, Math.max(least, codesThatFit));
  return { vectors: Math.min(numVectors, Math.floor(budgetBytes / (4 * codes))), codes, block };
}

/**
 * Ranges of vectors that many searches go through one after the other. A traced search is a list of its chunks, and a graph of
 * thousands of them takes gigabytes and minutes: of `numVectors · numCodes` scores each range has at most `scores`.
 *
 * @param scores - default 2²⁸, 64 chunks of 16 MiB
 *
 * @example
 * ```ts
 * [...searchRanges(10, 100, 400)]; // => [[0, 4], [4, 8], [8, 10]]
 * ```
 */
export function* searchRanges(
  numVectors: number,
  numCodes: number,
  scores = 2 ** 28,
): Generator<readonly [start: number, end: number]> {
  const size = Math.max(1, Math.floor(scores / numCodes));
  for (let start = 0; start < numVectors; start += size) yield [start, Math.min(start + size, numVectors)];
}

/** `x` with zeros in the place of NaN and infinities. */
function finiteOrZero(x: np.Array): np.Array {
  const finite = np.absolute(x.ref).less(Number.POSITIVE_INFINITY);
  return np.where(finite, x, 0);
}

/**
 * `[e, b]` per code such that the smallest `[−2z, 1]·[e, b]` belongs to the nearest code; rows are filled up to a multiple of the
 * block with codes that are never nearest.
 */
function scoredCodes(given: np.Array, distance: CodeDistance, block: number): np.Array {
  const numCodes = given.shape[0]!;
  const codes = distance === "cosine" ? balancedAlong(given, 1) : given;
  const squares = np.square(codes.ref).sum(1, { keepdims: true });
  // Also false for NaN; zero codes have no direction.
  const counts = squares.ref.greater(distance === "cosine" ? 0 : -1);
  const known = np.where(counts, squares, Number.POSITIVE_INFINITY);
  const usable = known.ref.less(Number.POSITIVE_INFINITY);
  let vectors: np.Array;
  let bias: np.Array;
  if (distance === "cosine") {
    vectors = codes.div(np.sqrt(known));
    bias = np.where(usable.ref, 0, Number.POSITIVE_INFINITY);
  } else {
    vectors = codes;
    bias = known;
  }
  const rows = np.concatenate([np.where(usable, vectors, 0), bias], 1);
  const missing = (block - (numCodes % block)) % block;
  if (missing === 0) return rows;
  const never = np.concatenate(
    [np.zeros([missing, codes.shape[1]!]), np.full([missing, 1], Number.POSITIVE_INFINITY)],
    1,
  );
  return np.concatenate([rows, never], 0);
}

/**
 * Smallest score and its column, for each row.
 *
 * The minima of blocks are one pass over the scores; the rest touches one block per row. The score is read from that block, so
 * that nothing needs the scores once a block is picked, and a runtime that walks the graph from its outputs frees them in time.
 */
function smallest(scores: np.Array, block: number): { score: np.Array; column: np.Array } {
  const [rows, columns] = scores.shape as [number, number];
  const blocks = columns / block;
  const byBlock = scores.reshape([rows, blocks, block]);
  const best = np.argmin(np.min(byBlock.ref, -1), -1);
  const place = np.arange(rows).mul(blocks).add(best.ref);
  const row = byBlock.reshape([rows * blocks, block]).slice(place);
  const score = np.min(row.ref, -1);
  return { score, column: np.argmin(row, -1).add(best.mul(block)) };
}

/**
 * Index of the nearest code: `argmin_k ‖e_k‖² − 2 z·e_k`, or `argmax_k z·e_k/‖e_k‖` for cosine distance.
 *
 * Only products are formed, in chunks of codes that fit a budget, so that 262,144 codes take no more memory than 4,096. Of codes
 * that are equally near (in float32) the smallest index wins, whatever the chunks. As ever with this formula, distances that
 * differ by less than about `10⁻⁶·(‖z‖² + ‖e‖²)` can't be told apart.
 *
 * Values that are known (outside `jit`, `grad` and `compile`) are checked. In a trace nothing can be thrown for them, and these
 * hold: a NaN or infinite component of `z` counts as 0 in the search; a code that has one, or a zero code under cosine distance,
 * is never nearest; a zero `z` under cosine distance goes to the first usable code. No derivative passes.
 *
 * @param z - `float32[.., D]`, consumed
 * @param codes - `float32[K, D]`, consumed
 * @returns `int32[..]` in `[0, K)`
 * @throws ShapeError for shapes that don't fit, ConfigError for impossible options, DataError for NaN, infinities, or zero vectors
 *   under cosine distance, where values are known; nothing is consumed then
 *
 * Source: VQ-VAE, arXiv 1711.00937, eq. 1.
 *
 * @example
 * ```ts
 * const codes = np.array([[0, 0], [1, 1], [5, 0]]);
 * nearestCode(np.array([[0.9, 0.8], [9, 1]]), codes); // => [1, 2]
 * ```
 */
export function nearestCode(z: np.Array, codes: np.Array, options: NearestCodeOptions = {}): np.Array {
  const { distance = "euclidean", budgetBytes = defaultBudgetBytes } = options;
  checkName("nearestCode distance", distance, codeDistances);
  if (codes.shape.length !== 2) {
    throw new ShapeError(`nearestCode: codes are ${shownArray(codes)}, expected float32[codes, D]`);
  }
  const dim = codes.shape[1]!;
  checkCodes("nearestCode", codes, dim);
  checkVectors("nearestCode", z, dim);
  const shape = z.shape.slice(0, -1);
  const numVectors = shape.reduce((a, b) => a * b, 1);
  const plan = planSearch(numVectors, codes.shape[0]!, budgetBytes);
  checkValues("nearestCode z", z, distance === "cosine");
  checkValues("nearestCode codes", codes, distance === "cosine");

  const table = lax.stopGradient(codes);
  const given = lax.stopGradient(z).reshape([numVectors, dim]);
  return searchAll(given, table, distance, plan).reshape(shape);
}

/** The largest product of a vector and a code whose sum over components float32 still holds. */
const largestProduct = 2 ** 40;

/** Rows (or the whole, over both axes) times a power of two that brings their finite numbers into the middle of float32's range. */
function balancedAlong(x: np.Array, axes: number | number[]): np.Array {
  const { balanced, factor, inverse, logarithm } = balance(finiteOrZero(x.ref), axes);
  for (const array of [balanced, inverse, logarithm]) array.dispose();
  return x.mul(factor);
}

/**
 * `[−2z, 1]` per vector, for codes times `factor`; where their product would leave float32, `[−2z/‖z‖_∞, 1/(factor·‖z‖_∞)]`, whose scores
 * are in the same order.
 */
function scoringVectors(z: np.Array, factor: np.Array): np.Array {
  const largest = np.max(np.absolute(z.ref), 1, { keepdims: true });
  const size = largest.ref.mul(factor.ref);
  const isGreat = size.ref.greater(largestProduct);
  const direction = z.ref.mul(np.reciprocal(np.maximum(largest, 2 ** -126)));
  const vectors = np.where(isGreat.ref, direction, z.mul(factor)).mul(-2);
  return np.concatenate([vectors, np.where(isGreat, np.reciprocal(size), 1)], 1);
}

function searchAll(z: np.Array, codes: np.Array, distance: CodeDistance, plan: SearchPlan): np.Array {
  const numVectors = z.shape[0]!;
  const { balanced, factor, inverse, logarithm } = balance(finiteOrZero(codes.ref), [0, 1]);
  for (const array of [balanced, inverse, logarithm]) array.dispose();
  const table = scoredCodes(codes.mul(factor.ref), distance, plan.block);
  const scaled = scoringVectors(finiteOrZero(z), distance === "cosine" ? np.ones([1, 1]) : factor.ref);
  factor.dispose();
  const found: np.Array[] = [];
  for (let first = 0; first < numVectors; first += plan.vectors) {
    const end = Math.min(numVectors, first + plan.vectors);
    found.push(searchChunks(scaled.ref.slice([first, end], []), table.ref, plan));
  }
  scaled.dispose();
  table.dispose();
  return found.length === 1 ? found[0]! : np.concatenate(found, 0);
}

/** @param z - `[n, D + 1]`, consumed; @param table - `[K, D + 1]`, consumed */
function searchChunks(z: np.Array, table: np.Array, { codes: size, block }: SearchPlan): np.Array {
  const numRows = table.shape[0]!;
  let score: np.Array | undefined;
  let index: np.Array | undefined;
  for (let first = 0; first < numRows; first += size) {
    const part = table.ref.slice([first, Math.min(numRows, first + size)], []);
    const chunk = smallest(np.matmul(z.ref, np.transpose(part)), block);
    const place = chunk.column.add(first);
    if (score === undefined || index === undefined) {
      score = chunk.score;
      index = place;
      continue;
    }
    const nearer = chunk.score.ref.less(score.ref);
    index = np.where(nearer.ref, place, index);
    score = np.where(nearer, chunk.score, score);
  }
  z.dispose();
  table.dispose();
  score!.dispose();
  return index!;
}

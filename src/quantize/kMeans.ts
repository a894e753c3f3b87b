import { lax, numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, shownArray } from "../arrayShapes.ts";
import { DataError, ShapeError } from "../errors.ts";
import { checkInteger } from "../numberChecks.ts";
import { checkCodes, checkValues, checkVectors } from "./checks.ts";
import { countCodes, normalize, sumByCode } from "./codeStatistics.ts";
import { type NearestCodeOptions, nearestCode } from "./nearestCode.ts";

export interface KMeansOptions extends NearestCodeOptions {
  /** Rounds of Lloyd's algorithm. Default 10 (vector-quantize-pytorch). */
  readonly iterations?: number;
  /** Centres to start from, `float32[numCodes, D]`, consumed. Default: `numCodes` different vectors of the data, drawn with the key. */
  readonly start?: np.Array;
}

/** Centres and the number of vectors nearest to each, in the last round. */
export interface KMeansResult {
  /** `float32[numCodes, D]`; unit vectors under cosine distance. */
  readonly codes: np.Array;
  /** `float32[numCodes]` */
  readonly counts: np.Array;
}

/**
 * Lloyd's algorithm: each centre moves to the mean of the vectors nearest to it (under cosine distance to the direction of the mean
 * of their directions). A centre that has none stays where it is.
 *
 * @param z - the data, `float32[.., D]`, consumed
 * @param key - random key, consumed; not used with `start`
 * @throws DataError if there are fewer vectors than codes, or for values that can't be used, where they are known; ShapeError,
 *   ConfigError for arguments that don't fit; nothing is consumed then
 *
 * Source: Lloyd, Least squares quantization in PCM, 1982; as vector-quantize-pytorch's `kmeans_init`.
 *
 * @example
 * ```ts
 * const z = np.array([[0], [1], [10], [11]]);
 * const { codes, counts } = kMeans(z, 2, random.key(0), { start: np.array([[0], [11]]) });
 * codes; // => [[0.500], [10.500]]
 * counts; // => [2, 2]
 * ```
 */
export function kMeans(
  z: np.Array,
  numCodes: number,
  key: np.Array,
  { iterations = 10, start, ...search }: KMeansOptions = {},
): KMeansResult {
  checkInteger("kMeans numCodes", numCodes, 1);
  checkInteger("kMeans iterations", iterations, 1);
  const dim = z.shape.at(-1);
  if (dim === undefined || dim === 0)
    throw new ShapeError(`kMeans: z is ${shownArray(z)}, expected float32[.., D]`);
  checkVectors("kMeans", z, dim);
  checkKeys("kMeans", key);
  const numVectors = z.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  if (start !== undefined) checkCodes("kMeans start", start, dim, numCodes);
  else if (numVectors < numCodes) {
    throw new DataError(
      `kMeans: z is ${shownArray(z)}: ${numCodes} codes from ${numVectors} vectors: expected at least as many vectors as codes`,
    );
  }
  const cosine = search.distance === "cosine";
  checkValues("kMeans z", z, cosine);

  const flat = lax.stopGradient(z).reshape([numVectors, dim]);
  const data = cosine ? normalize(flat) : flat;
  let codes: np.Array;
  if (start === undefined) codes = drawCentres(data.ref, numCodes, key);
  else {
    key.dispose();
    codes = cosine ? normalize(lax.stopGradient(start)) : lax.stopGradient(start);
  }
  let counts: np.Array | undefined;
  for (let round = 0; round < iterations; round++) {
    counts?.dispose();
    const nearest = sumsByNearest(data.ref, codes.ref, search);
    counts = nearest.counts;
    codes = moveCentres(codes, nearest.sums, counts.ref, search);
  }
  data.dispose();
  return { codes, counts: counts! };
}

/**
 * First centres: `numCodes` different rows of `float32[N, D]`, drawn with the key; consumes both.
 *
 * @example
 * ```ts
 * const centres = drawCentres(np.array([[1], [2], [3]]), 2, random.key(0));
 * centres.shape; // => [2, 1]
 * ```
 */
export function drawCentres(z: np.Array, numCodes: number, key: np.Array): np.Array {
  checkShapes("drawCentres", { z: [z, "float32[N, D]"] });
  checkKeys("drawCentres", key);
  const numVectors = z.shape[0]!;
  return z.slice(random.permutation(key, numVectors).slice([0, numCodes]));
}

/**
 * What the vectors nearest to each centre add up to, and their number. Those of several sets of vectors add up to those of all.
 *
 * @param z - `float32[N, D]`, of length 1 under cosine distance; consumed
 * @param codes - `float32[numCodes, D]`, consumed
 * @returns `sums: float32[numCodes, D]`, `counts: float32[numCodes]`
 *
 * @example
 * ```ts
 * const z = np.array([[0], [1], [10]]);
 * const { sums, counts } = sumsByNearest(z, np.array([[0], [11]]), {});
 * sums; // => [[1], [10]]
 * counts; // => [2, 1]
 * ```
 */
export function sumsByNearest(
  z: np.Array,
  codes: np.Array,
  search: NearestCodeOptions,
): { readonly sums: np.Array; readonly counts: np.Array } {
  checkShapes("sumsByNearest", { z: [z, "float32[N, D]"], codes: [codes, "float32[K, D]"] });
  const numCodes = codes.shape[0]!;
  const nearest = nearestCode(z.ref, codes, search);
  const counts = countCodes(nearest.ref, numCodes);
  return { sums: sumByCode(z, nearest, numCodes), counts };
}

/**
 * Centres moved to the means of their vectors, those without any left where they are. Consumes its arrays.
 *
 * @example
 * ```ts
 * const sums = np.array([[4], [0]]);
 * moveCentres(np.array([[1], [7]]), sums, np.array([2, 0]), { distance: "euclidean" }); // => [[2.000], [7]]
 * ```
 */
export function moveCentres(
  codes: np.Array,
  sums: np.Array,
  counts: np.Array,
  { distance }: NearestCodeOptions,
): np.Array {
  checkShapes("moveCentres", {
    codes: [codes, "float32[K, D]"],
    sums: [sums, "float32[K, D]"],
    counts: [counts, "float32[K]"],
  });
  const numCodes = codes.shape[0]!;
  const means = sums.div(np.maximum(counts.ref, 1).reshape([numCodes, 1]));
  const moved = distance === "cosine" ? normalize(means) : means;
  return np.where(counts.greater(0).reshape([numCodes, 1]), moved, codes);
}

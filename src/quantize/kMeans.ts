import { lax, numpy as np, random } from "@jax-js/jax";
import { DataError, ShapeError } from "../errors.ts";
import { checkCodes, checkCount, checkValues, checkVectors } from "./checks.ts";
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
 */
export function kMeans(
  z: np.Array,
  numCodes: number,
  key: np.Array,
  { iterations = 10, start, ...search }: KMeansOptions = {},
): KMeansResult {
  checkCount("kMeans numCodes", numCodes, 1);
  checkCount("kMeans iterations", iterations, 1);
  const dim = z.shape.at(-1);
  if (dim === undefined || dim === 0)
    throw new ShapeError(`kMeans: z is [${z.shape.join()}], expected float32[.., D]`);
  checkVectors("kMeans", z, dim);
  const numVectors = z.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  if (start !== undefined) checkCodes("kMeans start", start, dim, numCodes);
  else if (numVectors < numCodes) {
    throw new DataError(
      `kMeans: ${numCodes} codes from ${numVectors} vectors: expected at least as many vectors as codes`,
    );
  }
  const cosine = search.distance === "cosine";
  checkValues("kMeans z", z, cosine);

  const flat = lax.stopGradient(z).reshape([numVectors, dim]);
  const data = cosine ? normalize(flat) : flat;
  let codes: np.Array;
  if (start === undefined) {
    codes = data.ref.slice(random.permutation(key, numVectors).slice([0, numCodes]));
  } else {
    key.dispose();
    codes = cosine ? normalize(lax.stopGradient(start)) : lax.stopGradient(start);
  }
  let counts: np.Array | undefined;
  for (let round = 0; round < iterations; round++) {
    counts?.dispose();
    const nearest = nearestCode(data.ref, codes.ref, search);
    counts = countCodes(nearest.ref, numCodes);
    const sums = sumByCode(data.ref, nearest, numCodes);
    const divisor = np.maximum(counts.ref, 1).reshape([numCodes, 1]);
    const means = cosine ? normalize(sums.div(divisor)) : sums.div(divisor);
    codes = np.where(counts.ref.greater(0).reshape([numCodes, 1]), means, codes);
  }
  data.dispose();
  return { codes, counts: counts! };
}

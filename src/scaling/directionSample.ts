import { ConfigError, ShapeError } from "../errors.ts";
import type { DirectionMoments } from "./generalLaw.ts";

/**
 * Numbers from which the moments of an update follow, as they are measured at a checkpoint: updates `φ_k`, each from a few of n
 * microbatches, gradients `g_j` of the microbatches, and Hessians `H_k` of other batches.
 */
export interface DirectionSample {
  /** Number of microbatches, n. */
  readonly numGradients: number;
  /** The microbatches from which each update was computed. */
  readonly members: readonly (readonly number[])[];
  /** `φ_kᵀg_j`, row by row: a row per update, n columns. */
  readonly alignment: ArrayLike<number>;
  /** The updates k for which `H_k·φ_k` is known, */
  readonly curved: readonly number[];
  /** and the updates l with which its products were taken. It holds all of `curved`. */
  readonly against: readonly number[];
  /** `φ_lᵀH_kφ_k`, row by row: a row for each of `curved`, a column for each of `against`. */
  readonly curvature: ArrayLike<number>;
}

/** What an update of one batch does on average. */
export interface SplitMoments {
  /** `E[φ̃]ᵀg` */
  readonly alignment: number;
  /** `E[φ̃]ᵀH·E[φ̃]` */
  readonly signal: number;
  /** `tr(cov(φ̃)·H)`; `E[φ̃ᵀHφ̃]` is the sum of both. */
  readonly noise: number;
}

/** @throws ShapeError, ConfigError */
export function checkDirectionSample(where: string, sample: DirectionSample): void {
  const { numGradients, members, alignment, curved, against, curvature } = sample;
  if (
    alignment.length !== members.length * numGradients ||
    curvature.length !== curved.length * against.length
  )
    throw new ShapeError(
      `${where}: got ${alignment.length} and ${curvature.length} products, expected ${members.length * numGradients} and ${curved.length * against.length}`,
    );
  if (curved.length < 1 || against.length < 2 || members.length < 2)
    throw new ConfigError(
      `${where}: got ${members.length} updates, ${curved.length} of them with curvature: expected two or more`,
    );
  if (members.some((own) => own.length >= numGradients))
    throw new ConfigError(
      `${where}: an update from all ${numGradients} microbatches: expected others beside it`,
    );
}

/**
 * Unbiased moments of the update from products of independent factors: only pairs of an update with the gradients of other
 * microbatches count, and `E[φ̃]ᵀH·E[φ̃]` comes from pairs of different updates.
 *
 * @param weights - of the updates and of the gradients, for a bootstrap; default all 1
 *
 * Source: Su-10542 for the moments.
 *
 * @example
 * ```ts
 * const { alignment, signal, noise } = splitMoments({
 *   numGradients: 3,
 *   members: [[], [0]], // of samples of their own, and of the first microbatch
 *   alignment: [1, 2, 3, 10, 4, 6],
 *   curved: [0, 1],
 *   against: [0, 1],
 *   curvature: [8, 1, 3, 6],
 * });
 * [alignment, signal, noise]; // => [3.2, 2, 5]
 * ```
 */
export function splitMoments(
  sample: DirectionSample,
  weights?: { readonly updates: ArrayLike<number>; readonly gradients: ArrayLike<number> },
): SplitMoments {
  checkDirectionSample("splitMoments", sample);
  const { numGradients, members, alignment, curved, against, curvature } = sample;
  let [aligned, alignedWeight] = [0, 0];
  for (const [k, own] of members.entries()) {
    const w = weights?.updates[k] ?? 1;
    for (let j = 0; j < numGradients; j++) {
      if (own.includes(j)) continue;
      const both = w * (weights?.gradients[j] ?? 1);
      aligned += both * alignment[k * numGradients + j]!;
      alignedWeight += both;
    }
  }
  let [total, totalWeight, signal, signalWeight] = [0, 0, 0, 0];
  for (const [row, k] of curved.entries()) {
    const w = weights?.updates[k] ?? 1;
    for (const [column, l] of against.entries()) {
      const value = curvature[row * against.length + column]!;
      if (l === k) {
        total += w * value;
        totalWeight += w;
      } else {
        const both = w * (weights?.updates[l] ?? 1);
        signal += both * value;
        signalWeight += both;
      }
    }
  }
  return {
    alignment: aligned / alignedWeight,
    signal: signal / signalWeight,
    noise: total / totalWeight - signal / signalWeight,
  };
}

/**
 * What decides the best learning rate: `E[φ̃]ᵀg`, and the curvature with the noise multiplied by `noiseFactor`.
 *
 * @param noiseFactor - 1 for updates of the batch size that was measured. For updates that are linear in the gradient, b/B gives
 *   those of another batch size. For updates that remember τ batches, τ: their noise adds up over τ steps.
 *
 * @example
 * ```ts
 * // Twice the batch: half of the noise.
 * directionMoments({ alignment: 1, signal: 2, noise: 5 }, 0.5); // => { alignment: 1, curvature: 4.5 }
 * ```
 */
export function directionMoments(
  { alignment, signal, noise }: SplitMoments,
  noiseFactor: number,
): DirectionMoments {
  return { alignment, curvature: signal + noiseFactor * noise };
}

/**
 * Number of batches that an average of gradients with these weights is worth, `(Σw)²/Σw²`.
 *
 * @example
 * ```ts
 * effectiveBatches([1, 1, 1, 1]); // => 4
 * // An exponential average of decay 0.9.
 * effectiveBatches(Array.from({ length: 400 }, (_, i) => 0.9 ** i)); // => 19.0
 * ```
 */
export function effectiveBatches(weights: Iterable<number>): number {
  let [sum, squares] = [0, 0];
  for (const weight of weights) {
    sum += weight;
    squares += weight * weight;
  }
  return (sum * sum) / squares;
}

import { lax, numpy as np } from "@jax-js/jax";
import { checkNonNegative } from "../numberChecks.ts";
import { computed, nonNegative, type OptionTable, required } from "../options/index.ts";
import { checkName, checkPair } from "./checks.ts";

/** Weights of the two losses that tie vectors and codes together. */
export interface LossWeights {
  /** Of `mean (q − sg[z])²`, which moves codes to vectors. */
  readonly codebook: number;
  /** Of `mean (z − sg[q])²`, which moves vectors to codes. */
  readonly commitment: number;
}

/** Options of {@link LossWeights}. */
const lossTable = {
  codebook: required(nonNegative),
  commitment: required(nonNegative),
} satisfies OptionTable;

/** The option `loss` of a quantizer. @param text - its default in words */
export const lossOption = (text: string, source: string) =>
  computed({ kind: "group", table: lossTable }, text, source);

/**
 * Where β stands:
 * - `"vq-vae"`: `(q − sg z)² + β(z − sg q)²`, the paper's (arXiv 1711.00937, eq. 3), SimVQ's and that of `legacy=False` in
 *   taming-transformers; vector-quantize-pytorch's SimVQ calls β `input_to_quantize_commit_loss_weight`;
 * - `"taming-legacy"`: `β(q − sg z)² + (z − sg q)²`, the default (`legacy=True`) of taming-transformers and of SimVQ's class.
 */
export type LossConvention = "vq-vae" | "taming-legacy";

/**
 * The weights of a published convention.
 *
 * @param beta - default 0.25 (both)
 * @throws ConfigError for an unknown convention or a negative β
 *
 * @example
 * ```ts
 * lossWeights("vq-vae"); // => { codebook: 1, commitment: 0.25 }
 * ```
 */
export function lossWeights(convention: LossConvention, beta = 0.25): LossWeights {
  checkName("loss convention", convention, ["vq-vae", "taming-legacy"]);
  checkNonNegative("beta", beta);
  return convention === "vq-vae" ? { codebook: 1, commitment: beta } : { codebook: beta, commitment: 1 };
}

/** @throws ConfigError if a weight is negative */
export function checkLossWeights({ codebook, commitment }: LossWeights): LossWeights {
  checkNonNegative("loss.codebook", codebook);
  checkNonNegative("loss.commitment", commitment);
  return { codebook, commitment };
}

/**
 * `codebook·mean (q − sg[z])² + commitment·mean (z − sg[q])²`; means over all components, as in PyTorch's `mse_loss` (the paper
 * sums over components).
 *
 * vector-quantize-pytorch's learnable `VectorQuantize` takes one mean of `(q − z)²` with derivatives to both: the same derivatives as
 * weights 1 and 1 here, and half the value.
 *
 * @param z - `float32[.., D]`, consumed
 * @param q - `float32[.., D]`, consumed
 * @throws ShapeError unless both have one shape; nothing is consumed then
 * @returns `loss: float32[]`, and `error: float32[]`, the mean of `(z − q)²` without derivative
 *
 * @example
 * ```ts
 * const { loss, error } = quantizerLoss(np.array([[1, 3]]), np.array([[1, 1]]), lossWeights("vq-vae"));
 * loss; // => 2.500
 * error; // => 2.000
 * ```
 */
export function quantizerLoss(
  z: np.Array,
  q: np.Array,
  { codebook, commitment }: LossWeights,
): { loss: np.Array; error: np.Array } {
  checkPair("quantizerLoss", z, q);
  const meanSquare = (a: np.Array, b: np.Array) => np.mean(np.square(a.sub(b)));
  const error = meanSquare(lax.stopGradient(z.ref), lax.stopGradient(q.ref));
  const toCodes = meanSquare(q.ref, lax.stopGradient(z.ref)).mul(codebook);
  const toVectors = meanSquare(z, lax.stopGradient(q)).mul(commitment);
  return { loss: toCodes.add(toVectors), error };
}

import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkNonNegative, checkPositive } from "../numberChecks.ts";
import { chain, type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import type { MatrixOptions } from "./matrixBlocks.ts";
import { isMatrix, type MatrixSelection, type ParameterMask } from "./matrixSelection.ts";
import { addSchattenDecay, type SchattenDecayOptions } from "./schattenDecay.ts";
import { addSpectralDecay, type SpectralDecayOptions } from "./spectralDecay.ts";
import { addDecayedWeights, type DecayMask, treePaths } from "./transforms.ts";

export interface FrobeniusDecay {
  readonly kind: "frobenius";
  readonly strength: number;
  /** Only where the update shrinks the weight anyway; see {@link addCautiousDecay}. Default false. */
  readonly cautious?: boolean;
  readonly mask?: ParameterMask;
}

/** The largest singular value only. */
export interface SpectralDecay extends Omit<SpectralDecayOptions, "k"> {
  readonly kind: "spectral";
  readonly strength: number;
}

/** The k largest singular values. */
export interface TopKDecay extends SpectralDecayOptions {
  readonly kind: "top-k";
  readonly strength: number;
  readonly k: number;
}

export interface SchattenDecay extends SchattenDecayOptions {
  readonly kind: "schatten";
  readonly strength: number;
}

/**
 * A decoupled weight decay. `strength` is λ; it is multiplied by the learning rate (torch.optim.AdamW, Optax). For Loshchilov and
 * Hutter's convention see {@link independentStrength}.
 */
export type WeightDecay = FrobeniusDecay | SpectralDecay | TopKDecay | SchattenDecay;

/**
 * The stage of a decay, to be placed before `scaleByLearningRate`.
 *
 * @param mask - for a decay that has none of its own: of the parameters with two axes, those that it admits decay, by its own strength
 *   whatever the mask's number; by default all
 * @param reading - how parameters are read as matrices, for a decay that doesn't say; by default each is one matrix
 * @throws ConfigError for an unknown kind or impossible options
 *
 * @example
 * ```ts
 * const { update, init } = decayWeights({ kind: "frobenius", strength: 0.1 });
 * const params = { up: np.array([[10]]), bias: np.array([10]) };
 * const gradients = { up: np.array([[1]]), bias: np.array([1]) };
 * const [updates] = update(gradients, init(tree.ref(params)), params);
 * updates.up; // => [[2.000]]
 * updates.bias; // => [1.000]
 * ```
 */
export function decayWeights(
  decay: WeightDecay,
  mask?: DecayMask,
  { matrixLayout, matrixAxes, split }: MatrixOptions = {},
): GradientTransformation {
  const admits: ParameterMask = (path, shape) =>
    isMatrix(path, shape) && Boolean(mask?.(path, shape) ?? true);
  const selection: MatrixSelection = {
    ...(matrixLayout === undefined ? {} : { matrixLayout }),
    ...(matrixAxes === undefined ? {} : { matrixAxes }),
    ...(split === undefined ? {} : { split }),
    ...(mask === undefined ? {} : { mask: admits }),
  };
  switch (decay.kind) {
    case "frobenius": {
      const add = decay.cautious === true ? addCautiousDecay : addDecayedWeights;
      return add(decay.strength, decay.mask ?? admits);
    }
    case "spectral":
    case "top-k": {
      const { kind: _, strength, ...options } = decay;
      return addSpectralDecay(strength, { ...selection, ...options });
    }
    case "schatten": {
      const { kind: _, strength, ...options } = decay;
      return addSchattenDecay(strength, { ...selection, ...options });
    }
    default:
      throw new ConfigError(
        `weight decay kind "${(decay as WeightDecay).kind}": expected "frobenius", "spectral", "top-k" or "schatten"`,
      );
  }
}

/**
 * What the options `weightDecay` and `matrixDecay` of an optimizer do together: plain decay, and the other kind beside it.
 */
export function decoupledDecay(
  weightDecay: number,
  matrixDecay: WeightDecay | undefined,
  mask?: DecayMask,
  reading?: MatrixOptions,
): GradientTransformation {
  const plain = addDecayedWeights(weightDecay, mask);
  return matrixDecay === undefined ? plain : chain(plain, decayWeights(matrixDecay, mask, reading));
}

/**
 * Adds `strength·w` to the update where both have the same sign (or one is zero), so that decay never works against the update.
 *
 * Source: Chen et al., Cautious Weight Decay, arXiv 2510.12402; an option of microsoft/dion, the rule of nanochat.
 *
 * @example
 * ```ts
 * const { update, init } = addCautiousDecay(0.1);
 * const params = { up: np.array([[10, 10]]) };
 * // The second update lets its weight grow: no decay works against it.
 * const [updates] = update({ up: np.array([[1, -1]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[2.000, -1.000]]
 * ```
 */
export function addCautiousDecay(strength: number, mask: ParameterMask = () => true): GradientTransformation {
  checkNonNegative("cautious decay: strength", strength);
  return stateless((updates, params) => {
    const admitted = treePaths(params).map(({ path, array }) => mask(path, array.shape));
    let index = 0;
    return mapArrays(
      (u, w) => {
        if (!admitted[index++]) {
          w.dispose();
          return u;
        }
        const agrees = np.sign(u.ref).mul(np.sign(w.ref)).greaterEqual(0);
        return u.add(np.where(agrees, w.mul(strength), 0));
      },
      updates,
      params,
    );
  });
}

/**
 * The strength for which a decay that is multiplied by the learning rate equals one that is multiplied by the schedule alone:
 * `λ/η_peak`, as `η(t)·λ/η_peak = schedule(t)·λ`. With it, sweeping the learning rate leaves the decay as it is.
 *
 * @param strength - λ, the part that a weight loses per step at the schedule's peak
 *
 * Source: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2.
 *
 * @example
 * ```ts
 * // With AdamW at a peak of 0.002, a weight loses 10⁻⁴ of itself per step there:
 * independentStrength(1e-4, 0.002); // => 0.050
 * ```
 */
export function independentStrength(strength: number, peakLearningRate: number): number {
  checkNonNegative("weight decay: strength", strength);
  checkPositive("peak learning rate", peakLearningRate);
  return strength / peakLearningRate;
}

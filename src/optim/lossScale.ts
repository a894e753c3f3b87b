import { numpy as np, tree } from "@jax-js/jax";
import { checkPositive } from "../numberChecks.ts";
import { mapArrays, type Tree } from "./gradientTransformation.ts";

export interface LossScaleOptions {
  /** Factor of the loss at first. Default 65,536 (torch.amp.GradScaler). */
  readonly initial?: number;
  /** Steps without an overflow after which the factor doubles. Default 2,000 (torch.amp.GradScaler). */
  readonly growthInterval?: number;
}

/** What a loss is multiplied by, so that small gradients survive float16, and what became of it. */
export interface LossScale {
  /** A power of two if it began as one, `float32[]`. */
  readonly scale: np.Array;
  /** Steps since it last changed, `int32[]`. */
  readonly goodSteps: np.Array;
  /** Steps that were left out since the beginning, `int32[]`. */
  readonly skipped: np.Array;
}

const defaults = { initial: 2 ** 16, growthInterval: 2000 } as const;
const growth = 2;
const backoff = 0.5;
/** Twice as much would leave float32 with the loss itself. */
const largest = 2 ** 100;

/**
 * The loss scale at step 0.
 *
 * @throws ConfigError unless `initial` is positive
 *
 * @example
 * ```ts
 * initLossScale().scale; // => 65536
 * ```
 */
export function initLossScale({ initial = defaults.initial }: LossScaleOptions = {}): LossScale {
  checkPositive("lossScale: initial", initial);
  const zero = () => np.array(0, { dtype: np.int32 });
  return { scale: np.array(initial), goodSteps: zero(), skipped: zero() };
}

/**
 * Whether every element of a tree is finite, as `bool[]`: `Σ|g| < ∞`, one pass that only reads. A sum that leaves float32 counts as infinite.
 *
 * @param gradients - consumed
 *
 * @example
 * ```ts
 * allFinite({ w: np.array([1, -2]), b: np.array([3]) }); // => true
 * allFinite({ w: np.array([1, NaN]) }); // => false
 * ```
 */
export function allFinite(gradients: Tree): np.Array {
  const sums = (tree.leaves(gradients) as np.Array[]).map((g) => np.absolute(g).sum());
  return sums.reduce((a, b) => a.add(b), np.array(0)).less(Number.POSITIVE_INFINITY);
}

/**
 * The loss scale after a step: halved where the gradients weren't finite, doubled after `growthInterval` steps in which they were.
 *
 * @param state - consumed
 * @param finite - whether the step's gradients were, `bool[]`; consumed
 *
 * Source: Micikevicius et al., arXiv 1710.03740, section 3.2; rule and defaults of torch.amp.GradScaler.
 *
 * @example
 * ```ts
 * const { scale, skipped } = adjustLossScale(initLossScale({ initial: 8 }), np.array(false));
 * scale; // => 4
 * skipped; // => 1
 * const grown = adjustLossScale(initLossScale({ initial: 8 }), np.array(true), { growthInterval: 1 });
 * grown.scale; // => 16
 * ```
 */
export function adjustLossScale(
  { scale, goodSteps, skipped }: LossScale,
  finite: np.Array,
  { growthInterval = defaults.growthInterval }: Pick<LossScaleOptions, "growthInterval"> = {},
): LossScale {
  const good = goodSteps.add(1);
  const isDue = good.ref.greaterEqual(growthInterval);
  const grown = np.where(isDue.ref, np.minimum(scale.ref.mul(growth), largest), scale.ref);
  const zero = () => np.array(0, { dtype: np.int32 });
  return {
    scale: np.where(finite.ref, grown, scale.mul(backoff)),
    goodSteps: np.where(finite.ref, np.where(isDue, zero(), good), zero()),
    skipped: np.where(finite, skipped.ref, skipped.add(1)),
  };
}

/**
 * One tree where a condition holds, else the other.
 *
 * @param condition - `bool[]`, consumed
 * @param value - consumed
 * @param other - of the same structure and shapes, consumed
 *
 * @example
 * ```ts
 * chooseTree(np.array(false), { w: np.array([1]) }, { w: np.array([2]) }).w; // => [2]
 * ```
 */
export function chooseTree(condition: np.Array, value: Tree, other: Tree): Tree {
  const chosen = mapArrays((a, b) => np.where(condition.ref, a, b), value, other);
  condition.dispose();
  return chosen;
}

import { nn, numpy as np } from "@jax-js/jax";
import { checkShapes } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { checkIndices } from "./checkIndices.ts";

export interface CrossEntropyOptions {
  /** Targets of this value don't count, as those that the mask leaves out; any integer, `-100` in PyTorch. Default: none. */
  readonly ignoreIndex?: number;
}

/**
 * Mean of `logsumexp(logits) − logits[target]` in nats over the targets that count, without a one-hot array of the vocabulary.
 *
 * Targets that don't count may be anything; neither they nor their logits are read, and their gradient is 0. A target that counts lies in
 * `[0, V)`: others are refused, never read as another row's. Where values are known (eagerly, or closed over by `grad`) and when a compiled
 * function runs that is a DataError; under `jit`, which can't throw, the loss is NaN. (jax-js's own indexing reads element 0 for a negative
 * index, and its `oneHot(-1)` is all ones.)
 *
 * @param logits - `float32[.., V]`, consumed
 * @param targets - `int32[..]`, consumed
 * @param mask - `bool[..]`, true where a target counts; absent for all; consumed. If none counts the result is 0.
 * @returns `float32[]`
 * @throws ShapeError if the shapes don't fit, ConfigError for an ignoreIndex that isn't an integer, DataError for a target; nothing is
 *   consumed then
 *
 * Source: the semantics of `ignore_index` of torch.nn.functional.cross_entropy. Differs: 0, not NaN, where nothing counts.
 *
 * @example
 * ```ts
 * const logits = np.array([[2, 0], [0, 2]]);
 * const targets = np.array([0, -100], { dtype: np.int32 });
 * crossEntropy(logits, targets, undefined, { ignoreIndex: -100 }); // => 0.1269
 * ```
 */
export function crossEntropy(
  logits: np.Array,
  targets: np.Array,
  mask?: np.Array,
  { ignoreIndex }: CrossEntropyOptions = {},
): np.Array {
  checkShapes("crossEntropy", {
    logits: [logits, "float32[B.., V]"],
    targets: [targets, "any[B..]"],
    mask: [mask, "any[B..]"],
  });
  if (ignoreIndex !== undefined && !Number.isInteger(ignoreIndex))
    throw new ConfigError(`crossEntropy ignoreIndex ${ignoreIndex}: expected an integer`);
  const vocabSize = logits.shape.at(-1)!;
  // A mask that is traced may leave out any target that is known.
  if (mask === undefined || mask instanceof np.Array) {
    const counts = mask?.ref.dataSync();
    checkIndices(
      "crossEntropy: target",
      targets,
      vocabSize,
      (value, i) => value === ignoreIndex || counts?.[i] === 0,
    );
  }
  let counted = mask?.astype(np.bool);
  if (ignoreIndex !== undefined) {
    const wanted = targets.ref.notEqual(ignoreIndex);
    counted = counted === undefined ? wanted : counted.mul(wanted);
  }
  if (counted === undefined) return tokenLosses(logits, targets).mean();
  const read = np.where(counted.ref, targets.astype(np.int32), 0).astype(np.int32);
  const losses = tokenLosses(logits, read);
  const flat = counted.reshape(losses.shape);
  const sum = np.where(flat.ref, losses, 0).sum();
  return sum.div(np.maximum(flat.astype(np.float32).sum(), 1));
}

/**
 * `logsumexp(logits) − logits[target]` of every target, in nats.
 *
 * @param logits - `float32[.., V]`, consumed
 * @param targets - `int32[..]` in `[0, V)`, consumed; compiled, others are a DataError of the call, in other traces their loss is NaN
 * @returns `float32[n]`, `n` the number of targets
 * @throws DataError for another target where values are known; nothing is consumed then
 */
export function tokenLosses(logits: np.Array, targets: np.Array): np.Array {
  const count = targets.size;
  const vocabSize = logits.shape.at(-1)!;
  checkIndices("cross-entropy: target", targets, vocabSize);
  const flat = logits.reshape([count, vocabSize]);
  const normalizer = nn.logsumexp(flat.ref, -1);
  const index = targets.reshape([count]).astype(np.int32);
  const known = index.ref.greaterEqual(0).mul(index.ref.less(vocabSize));
  const chosen = flat.slice(np.arange(count), index);
  return normalizer.sub(np.where(known, chosen, Number.NaN));
}

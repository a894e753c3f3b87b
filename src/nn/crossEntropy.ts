import { nn, numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";

/**
 * Mean of `logsumexp(logits) − logits[target]` in nats over the targets, without a one-hot array of the vocabulary.
 *
 * @param logits - `float32[.., V]`, consumed
 * @param targets - `int32[..]` in `[0, V)`, consumed
 * @param mask - `bool[..]`, true where a target counts; absent for all; consumed. If none counts the result is 0.
 * @returns `float32[]`
 * @throws ShapeError if the shapes don't fit; nothing is consumed then
 */
export function crossEntropy(logits: np.Array, targets: np.Array, mask?: np.Array): np.Array {
  const shape = targets.shape;
  if (
    logits.shape.slice(0, -1).join() !== shape.join() ||
    (mask !== undefined && mask.shape.join() !== shape.join())
  ) {
    throw new ShapeError(
      `crossEntropy: logits [${logits.shape.join()}] with targets [${shape.join()}]${mask === undefined ? "" : ` and mask [${mask.shape.join()}]`}: expected the shape of the logits without their last axis`,
    );
  }
  const losses = tokenLosses(logits, targets);
  if (mask === undefined) return losses.mean();
  const counted = mask.reshape(losses.shape).astype(np.float32);
  return losses.mul(counted.ref).sum().div(np.maximum(counted.sum(), 1));
}

/**
 * `logsumexp(logits) − logits[target]` of every target, in nats.
 *
 * @param logits - `float32[.., V]`, consumed
 * @param targets - `int32[..]` in `[0, V)`, consumed
 * @returns `float32[n]`, `n` the number of targets
 */
export function tokenLosses(logits: np.Array, targets: np.Array): np.Array {
  const count = targets.size;
  const vocabSize = logits.shape.at(-1)!;
  const flat = logits.reshape([count, vocabSize]);
  const normalizer = nn.logsumexp(flat.ref, -1);
  const chosen = flat.slice(np.arange(count), targets.reshape([count]).astype(np.int32));
  return normalizer.sub(chosen);
}

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
  const count = shape.reduce((a, b) => a * b, 1);
  const vocabSize = logits.shape.at(-1)!;
  const flat = logits.reshape([count, vocabSize]);
  const normalizer = nn.logsumexp(flat.ref, -1);
  const chosen = flat.slice(np.arange(count), targets.reshape([count]).astype(np.int32));
  const losses = normalizer.sub(chosen);
  if (mask === undefined) return losses.mean();
  const counted = mask.reshape([count]).astype(np.float32);
  return losses.mul(counted.ref).sum().div(np.maximum(counted.sum(), 1));
}

import type { StoredTensor } from "../checkpoint/index.ts";
import type { TrainConfig } from "../config/index.ts";
import { optimizerMethods, withDefaults } from "../optim/index.ts";
import { momentumBatches } from "../scaling/index.ts";

/** Root mean square of Adam's update over all elements, before learning rate and decay. */
export interface AdamUpdateSize {
  /** Of the means and mean squares that the checkpoint holds. */
  readonly measured: number;
  /** Of the gradients' mean and noise at the checkpoint, in mean field: `adamComponent`. */
  readonly predicted: number;
}

/** Adam's b1, where the optimizer is Adam or AdamW; null for others. */
export function adamMomentum(
  optimizer: TrainConfig["optimizer"],
): { b1: number; b2: number; eps: number } | null {
  if (optimizer.kind !== "adam" && optimizer.kind !== "adamw") return null;
  const { b1, b2, eps } = withDefaults(optimizerMethods[optimizer.kind].options, optimizer);
  return { b1, b2, eps };
}

/** `√(mean (m̂/(√v̂ + ε))²)` of a checkpoint's state; null before the first step or without such a state. */
export function measuredUpdateRms(
  tensors: ReadonlyMap<string, StoredTensor>,
  { b1, b2, eps }: { readonly b1: number; readonly b2: number; readonly eps: number },
): number | null {
  let [sum, size] = [0, 0];
  for (const [name, { data: means }] of tensors) {
    const split = name.startsWith("optimizer.") ? name.indexOf(".mu.") : -1;
    if (split < 0) continue;
    const prefix = name.slice(0, split);
    const squares = tensors.get(`${prefix}.nu.${name.slice(split + 4)}`)?.data;
    const count = tensors.get(`${prefix}.count`)?.data[0];
    if (squares === undefined || count === undefined || Number(count) === 0) return null;
    const [c1, c2] = [1 - b1 ** Number(count), 1 - b2 ** Number(count)];
    for (let i = 0; i < means.length; i++) {
      const root = Math.sqrt(Number(squares[i]!) / c2) + eps;
      if (root > 0) sum += (Number(means[i]!) / c1 / root) ** 2;
    }
    size += means.length;
  }
  return size === 0 ? null : Math.sqrt(sum / size);
}

/**
 * What the mean field says of it, for parameters that stand still: the root of the mean over elements of `(g² + σ²/B̂)/(g² + σ²/B)`, as
 * `adamComponent` has it, and at least `√((1 − β₁)/(1 + β₁))`. Estimates of `g²` are summed as they are: those below 0 make up for
 * the others that are noise. From fewer than about 8 batches' samples it is rough.
 *
 * @param squares - `g²`, unbiased, element by element: may be negative
 * @param variance - of one sample's gradient
 */
export function predictedUpdateRms(
  { squares, variance }: { readonly squares: Float32Array; readonly variance: Float32Array },
  batchSize: number,
  b1: number,
): number {
  const batches = momentumBatches({ kind: "average", decay: b1 });
  let sum = 0;
  for (let i = 0; i < variance.length; i++) {
    const noise = variance[i]! / batchSize;
    const meanSquare = Math.max(0, squares[i]!) + noise;
    if (meanSquare > 0) sum += (squares[i]! + noise / batches) / meanSquare;
  }
  return Math.sqrt(Math.max(1 / batches, sum / variance.length));
}

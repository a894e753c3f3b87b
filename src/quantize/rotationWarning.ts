import type { numpy as np } from "@jax-js/jax";
import { checkPair } from "./checks.ts";

/** Above this factor a warning is given: plain gradient descent then steps this many times further than straight-through. */
const noteworthy = 10;

/**
 * Says whether the rotation trick lengthens gradients so much that training may jump, and why.
 *
 * The encoder gets `(‖q‖/‖z‖)·Rᵀg`. Codes of SimVQ have norm about `1/√3` from the start, whatever the encoder puts out; an encoder whose
 * last layer starts near 0 gets gradients longer by `‖q‖/‖z‖`. Its output then overshoots in the first steps, W follows by the
 * codebook loss, and the commitment loss, which is not relative to any scale, jumps. Optimizers that normalise steps (Adam) hardly
 * show it. Remedies: `maxRatio`, codes of the encoder's scale, clipping.
 *
 * @param z - the encoder's output, `float32[.., D]`, left alone
 * @param q - its codes, `float32[.., D]`, left alone
 * @returns one line, or null if the root mean square of `‖q‖/‖z‖` over vectors that aren't zero is at most 10
 * @throws ShapeError for two shapes
 *
 * Reads values: not for `jit`, `grad` or `compile`. Measured in docs/methods/vector-quantization.md.
 *
 * @example
 * ```ts
 * const codes = np.array([[3, 4]]);
 * rotationWarning(np.array([[0.01, 0]]), codes) === null; // => false
 * rotationWarning(np.array([[4, 3]]), codes); // => null
 * ```
 */
export function rotationWarning(z: np.Array, q: np.Array): string | null {
  checkPair("rotationWarning", z, q);
  const dim = z.shape.at(-1)!;
  const [from, to] = [z.ref.dataSync(), q.ref.dataSync()];
  let [sum, count] = [0, 0];
  for (let first = 0; first < from.length; first += dim) {
    let [zz, qq] = [0, 0];
    for (let i = first; i < first + dim; i++) {
      zz += from[i]! ** 2;
      qq += to[i]! ** 2;
    }
    if (zz === 0) continue;
    sum += qq / zz;
    count++;
  }
  const ratio = Math.sqrt(sum / count);
  if (!(ratio > noteworthy)) return null;
  const rounded = ratio.toPrecision(3);
  return `rotation trick: codes are ${rounded} times as long as the vectors, and so are the encoder's gradients: its first steps may overshoot and the commitment loss jump; set maxRatio, or start codes at the encoder's scale`;
}

import { numpy as np } from "@jax-js/jax";
import { DataError } from "../errors.ts";

/**
 * Checks what picks rows of a table where values are known, that is outside `jit`, `grad`'s own arguments and `compile`: jax-js would read
 * some other row. In a trace nothing can be thrown; `compile` refuses such an index when the function runs.
 *
 * @param what - "embedding: token"
 * @param indices - left alone
 * @param admits - further values that are allowed
 * @throws DataError naming the first index outside `[0, size)`
 */
export function checkIndices(
  what: string,
  indices: np.Array,
  size: number,
  admits: (index: number, place: number) => boolean = () => false,
): void {
  if (!(indices instanceof np.Array) || indices.device === "webgpu") return;
  const values = indices.ref.dataSync();
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if ((Number.isInteger(value) && value >= 0 && value < size) || admits(value, i)) continue;
    throw new DataError(`${what} ${value} at ${i}: expected an integer in [0, ${size})`);
  }
}

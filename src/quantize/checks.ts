import { numpy as np } from "@jax-js/jax";
import { checkShapes, type Shaped, shownArray } from "../arrayShapes.ts";
import { ConfigError, DataError, ShapeError } from "../errors.ts";

/** @throws ShapeError unless `z` is `float32[.., dim]` with at least one vector; nothing is consumed */
export function checkVectors(what: string, z: np.Array, dim: number): void {
  if (z.dtype !== np.float32 || z.shape.at(-1) !== dim || z.shape.includes(0)) {
    throw new ShapeError(
      `${what}: z is ${shownArray(z)}, expected float32[.., ${dim}] with at least one vector`,
    );
  }
}

/** @throws ShapeError unless `codes` is `float32[codes, dim]`; nothing is consumed */
export function checkCodes(what: string, codes: np.Array, dim: number, numCodes?: number): void {
  const [rows, columns] = codes.shape;
  const fits = codes.shape.length === 2 && rows! > 0 && columns === dim && (numCodes ?? rows) === rows;
  if (codes.dtype !== np.float32 || !fits) {
    throw new ShapeError(
      `${what}: codes are ${shownArray(codes)}, expected float32[${numCodes ?? "codes"}, ${dim}]`,
    );
  }
}

/** @throws ShapeError unless `z` and `q` are vectors of one shape; nothing is consumed */
export function checkPair(what: string, z: Shaped, q: Shaped): void {
  checkShapes(what, { z: [z, "float32[B.., D]"], q: [q, "float32[B.., D]"] });
}

/** @throws ConfigError unless the value is one of `allowed` */
export function checkName(what: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) {
    const names = allowed.map((name) => `"${name}"`).join(", ");
    throw new ConfigError(`${what} "${value}": expected one of ${names}`);
  }
}

/**
 * Looks at the values of vectors where they are known, that is outside `jit`, `grad` and `compile`; tracers pass.
 *
 * @param x - left alone
 * @param directions - also refuse zero vectors, which have no direction
 * @throws DataError for NaN, infinities and zero vectors
 */
export function checkValues(what: string, x: np.Array, directions: boolean): void {
  if (!(x instanceof np.Array) || x.device === "webgpu") return;
  const dim = x.shape.at(-1)!;
  const data = x.ref.dataSync();
  for (let row = 0; row * dim < data.length; row++) {
    let isZero = true;
    for (let i = 0; i < dim; i++) {
      const value = data[row * dim + i]!;
      if (!Number.isFinite(value))
        throw new DataError(`${what}: component ${i} of vector ${row} is ${value}: expected finite numbers`);
      if (value !== 0) isZero = false;
    }
    if (isZero && directions)
      throw new DataError(`${what}: vector ${row} is zero, which has no direction: expected another vector`);
  }
}

/**
 * Checks indices before a table is read: their shape and dtype, and their range where values are known; jax-js reads whatever lies at
 * a wrong place.
 *
 * @param indices - left alone
 * @param sizes - number of codes, for each index of a vector
 * @throws ShapeError for another dtype or shape, DataError for an index out of range
 */
export function checkIndices(what: string, indices: np.Array, sizes: readonly number[]): void {
  const parts = sizes.length;
  if (indices.dtype !== np.int32 || (parts > 1 && indices.shape.at(-1) !== parts)) {
    throw new ShapeError(
      `${what}: indices are ${shownArray(indices)}, expected int32[..${parts > 1 ? `, ${parts}` : ""}]`,
    );
  }
  if (!(indices instanceof np.Array) || indices.device === "webgpu") return;
  const data = indices.ref.dataSync();
  for (let i = 0; i < data.length; i++) {
    const size = sizes[i % parts]!;
    if (data[i]! < 0 || data[i]! >= size)
      throw new DataError(`${what}: index ${data[i]} at ${i}: expected an integer in [0, ${size})`);
  }
}

import type { numpy as np } from "@jax-js/jax";
import type { Tree } from "./gradientTransformation.ts";
import { fromBlocks, type MatrixOptions, type MatrixReading, readMatrix, toBlocks } from "./matrixBlocks.ts";
import { treePaths } from "./transforms.ts";

/** Admits parameters by dotted path (`"blocks.0.mlp.up"`) and shape. */
export type ParameterMask = (path: string, shape: readonly number[]) => boolean;

/** Options of what treats some parameters as matrices, block by block, and leaves the others alone. */
export interface MatrixSelection extends MatrixOptions {
  /** Which parameters. Default: those with two axes, and those whose axes `matrixAxes` declares. */
  readonly mask?: ParameterMask;
}

/** Parameters with two axes. */
export const isMatrix: ParameterMask = (_path, shape) => shape.length === 2;

/**
 * How the parameters that a selection admits are read, by path; nothing is consumed.
 *
 * @throws ConfigError if one can't be read as matrices
 */
export function selectMatrices(
  params: Tree,
  { mask, ...options }: MatrixSelection,
): Map<string, MatrixReading> {
  const admits =
    mask ?? ((path, shape) => isMatrix(path, shape) || (options.matrixAxes?.(path, shape) ?? null) !== null);
  return new Map(
    treePaths(params)
      .filter(({ path, array }) => admits(path, array.shape))
      .map(({ path, array }) => [path, readMatrix(path, array.shape, options)]),
  );
}

/**
 * Applies `fn` to each stack of equal blocks of a parameter.
 *
 * @param array - consumed
 * @param fn - from and to `float32[count, fanIn, fanOut]`, consumes its argument
 */
export function mapBlocks(
  array: np.Array,
  reading: MatrixReading,
  fn: (stack: np.Array, index: number) => np.Array,
): np.Array {
  return fromBlocks(toBlocks(array, reading).map(fn), reading);
}

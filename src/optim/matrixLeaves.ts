import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import type { Tree } from "./gradientTransformation.ts";
import { treePaths } from "./transforms.ts";

/** Admits parameters by dotted path (`"blocks.0.mlp.up"`) and shape. */
export type ParameterMask = (path: string, shape: readonly number[]) => boolean;

/** The axes of a parameter that are rows and columns; negative ones count from the end. */
export type MatrixAxes = (path: string, shape: readonly number[]) => readonly [rows: number, columns: number];

/** A parameter read as a stack of matrices. */
export interface MatrixLeaf {
  readonly path: string;
  /** Sizes of the axes that are neither rows nor columns; empty for one matrix. */
  readonly stack: readonly number[];
  readonly rows: number;
  readonly columns: number;
  /** For each axis of the stack of matrices, the parameter's axis. */
  readonly order: readonly number[];
  /** Brings `[.., rows, columns]` back to the parameter's axes; consumes it. */
  restore(matrices: np.Array): np.Array;
}

const isMatrix: ParameterMask = (_path, shape) => shape.length === 2;
const lastTwo: MatrixAxes = () => [-2, -1];

/**
 * The parameters that a mask admits, read as matrices; nothing is consumed.
 *
 * @throws ConfigError if one has fewer than two axes, or its declared axes don't exist
 */
export function matricesOf(
  params: Tree,
  what: string,
  mask: ParameterMask = isMatrix,
  axes: MatrixAxes = lastTwo,
): Map<string, MatrixLeaf> {
  const matrices = new Map<string, MatrixLeaf>();
  for (const { path, array } of treePaths(params)) {
    const { shape } = array;
    if (!mask(path, shape)) continue;
    const rank = shape.length;
    const [rowAxis, columnAxis] = axes(path, shape).map((axis) => (axis < 0 ? axis + rank : axis)) as [
      number,
      number,
    ];
    const exists = (axis: number) => Number.isInteger(axis) && axis >= 0 && axis < rank;
    if (!exists(rowAxis) || !exists(columnAxis) || rowAxis === columnAxis) {
      throw new ConfigError(
        `${what}: parameter ${path} of shape [${shape.join()}]: expected two different axes for rows and columns`,
      );
    }
    const others = shape.flatMap((_, axis) => (axis === rowAxis || axis === columnAxis ? [] : [axis]));
    const order = [...others, rowAxis, columnAxis];
    const inverse = order.map((_, axis) => order.indexOf(axis));
    matrices.set(path, {
      path,
      stack: others.map((axis) => shape[axis]!),
      rows: shape[rowAxis]!,
      columns: shape[columnAxis]!,
      order,
      restore: (m) => np.transpose(m, inverse),
    });
  }
  return matrices;
}

/** `[.., rows, columns]` of a parameter, which is consumed. */
export function toMatrices(array: np.Array, { order }: MatrixLeaf): np.Array {
  return np.transpose(array, [...order]);
}

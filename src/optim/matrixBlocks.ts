import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";

/** Which axis of a matrix is the input: `src/nn` stores `[fanIn, fanOut]`, PyTorch `[fanOut, fanIn]`. */
export type MatrixLayout = "fanIn-fanOut" | "fanOut-fanIn";

/**
 * How an array is read as matrices: every axis is in one of the lists. Axes of `batch` count matrices (a stack of layers or
 * experts); several axes of one side are flattened, in the order given.
 *
 * @example
 * ```ts
 * // A convolution's kernel [outChannels, inChannels, height, width]: one matrix of (inChannels·height·width) × outChannels.
 * const kernel: MatrixAxes = { batch: [], fanIn: [1, 2, 3], fanOut: [0] };
 * describeMuon({ kernel: np.zeros([8, 3, 5, 5]) }, { matrixAxes: () => kernel })[0]!.blocks; // => [{ count: 1, fanIn: 75, fanOut: 8, scale: 1 }]
 * // 12 layers stacked as [12, modelDim, hiddenDim]: a batch of 12 matrices.
 * const stack: MatrixAxes = { batch: [0], fanIn: [1], fanOut: [2] };
 * describeMuon({ up: np.zeros([12, 64, 256]) }, { matrixAxes: () => stack })[0]!.blocks; // => [{ count: 12, fanIn: 64, fanOut: 256, scale: 2 }]
 * ```
 */
export interface MatrixAxes {
  readonly batch: readonly number[];
  readonly fanIn: readonly number[];
  readonly fanOut: readonly number[];
}

/**
 * Cuts an array along one axis into blocks that are matrices of their own. For a fused projection `[D, 3D]` the sizes are
 * `[D, D, D]`; per head they are `headDim`, as often as there are heads.
 */
export interface MatrixSplit {
  readonly axis: number;
  /** Lengths of the blocks along the axis; they sum to its length. */
  readonly sizes: readonly number[];
}

/** Options of everything that takes parameters for matrices. */
export interface MatrixOptions {
  /** Of arrays with two axes that `matrixAxes` doesn't declare. Default `"fanIn-fanOut"`, the layout of this library. */
  readonly matrixLayout?: MatrixLayout;
  /** Declares the axes of convolutions, stacks and the like; null for arrays that it leaves to `matrixLayout`. Default: none. */
  readonly matrixAxes?: (path: string, shape: readonly number[]) => MatrixAxes | null;
  /** Cuts fused matrices into blocks, each with a scale of its own; null for whole ones. Default: none. */
  readonly split?: (path: string, shape: readonly number[]) => MatrixSplit | null;
}

/** A checked reading of an array of a certain shape. */
export interface MatrixReading extends MatrixAxes {
  readonly path: string;
  readonly shape: readonly number[];
  /** Null for one block. */
  readonly split: MatrixSplit | null;
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/**
 * How the options read an array.
 *
 * @throws ConfigError if the array isn't a matrix and its axes aren't declared, or if axes or sizes don't fit
 */
export function readMatrix(
  path: string,
  shape: readonly number[],
  { matrixLayout = "fanIn-fanOut", matrixAxes, split }: MatrixOptions,
): MatrixReading {
  const where = `parameter ${path} of shape [${shape.join()}]`;
  let axes = matrixAxes?.(path, shape) ?? null;
  if (axes === null) {
    if (shape.length !== 2)
      throw new ConfigError(`${where}: expected a matrix, or its axes declared by matrixAxes`);
    if (matrixLayout !== "fanIn-fanOut" && matrixLayout !== "fanOut-fanIn") {
      throw new ConfigError(`matrixLayout "${matrixLayout}": expected "fanIn-fanOut" or "fanOut-fanIn"`);
    }
    const [fanIn, fanOut] = matrixLayout === "fanIn-fanOut" ? [0, 1] : [1, 0];
    axes = { batch: [], fanIn: [fanIn], fanOut: [fanOut] };
  }
  const { batch, fanIn, fanOut } = axes;
  const listed = [...batch, ...fanIn, ...fanOut].sort((a, b) => a - b);
  if (fanIn.length === 0 || fanOut.length === 0 || listed.join() !== shape.map((_, axis) => axis).join()) {
    throw new ConfigError(
      `${where}: matrixAxes ${JSON.stringify(axes)}: expected each axis once, and at least one for fanIn and for fanOut`,
    );
  }
  const cut = split?.(path, shape) ?? null;
  if (cut !== null) {
    const { axis, sizes } = cut;
    const positive = sizes.every((size) => Number.isInteger(size) && size > 0);
    if (!positive || sizes.reduce((a, b) => a + b, 0) !== shape[axis]) {
      throw new ConfigError(
        `${where}: split ${JSON.stringify(cut)}: expected positive sizes that sum to the axis's length`,
      );
    }
    if (batch.includes(axis))
      throw new ConfigError(`${where}: split along axis ${axis}: expected an axis of fanIn or fanOut`);
  }
  return { batch, fanIn, fanOut, path, shape, split: cut };
}

/** Blocks of one shape within a reading. */
export interface BlockShape {
  /** Number of matrices: the batch's, times the equal blocks'. */
  readonly count: number;
  readonly fanIn: number;
  readonly fanOut: number;
}

/** Blocks of equal size are one stack: the axis becomes two, of which the first counts matrices. */
function isEven({ split }: MatrixReading): boolean {
  return split?.sizes.every((size) => size === split.sizes[0]) ?? false;
}

/** The shapes of the blocks, in the order of {@link toBlocks}. */
export function blockShapes(reading: MatrixReading): BlockShape[] {
  const { batch, fanIn, fanOut, shape, split } = reading;
  const sizesOf = isEven(reading) ? split!.sizes.slice(0, 1) : (split?.sizes ?? [null]);
  const copies = isEven(reading) ? split!.sizes.length : 1;
  return sizesOf.map((size) => {
    const length = (axis: number) => (axis === split?.axis && size !== null ? size : shape[axis]!);
    return {
      count: copies * product(batch.map(length)),
      fanIn: product(fanIn.map(length)),
      fanOut: product(fanOut.map(length)),
    };
  });
}

/** The axes of an array whose split axis became two, and its shape. */
function unfolded(reading: MatrixReading): { axes: number[]; shape: number[] } {
  const { batch, fanIn, fanOut, shape, split } = reading;
  if (!isEven(reading)) return { axes: [...batch, ...fanIn, ...fanOut], shape: [...shape] };
  const { axis, sizes } = split!;
  const shifted = (list: readonly number[]) => list.map((a) => (a >= axis ? a + 1 : a));
  return {
    axes: [axis, ...shifted(batch), ...shifted(fanIn), ...shifted(fanOut)],
    shape: [...shape.slice(0, axis), sizes.length, sizes[0]!, ...shape.slice(axis + 1)],
  };
}

function boundaries(sizes: readonly number[]): number[] {
  let sum = 0;
  return sizes.slice(0, -1).map((size) => {
    sum += size;
    return sum;
  });
}

/** Pieces along the first axis, as views where the engine can. */
export function splitBatch(array: np.Array, counts: readonly number[]): np.Array[] {
  return counts.length === 1 ? [array] : np.split(array, boundaries(counts), 0);
}

/**
 * An array as stacks of matrices.
 *
 * @param array - of the reading's shape, consumed
 * @returns `float32[count, fanIn, fanOut]` for each of {@link blockShapes}
 */
export function toBlocks(array: np.Array, reading: MatrixReading): np.Array[] {
  const { axes, shape } = unfolded(reading);
  const whole = array.reshape(shape).transpose(axes);
  const blocks = blockShapes(reading);
  const pieces =
    blocks.length === 1
      ? [whole]
      : np.split(whole, boundaries(reading.split!.sizes), axes.indexOf(reading.split!.axis));
  return pieces.map((piece, i) => {
    const { count, fanIn, fanOut } = blocks[i]!;
    return piece.reshape([count, fanIn, fanOut]);
  });
}

/**
 * The inverse of {@link toBlocks}.
 *
 * @param blocks - consumed
 */
export function fromBlocks(blocks: readonly np.Array[], reading: MatrixReading): np.Array {
  const { axes, shape } = unfolded(reading);
  const place = axes.indexOf(reading.split?.axis ?? -1);
  const pieces = blocks.map((block, i) => {
    const sizes = axes.map((axis) => shape[axis]!);
    if (blocks.length > 1) sizes[place] = reading.split!.sizes[i]!;
    return block.reshape(sizes);
  });
  const whole = pieces.length === 1 ? pieces[0]! : np.concatenate(pieces, place);
  const inverse = shape.map((_, axis) => axes.indexOf(axis));
  return whole.transpose(inverse).reshape([...reading.shape]);
}

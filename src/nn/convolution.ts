import { lax, numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";

export interface ConvolutionParams {
  /** `[O, C, k, k]` */
  readonly kernel: np.Array;
  /** `[O]` */
  readonly bias: np.Array;
}

/**
 * A kernel of independent normal numbers with standard deviation `√(gain/(C·k²))`, and zeros for the bias.
 *
 * @param key - random key, consumed
 * @param gain - 2 keeps the variance before a ReLU (He et al., arXiv 1502.01852), 1 without one. Default 2.
 *
 * @example
 * ```ts
 * const { kernel, bias } = initConvolution(random.key(0), 3, 16, 5);
 * kernel.shape; // => [16, 3, 5, 5]
 * bias.shape; // => [16]
 * ```
 */
export function initConvolution(
  key: np.Array,
  channels: number,
  outChannels: number,
  size: number,
  gain = 2,
): ConvolutionParams {
  checkKeys("initConvolution", key);
  const std = Math.sqrt(gain / (channels * size ** 2));
  return {
    kernel: random.normal(key, [outChannels, channels, size, size]).mul(std),
    bias: np.zeros([outChannels]),
  };
}

/**
 * Convolution (in fact correlation, as everywhere in the field) over height and width, stride 1, zeros around the image so that its
 * size stays.
 *
 * @param x - `float32[B, H, W, C]`, consumed
 * @param params - consumed; `k` odd
 * @returns `float32[B, H, W, O]`
 * @throws ShapeError if `x` is not of rank 4, has other channels, or `k` is even; nothing is consumed then
 *
 * @example
 * ```ts
 * // A kernel that sums the pixels around.
 * const params = { kernel: np.ones([1, 1, 3, 3]), bias: np.zeros([1]) };
 * convolution(np.ones([1, 3, 3, 1]), params).reshape([3, 3]); // => [[4, 6, 4], [6, 9, 6], [4, 6, 4]]
 * ```
 */
export function convolution(x: np.Array, { kernel, bias }: ConvolutionParams): np.Array {
  const { k } = checkShapes("convolution", {
    kernel: [kernel, "float32[O, C, k, k]"],
    x: [x, "float32[B, H, W, C]"],
    bias: [bias, "float32[O]"],
  });
  if (k! % 2 === 0)
    throw new ShapeError(
      `convolution: kernel is ${shownArray(kernel)}, expected float32[O, C, k, k] with an odd k`,
    );
  const moved = x.transpose([0, 3, 1, 2]);
  return lax.conv(moved, kernel, [1, 1], "SAME").transpose([0, 2, 3, 1]).add(bias);
}

/**
 * Blocks of `f × f` pixels become channels: `y[b, i, j, (u·f + v)·C + c] = x[b, i·f + u, j·f + v, c]`. A linear map after it is a
 * convolution of size and stride `f`.
 *
 * @param x - `float32[B, H, W, C]`, consumed
 * @returns `float32[B, H/f, W/f, f²·C]`
 * @throws ShapeError if `x` is not of rank 4 or `f` doesn't divide both sides; nothing is consumed then
 *
 * @example
 * ```ts
 * const x = np.array([[1, 2], [3, 4]]).reshape([1, 2, 2, 1]);
 * spaceToDepth(x, 2); // => [[[[1, 2, 3, 4]]]]
 * ```
 */
export function spaceToDepth(x: np.Array, factor: number): np.Array {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || height % factor !== 0 || width % factor !== 0) {
    throw new ShapeError(
      `spaceToDepth: x is ${x.dtype}[${x.shape.join()}], expected [B, H, W, C] with sides divisible by ${factor}`,
    );
  }
  const [rows, columns] = [height / factor, width / factor];
  return x
    .reshape([batch, rows, factor, columns, factor, channels])
    .transpose([0, 1, 3, 2, 4, 5])
    .reshape([batch, rows, columns, factor ** 2 * channels]);
}

/**
 * The inverse of {@link spaceToDepth}. A linear map before it is a transposed convolution of size and stride `f`.
 *
 * @param x - `float32[B, H, W, f²·C]`, consumed
 * @returns `float32[B, H·f, W·f, C]`
 * @throws ShapeError if `x` is not of rank 4 or `f²` doesn't divide its channels; nothing is consumed then
 *
 * @example
 * ```ts
 * const x = np.array([[[[1, 2, 3, 4]]]]);
 * depthToSpace(x, 2).reshape([2, 2]); // => [[1, 2], [3, 4]]
 * ```
 */
export function depthToSpace(x: np.Array, factor: number): np.Array {
  const [batch, height, width, depth] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || depth % factor ** 2 !== 0) {
    throw new ShapeError(
      `depthToSpace: x is ${x.dtype}[${x.shape.join()}], expected [B, H, W, C] with channels divisible by ${factor ** 2}`,
    );
  }
  const channels = depth / factor ** 2;
  return x
    .reshape([batch, height, width, factor, factor, channels])
    .transpose([0, 1, 3, 2, 4, 5])
    .reshape([batch, height * factor, width * factor, channels]);
}

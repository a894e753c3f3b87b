import type { numpy as np } from "@jax-js/jax";
import { random, tree } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { tridiagonalEigen } from "../spectral/index.ts";
import { checkParameters, flatten, leavesOf, unflatten } from "./parameterTree.ts";

/** Approximate eigenvalues of a symmetric operator. */
export interface RitzValues {
  /** Ascending. The outermost converge first. */
  readonly values: Float64Array;
  /** `‖A y − θ y‖` of each Ritz vector `y`: an eigenvalue lies within this distance of `θ`. */
  readonly residuals: Float64Array;
  /**
   * Squared components of the start along each Ritz vector; they sum to 1. With random starts, the mean of `Σ weight·f(θ)` is
   * about `tr f(A)/n`.
   */
  readonly weights: Float64Array;
}

export interface LanczosOptions {
  /** Random key of the start, consumed. */
  readonly key: np.Array;
  /** Products with the operator, at most; fewer if the Krylov space is exhausted before. */
  readonly numSteps: number;
}

/** `a·b` of two vectors. */
function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** `a ← a + factor·b`. */
function addScaled(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}

/**
 * Outer eigenvalues of a symmetric operator over trees (a Hessian by its products, say) by Lanczos's iteration with full
 * reorthogonalisation, from a random start. The iteration itself is in float64; residuals can't fall below the rounding of the
 * products, about 10⁻⁶ of the norm in float32.
 *
 * Repeated eigenvalues are found once. Memory: `numSteps` vectors in float64.
 *
 * @param product - `v ↦ A v`, consumes `v`; may be a compiled {@link hessianVectorProduct} with the parameters bound
 * @param like - a tree of the operator's shapes, left alone
 * @throws ConfigError if `numSteps` isn't a positive integer, ShapeError if `like` holds integers; nothing is consumed then.
 *   NonFiniteError if a product isn't finite, ShapeError if it has another number of elements.
 *
 * Source: Golub and Van Loan, Matrix Computations, sections 10.1 and 10.3; for Hessians of networks: Ghorbani, Krishnan and Xiao,
 * arXiv 1901.10159.
 *
 * @example
 * ```ts
 * const product = (v: np.Array) => v.mul(np.array([1, 3, 10]));
 * const like = np.zeros([3]);
 * const { values } = await lanczos(product, like, { key: random.key(0), numSteps: 3 });
 * values; // => [1.000, 3.000, 10.000]
 * ```
 */
export async function lanczos(
  product: (vector: Tree) => Promise<Tree> | Tree,
  like: Tree,
  { key, numSteps }: LanczosOptions,
): Promise<RitzValues> {
  if (!Number.isInteger(numSteps) || numSteps < 1)
    throw new ConfigError(`lanczos numSteps ${numSteps}: expected a positive integer`);
  checkParameters("lanczos", like);
  let vector = await randomDirection(key, like);
  const size = vector.length;
  const basis: Float64Array[] = [];
  const diagonal: number[] = [];
  const offDiagonal: number[] = [];
  let largest = 0;
  for (let step = 0; step < Math.min(numSteps, size); step++) {
    basis.push(vector);
    const image = await flatten("lanczos product", await product(unflatten(like, vector)));
    if (image.length !== size)
      throw new ShapeError(`lanczos product: got ${image.length} elements, expected ${size}`);
    largest = Math.max(largest, Math.sqrt(dot(image, image)));
    diagonal.push(dot(image, vector));
    // Twice is enough: what one pass leaves is removed by the next.
    for (let pass = 0; pass < 2; pass++) {
      for (const known of basis) addScaled(image, -dot(image, known), known);
    }
    const length = Math.sqrt(dot(image, image));
    offDiagonal.push(length);
    if (length <= exhausted * largest) break;
    vector = image.map((value) => value / length);
  }
  const remainder = offDiagonal.pop()!;
  const { values, first, last } = tridiagonalEigen({
    diagonal: Float64Array.from(diagonal),
    offDiagonal: Float64Array.from(offDiagonal),
  });
  return {
    values,
    residuals: last.map((component) => Math.abs(component * remainder)),
    weights: first.map((component) => component * component),
  };
}

/** A direction shorter than this, relative to the longest image, is rounding: the Krylov space is invariant. */
const exhausted = 1e-12;

/** Normal elements, scaled to length 1. */
async function randomDirection(key: np.Array, like: Tree): Promise<Float64Array> {
  const leaves = leavesOf(like);
  const keys = random.split(key, leaves.length);
  const parts = leaves.map(({ shape }, i) => random.normal(keys.ref.slice(i), shape));
  keys.dispose();
  const flat = await flatten("lanczos start", tree.unflatten(tree.structure(like), parts));
  const length = Math.sqrt(dot(flat, flat));
  return flat.map((value) => value / length);
}

/**
 * Density of eigenvalues, smoothed by a normal kernel: `Σ weight·N(x; θ, width²)` averaged over runs of {@link lanczos} from
 * independent starts. Its integral is 1.
 *
 * @param runs - at least one
 * @param points - where to evaluate
 * @param width - standard deviation of the kernel, > 0
 * @throws ConfigError without runs or width
 *
 * Source: Ghorbani, Krishnan and Xiao, arXiv 1901.10159, section 2.
 *
 * @example
 * ```ts
 * const runs = [{ values: Float64Array.of(1, 3), weights: Float64Array.of(0.5, 0.5) }];
 * // Two normal distributions of width 0.1, each half of all.
 * spectralDensity(runs, [1, 2, 3], 0.1); // => [1.995, 0.000, 1.995]
 * ```
 */
export function spectralDensity(
  runs: readonly Pick<RitzValues, "values" | "weights">[],
  points: ArrayLike<number>,
  width: number,
): Float64Array {
  if (runs.length === 0) throw new ConfigError("spectralDensity: got 0 runs: expected at least 1");
  if (!(width > 0)) throw new ConfigError(`spectralDensity width ${width}: expected a positive number`);
  const height = 1 / (Math.sqrt(2 * Math.PI) * width * runs.length);
  return Float64Array.from(points, (x) => {
    let density = 0;
    for (const { values, weights } of runs) {
      for (const [i, value] of values.entries()) {
        density += weights[i]! * height * Math.exp(-0.5 * ((x - value) / width) ** 2);
      }
    }
    return density;
  });
}

import { lax, numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkInteger, checkNonNegative } from "../numberChecks.ts";
import { balance } from "../spectral/index.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  stateless,
  type Tree,
} from "./gradientTransformation.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleByLearningRate } from "./transforms.ts";

/**
 * `H·v` for the Hessian of the loss at `params`: consumes both trees and returns a third. For a loss over a batch, make the
 * transformation inside the step, so that the function sees the step's batch.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).sum();
 * const product: HessianVectorProduct = (params, vector) => jvp(grad(loss), [params], [vector])[1];
 * product(np.array([5, 6]), np.array([1, 2])); // => [2, 4]
 * ```
 */
export type HessianVectorProduct = (params: Tree, vector: Tree) => Tree;

export interface ScaleByNewtonOptions {
  readonly hessianVectorProduct: HessianVectorProduct;
  /** Added to every eigenvalue. Default 0. */
  readonly damping?: number;
  /**
   * `"signed"` is Newton's method, which also goes to saddles and maxima; `"absolute"` takes |λ| and descends (Dauphin et al., arXiv
   * 1406.2572, saddle-free Newton). Default `"signed"`.
   */
  readonly curvature?: "signed" | "absolute";
}

/** Eigenvalues below this part of the largest are rounding in float32. */
const resolved = 1e-6;

const leavesOf = (root: Tree) => tree.leaves(root) as np.Array[];

/** All elements as one vector; consumes the tree. */
function flatten(root: Tree): np.Array {
  const parts = leavesOf(root).map((leaf) => leaf.reshape([-1]));
  return parts.length === 1 ? parts[0]! : np.concatenate(parts);
}

/** The inverse of {@link flatten}; consumes the vector. */
function unflatten(vector: np.Array, like: Tree): Tree {
  const [leaves, structure] = tree.flatten(like) as [np.Array[], tree.JsTreeDef];
  let end = 0;
  const ends = leaves.map(({ size }) => {
    end += size;
    return end;
  });
  const parts = leaves.length === 1 ? [vector] : np.split(vector, ends.slice(0, -1));
  return tree.unflatten(
    structure,
    parts.map((part, i) => part.reshape(leaves[i]!.shape)),
  );
}

/**
 * `(H + damping·I)⁻¹ g` from the dense Hessian and its eigenvalues, for problems of up to some hundred parameters: n
 * Hessian-vector products and `O(n³)`. Directions with an eigenvalue below 10⁻⁶ of the largest, which float32 can't tell from zero, take
 * no step unless there is damping.
 *
 * Runs eagerly and under `jit`; `compile` can't lower the decomposition: use {@link scaleByNewtonCg} there.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Nocedal and Wright, Numerical Optimization, chapter 3.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 100])).sum();
 * const hessianVectorProduct: HessianVectorProduct = (w, v) => jvp(grad(loss), [w], [v])[1];
 * const { update, init } = scaleByNewton({ hessianVectorProduct });
 * const w = np.array([3, 1]);
 * const [updates] = update(grad(loss)(w.ref), init(w.ref), w);
 * updates; // => [3.000, 1.000]
 * ```
 */
export function scaleByNewton({
  hessianVectorProduct,
  damping = 0,
  curvature = "signed",
}: ScaleByNewtonOptions): GradientTransformation {
  checkNonNegative("damping", damping);
  if (curvature !== "signed" && curvature !== "absolute")
    throw new ConfigError(`Newton curvature "${curvature}": expected "signed" or "absolute"`);
  return stateless((updates, params) => {
    const gradient = flatten(tree.ref(updates));
    const n = gradient.size;
    const basis = np.eye(n);
    const rows = Array.from({ length: n }, (_, i) =>
      flatten(hessianVectorProduct(tree.ref(params), unflatten(basis.ref.slice(i), updates))),
    );
    basis.dispose();
    tree.dispose(params);
    const [vectors, signed] = lax.linalg.eigh(np.stack(rows));
    const size = np.absolute(signed.ref);
    const largest = np.max(size.ref);
    const [chosen, other] = curvature === "signed" ? [signed, size] : [size, signed];
    other.dispose();
    const values = chosen.add(damping);
    const floor = largest.mul(resolved).add(1e-30);
    const known = np.absolute(values.ref).greater(floor);
    const inverse = np.where(known.ref, np.reciprocal(np.where(known, values, 1)), 0);
    const coordinates = np.matmul(gradient, vectors.ref).mul(inverse);
    const step = unflatten(np.matmul(vectors, coordinates), updates);
    tree.dispose(updates);
    return step;
  });
}

export interface ScaleByNewtonCgOptions {
  readonly hessianVectorProduct: HessianVectorProduct;
  /** Hessian-vector products per step. Default 10. */
  readonly iterations?: number;
  /** Added to every eigenvalue. Default 0. */
  readonly damping?: number;
  /** The iteration rests when the residual is below this part of the gradient. Default 1e-5, near the accuracy of float32. */
  readonly tolerance?: number;
}

/** A tree times a power of two, `2⁻¹⁰⁰`, 1 or `2¹⁰⁰`, that brings its largest element into the middle of float32's range. */
function balanceTree(root: Tree): { balanced: Tree; inverse: np.Array } {
  const largest = leavesOf(root).map((leaf) => np.max(np.absolute(leaf.ref)));
  const { balanced: size, factor, inverse, logarithm } = balance(np.stack(largest), 0);
  tree.dispose([size, logarithm]);
  const by = factor.reshape([]);
  const balanced = mapArrays((leaf) => leaf.mul(by.ref), root);
  by.dispose();
  return { balanced, inverse: inverse.reshape([]) };
}

function dot(a: Tree, b: Tree): np.Array {
  const products = leavesOf(mapArrays((x, y) => x.mul(y).sum(), a, b));
  return products.reduce((sum, x) => sum.add(x));
}

/**
 * An approximation of `(H + damping·I)⁻¹ g` by a fixed number of conjugate-gradient iterations: products with H only, traceable by `jit`
 * and `compile`. On a quadratic of n parameters (or n distinct eigenvalues) n iterations reach the optimum.
 *
 * Negative curvature: at the first direction d with `dᵀ(H + damping·I)d ≤ 0` the iteration rests, with what it has by then; if that is
 * the very first direction, the update is the gradient itself. Either way it descends.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Nocedal and Wright, Numerical Optimization, algorithm 7.1 (line search Newton–CG, without the line search).
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 4])).sum();
 * const hessianVectorProduct: HessianVectorProduct = (w, v) => jvp(grad(loss), [w], [v])[1];
 * const { update, init } = scaleByNewtonCg({ hessianVectorProduct, iterations: 2 });
 * const w = np.array([3, 1]);
 * const [updates] = update(grad(loss)(w.ref), init(w.ref), w);
 * updates; // => [3.000, 1.000]
 * ```
 */
export function scaleByNewtonCg({
  hessianVectorProduct,
  iterations = 10,
  damping = 0,
  tolerance = 1e-5,
}: ScaleByNewtonCgOptions): GradientTransformation {
  checkInteger("Newton-CG iterations", iterations, 1);
  checkNonNegative("damping", damping);
  checkNonNegative("tolerance", tolerance);
  return stateless((updates, params) => {
    // The solution is linear in the gradient: squares of one of any size stay in float32.
    const { balanced, inverse } = balanceTree(updates);
    let residual = balanced;
    let direction = tree.ref(balanced);
    let square = dot(tree.ref(residual), tree.ref(residual));
    const enough = square.ref.mul(tolerance * tolerance);
    let solution: Tree = null;
    /** 1 until the iteration rests. */
    let active: np.Array = square.ref.greater(0).astype(np.float32);
    for (let i = 0; i < iterations; i++) {
      const product = mapArrays(
        (h, d) => h.add(d.mul(damping)),
        hessianVectorProduct(tree.ref(params), tree.ref(direction)),
        tree.ref(direction),
      );
      const curvature = dot(tree.ref(direction), tree.ref(product));
      const positive = curvature.ref.greater(0);
      active = active.mul(positive.ref.astype(np.float32));
      const running = active.ref.greater(0);
      const length = np.where(running.ref, square.ref.div(np.where(running.ref, curvature, 1)), 0);
      if (i === 0) {
        const first = np.where(positive, length.ref, 1);
        solution = mapArrays((d) => d.mul(first.ref), tree.ref(direction));
        first.dispose();
      } else {
        positive.dispose();
        solution = mapArrays((x, d) => x.add(d.mul(length.ref)), solution, tree.ref(direction));
      }
      residual = mapArrays((r, h) => r.sub(h.mul(length.ref)), residual, product);
      length.dispose();
      const next = dot(tree.ref(residual), tree.ref(residual));
      active = active.mul(next.ref.greater(enough.ref).astype(np.float32));
      const ratio = np.where(running.ref, next.ref.div(np.where(running, square, 1)), 0);
      direction = mapArrays((r, d) => r.add(d.mul(ratio.ref)), tree.ref(residual), direction);
      ratio.dispose();
      square = next;
    }
    tree.dispose([params, residual, direction, square, enough, active]);
    const scaled = mapArrays((x) => x.mul(inverse.ref), solution);
    inverse.dispose();
    return scaled;
  });
}

export interface NewtonOptions extends ScaleByNewtonOptions {
  /** Default 1, the full step. */
  readonly learningRate?: ScheduleOrNumber;
}

/**
 * Newton's method for small problems: `w ← w − η(H + damping·I)⁻¹g`, see {@link scaleByNewton}.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w.sub(np.array([3, -1]))).mul(np.array([1, 100])).sum();
 * const hessianVectorProduct: HessianVectorProduct = (w, v) => jvp(grad(loss), [w], [v])[1];
 * const { update, init } = newton({ hessianVectorProduct });
 * const w = np.zeros([2]);
 * // One step from anywhere reaches the optimum of a quadratic.
 * const [updates] = update(grad(loss)(w.ref), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [3.000, -1.000]
 * ```
 */
export function newton({ learningRate = 1, ...options }: NewtonOptions): GradientTransformation {
  return chain(scaleByNewton(options), scaleByLearningRate(learningRate));
}

export interface NewtonCgOptions extends ScaleByNewtonCgOptions {
  /** Default 1, the full step. */
  readonly learningRate?: ScheduleOrNumber;
}

/**
 * Newton's method with conjugate gradients, see {@link scaleByNewtonCg}.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w.sub(np.array([3, -1]))).mul(np.array([1, 4])).sum();
 * const hessianVectorProduct: HessianVectorProduct = (w, v) => jvp(grad(loss), [w], [v])[1];
 * const { update, init } = newtonCg({ hessianVectorProduct, iterations: 2 });
 * const w = np.zeros([2]);
 * const [updates] = update(grad(loss)(w.ref), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [3.000, -1.000]
 * ```
 */
export function newtonCg({ learningRate = 1, ...options }: NewtonCgOptions): GradientTransformation {
  return chain(scaleByNewtonCg(options), scaleByLearningRate(learningRate));
}

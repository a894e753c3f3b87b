import { grad, jvp, type numpy as np, tree } from "@jax-js/jax";
import type { Tree } from "../optim/index.ts";
import { checkParameters, checkSameTree } from "./parameterTree.ts";

/**
 * A scalar function of a tree of parameters, which it consumes. Batches, labels and other arrays are closed over; a function that
 * is differentiated twice is called more than once, so they need `.ref` in it.
 */
export type Loss = (params: Tree) => np.Array;

/** The gradient of a loss; consumes the parameters. */
export function gradientOf(loss: Loss): (params: Tree) => Tree {
  return grad(loss) as (params: Tree) => Tree;
}

/**
 * `H·v` for the Hessian `H` of a loss: forward over reverse, the directional derivative of the gradient along `v`.
 *
 * Products of matrices: a gradient has three for each one of the forward pass, `H·v` has eight, so it costs about 8/3 gradients.
 * {@link hessianVectorProducts} shares two of the eight among several vectors.
 *
 * @param loss - traceable
 * @returns `(params, vector) => H·v`; consumes both, traceable by `jit` and `compile`. `params`: floating-point arrays; `vector` and
 *   the result: a tree of the same shapes.
 * @throws ShapeError (from the result) if `vector` belongs to another tree or a parameter isn't floating-point; nothing is consumed
 *   then
 *
 * Source: Pearlmutter, Fast exact multiplication by the Hessian, 1994.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 3])).sum();
 * hessianVectorProduct(loss)(np.array([5, 7]), np.array([1, 1])); // => [2, 6]
 * ```
 */
export function hessianVectorProduct(loss: Loss): (params: Tree, vector: Tree) => Tree {
  const products = hessianVectorProducts(loss);
  return (params, vector) => {
    const { gradient, products: results } = products(params, [vector]);
    tree.dispose(gradient);
    return results[0];
  };
}

/** A gradient and products with the Hessian at the same place. */
export interface GradientAndProducts {
  readonly gradient: Tree;
  /** `H·v` for each vector. */
  readonly products: readonly Tree[];
}

/**
 * The gradient and `H·v` for several vectors `v` at the same parameters. Inside `compile` the forward and backward pass are
 * done once: `k` vectors cost `(2 + 6k)/3` gradients in place of `8k/3`. Eagerly each vector pays for both.
 *
 * @param loss - traceable
 * @returns `(params, vectors) => { gradient, products }`; consumes both
 * @throws ShapeError (from the result) as {@link hessianVectorProduct}
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 3])).sum();
 * const { gradient, products } = hessianVectorProducts(loss)(np.array([5, 7]), [np.array([1, 0]), np.array([0, 1])]);
 * gradient; // => [10, 42]
 * products.map((product) => product.js()); // => [[2, 0], [0, 6]]
 * ```
 */
export function hessianVectorProducts(
  loss: Loss,
): (params: Tree, vectors: readonly Tree[]) => GradientAndProducts {
  const gradientAt = gradientOf(loss);
  return (params, vectors) => {
    checkParameters("hessianVectorProduct", params);
    for (const vector of vectors) checkSameTree("hessianVectorProduct vector", params, vector);
    const products: Tree[] = [];
    let gradient: Tree = null;
    for (const vector of vectors) {
      const [value, product] = jvp(gradientAt, [tree.ref(params)], [vector]) as [Tree, Tree];
      products.push(product);
      if (gradient === null) gradient = value;
      else tree.dispose(value);
    }
    if (gradient === null) return { gradient: gradientAt(params), products };
    tree.dispose(params);
    return { gradient, products };
  };
}

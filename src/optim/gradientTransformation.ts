import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";

/**
 * A tree of arrays: parameters, gradients, updates or a part of them. The functions of this folder keep its structure.
 */
// biome-ignore lint/suspicious/noExplicitAny: trees are plain objects of any shape; jax-js types them as any too
export type Tree = any;

/**
 * One stage of an optimizer: turns gradients into updates. Stages are joined by {@link chain}; the result of the last one is
 * added to the parameters by {@link applyUpdates}.
 *
 * All arrays given are consumed, as everywhere in jax-js; the state is a tree of arrays, so that a checkpoint can hold it.
 */
export interface GradientTransformation {
  /** State for parameters of these shapes. Consumes `params`. */
  init(params: Tree): Tree;
  /** `[updates, new state]`. Consumes the first three, and leaves what was observed alone. */
  update(
    updates: Tree,
    state: Tree,
    params: Tree,
    observed?: Observed,
  ): readonly [updates: Tree, state: Tree];
}

/** What a forward pass saw beside the gradients, for stages that need it. */
export interface Observed {
  /** Largest logits of each attention and head, `float32[layers, N]`. */
  readonly maxLogits?: np.Array;
}

function describeTree(root: Tree): string {
  if (root === undefined) return "nothing";
  const shapes = (tree.leaves(root) as np.Array[]).map(({ shape }) => `[${shape.join()}]`);
  const shown = shapes.slice(0, 4).join(" ");
  return `${shapes.length} arrays${shown === "" ? "" : ` ${shown}`}${shapes.length > 4 ? " …" : ""}`;
}

function sameTree(a: Tree, b: Tree): boolean {
  if (a === undefined || b === undefined) return false;
  const [leaves, others] = [tree.leaves(a), tree.leaves(b)] as [np.Array[], np.Array[]];
  return (
    tree.structure(a).equals(tree.structure(b)) &&
    leaves.every((leaf, i) => leaf.shape.join() === others[i]!.shape.join())
  );
}

/**
 * Applies `fn` to the arrays at the same place of several trees.
 *
 * @throws ConfigError if the trees don't have the same structure and shapes, as when a state belongs to other parameters; nothing
 *   is consumed then
 *
 * @example
 * ```ts
 * mapArrays((a, b) => a.mul(b), { w: np.array([1, 2]) }, { w: np.array([3, 4]) }).w; // => [3, 8]
 * ```
 */
export function mapArrays(fn: (...arrays: np.Array[]) => np.Array, first: Tree, ...rest: Tree[]): Tree {
  for (const other of rest) {
    if (sameTree(first, other)) continue;
    throw new ConfigError(
      `optimizer: trees of ${describeTree(first)} and of ${describeTree(other)} don't belong together: expected state, updates and parameters of the same structure and shapes`,
    );
  }
  return tree.map(fn, first, ...rest);
}

/** A tree of zeros with the shapes and dtypes of `params`, which are left alone. */
export function zerosLike(params: Tree): Tree {
  // Of one 0: traced, it is a broadcast, where `np.zeros` would be a captured array of the whole size.
  return mapArrays((p) => np.broadcastTo(np.array(0, { dtype: p.dtype }), p.shape), params);
}

/**
 * The sign of each element, in the dtype of `x`: jax-js's is of float32, and weakly so.
 *
 * @param x - consumed
 */
export function signOf(x: np.Array): np.Array {
  const { dtype } = x;
  const sign = np.sign(x);
  return dtype === np.float32 ? sign : sign.mul(np.array(1, { dtype }));
}

/**
 * A stage without state.
 *
 * @example
 * ```ts
 * const { update, init } = stateless((updates, params) => {
 *   tree.dispose(params); // what isn't used is freed
 *   return mapArrays((g) => np.tanh(g), updates);
 * });
 * const [updates] = update(np.array([0, 100]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [0, 1]
 * ```
 */
export function stateless(update: (updates: Tree, params: Tree) => Tree): GradientTransformation {
  return {
    init(params) {
      tree.dispose(params);
      return {};
    },
    update: (updates, state, params) => [update(updates, params), state],
  };
}

/**
 * The gradients as they are.
 *
 * @example
 * ```ts
 * const { update, init } = identity();
 * const [updates] = update(np.array([3, 4]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [3, 4]
 * ```
 */
export function identity(): GradientTransformation {
  return stateless((updates, params) => {
    tree.dispose(params);
    return updates;
  });
}

/**
 * Several stages one after the other; the state is the list of theirs.
 *
 * @throws ConfigError (from `update`) if the state isn't a list of that length; nothing is consumed then
 *
 * @example
 * ```ts
 * const { update, init } = chain(clipByGlobalNorm(1), scale(-0.1));
 * const [updates] = update(np.array([3, 4]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [-0.0600, -0.0800]
 * ```
 */
export function chain(...stages: readonly GradientTransformation[]): GradientTransformation {
  return {
    init(params) {
      const states = stages.map((stage) => stage.init(tree.ref(params)));
      tree.dispose(params);
      return states;
    },
    update(updates, state, params, observed) {
      if (!Array.isArray(state) || state.length !== stages.length) {
        const shown = Array.isArray(state) ? `${state.length} states` : typeof state;
        throw new ConfigError(
          `chain: state of another optimizer: got ${shown}, expected ${stages.length} states`,
        );
      }
      let current = updates;
      const states = stages.map((stage, i) => {
        const [next, nextState] = stage.update(current, (state as Tree[])[i], tree.ref(params), observed);
        current = next;
        return nextState;
      });
      tree.dispose(params);
      return [current, states];
    },
  };
}

/**
 * `params + updates`.
 *
 * @param params - consumed
 * @param updates - a tree of the same structure, consumed
 *
 * @example
 * ```ts
 * applyUpdates({ w: np.array([1, 2]) }, { w: np.array([-0.5, 0.5]) }).w; // => [0.5, 2.5]
 * ```
 */
export function applyUpdates(params: Tree, updates: Tree): Tree {
  return mapArrays((p, u) => p.add(u), params, updates);
}

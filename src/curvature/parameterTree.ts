import { numpy as np, tree } from "@jax-js/jax";
import { EngineArray } from "../compile/index.ts";
import { NonFiniteError, ShapeError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";

/** The arrays of a tree in the order of `tree.flatten`; nothing is consumed. */
export function leavesOf(root: Tree): np.Array[] {
  return tree.leaves(root) as np.Array[];
}

const describe = (leaves: readonly np.Array[]) =>
  `${leaves.length} arrays ${leaves
    .slice(0, 4)
    .map(({ dtype, shape }) => `${dtype}[${shape.join()}]`)
    .join(" ")}${leaves.length > 4 ? " …" : ""}`;

/** @throws ShapeError unless there are elements, all of them real numbers; nothing is consumed */
export function checkParameters(what: string, params: Tree): void {
  const leaves = leavesOf(params);
  const foreign = leaves.find(({ dtype }) => !String(dtype).startsWith("float"));
  if (foreign !== undefined || leaves.every(({ shape }) => shape.includes(0))) {
    throw new ShapeError(
      `${what}: parameters are ${describe(leaves)}: expected floating-point arrays that aren't empty; close over integers such as tokens`,
    );
  }
}

/** @throws ShapeError unless `other` has the structure and shapes of `params`; nothing is consumed */
export function checkSameTree(what: string, params: Tree, other: Tree): void {
  const [expected, got] = [leavesOf(params), leavesOf(other)];
  if (
    tree.structure(params).equals(tree.structure(other)) &&
    expected.every((leaf, i) => leaf.shape.join() === got[i]!.shape.join())
  ) {
    return;
  }
  throw new ShapeError(`${what}: got a tree of ${describe(got)}, expected that of ${describe(expected)}`);
}

/**
 * `Σ a⊙b` over all arrays of two trees of one structure, both consumed.
 *
 * @returns `float32[]`
 */
export function treeDot(a: Tree, b: Tree): np.Array {
  const others = leavesOf(b);
  return leavesOf(a)
    .map((leaf, i) => leaf.mul(others[i]!).sum())
    .reduce((x, y) => x.add(y));
}

/**
 * The elements of all arrays of a tree, one after the other, in float64. Arrays of jax-js are consumed, those of the engine stay.
 *
 * @throws NonFiniteError if one isn't finite
 */
export async function flatten(what: string, root: Tree): Promise<Float64Array> {
  const leaves = tree.leaves(root) as (np.Array | EngineArray)[];
  const parts: ArrayLike<number>[] = [];
  for (const leaf of leaves) parts.push(leaf instanceof EngineArray ? leaf.data : await leaf.data());
  const flat = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    flat.set(part, offset);
    offset += part.length;
  }
  const bad = flat.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new NonFiniteError(`${what}: element ${bad} is ${flat[bad]}: expected finite numbers`);
  return flat;
}

/** Arrays with the shapes of `like`, which is left alone, from elements one after the other. */
export function unflatten(like: Tree, elements: ArrayLike<number>): Tree {
  let offset = 0;
  const leaves = leavesOf(like).map(({ shape, dtype }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = dtype === np.float64 ? new Float64Array(size) : new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = elements[offset + i]!;
    offset += size;
    return np.array(data, { shape: [...shape], dtype });
  });
  return tree.unflatten(tree.structure(like), leaves);
}

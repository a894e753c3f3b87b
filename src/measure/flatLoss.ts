import { type numpy as np, tree } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { compile, EngineArray, type EnginePlacement, type EngineTree } from "../compile/index.ts";
import { type BatchLoss, hessianVectorProducts } from "../curvature/index.ts";
import { NonFiniteError } from "../errors.ts";
import { applyUpdates, mapArrays, type Tree } from "../optim/index.ts";

/** All elements of a tree, one after the other in the order of `flattenState`. */
export type Vector = Float32Array<ArrayBuffer>;

/** Compiled functions of one loss on flat vectors. */
export class FlatLoss {
  readonly #params: Tree;
  readonly #places: readonly { path: string; shape: readonly number[]; start: number; end: number }[];
  readonly #gradient;
  readonly #products;
  readonly #loss;
  readonly size: number;

  constructor(params: Tree, loss: BatchLoss, placement: EnginePlacement) {
    this.#params = params;
    let offset = 0;
    this.#places = [...flattenState(params)].map(([path, { shape, data }]) => {
      const start = offset;
      offset += data.length;
      return { path, shape, start, end: offset };
    });
    this.size = offset;
    this.#gradient = compile(
      (p: Tree, batch: Tree) => hessianVectorProducts((own) => loss(own, batch))(p, []).gradient as Tree,
      {
        ...placement,
        outputs: "engine",
        name: "gradient",
      },
    );
    this.#products = compile(
      (p: Tree, batch: Tree, first: Tree, second: Tree) => {
        const { gradient, products } = hessianVectorProducts((own) => loss(own, tree.ref(batch)))(p, [
          first,
          second,
        ]);
        tree.dispose([gradient, batch]);
        return products;
      },
      { ...placement, outputs: "engine", name: "hessian" },
    );
    this.#loss = compile(
      (p: Tree, update: Tree, rate: np.Array, batch: Tree) => {
        const step = mapArrays((u) => u.mul(rate.ref), update);
        rate.dispose();
        return loss(applyUpdates(p, step), batch);
      },
      { ...placement, name: "trial" },
    );
  }

  #treeOf(vector: Vector): Tree {
    const leaves = new Map(
      this.#places.map(({ path, shape, start, end }) => [
        path,
        EngineArray.from(vector.slice(start, end), shape),
      ]),
    );
    return rebuild(this.#params, leaves);
  }

  #flat(root: Tree): Vector {
    const leaves = flattenState(root);
    const vector = new Float32Array(this.size);
    for (const { path, start } of this.#places) vector.set(leaves.get(path)!.data as Float32Array, start);
    return vector;
  }

  async gradient(batch: EngineTree<Tree>): Promise<Vector> {
    const vector = this.#flat(await this.#gradient(this.#params, batch));
    if (!vector.every(Number.isFinite)) throw new NonFiniteError("measure: a gradient isn't finite");
    return vector;
  }

  /** `H·v` for each vector; an odd one out is computed twice. */
  async products(batch: () => EngineTree<Tree>, vectors: readonly Vector[]): Promise<Vector[]> {
    const results: Vector[] = [];
    for (let i = 0; i < vectors.length; i += 2) {
      const pair = [vectors[i]!, vectors[i + 1] ?? vectors[i]!].map((vector) => this.#treeOf(vector));
      const products = (await this.#products(this.#params, batch(), pair[0], pair[1])) as Tree[];
      results.push(...products.map((product) => this.#flat(product)));
    }
    return results.slice(0, vectors.length);
  }

  /** The loss at `w − rate·update`. */
  async after(update: Vector, rate: number, batch: EngineTree<Tree>): Promise<number> {
    const loss = await this.#loss(
      this.#params,
      this.#treeOf(update),
      EngineArray.from(Float32Array.of(-rate), []),
      batch,
    );
    return (await loss.data())[0]!;
  }

  async dispose(): Promise<void> {
    await this.#gradient.dispose();
    await this.#products.dispose();
    await this.#loss.dispose();
  }
}

/** A tree of the structure of `like`, with leaves by path. */
function rebuild(like: Tree, leaves: ReadonlyMap<string, EngineArray>, prefix = ""): Tree {
  if (like instanceof EngineArray) return leaves.get(prefix)!;
  const own = Object.entries(like).map(
    ([key, value]) => [key, rebuild(value, leaves, prefix === "" ? key : `${prefix}.${key}`)] as const,
  );
  return Array.isArray(like) ? own.map(([, value]) => value) : Object.fromEntries(own);
}

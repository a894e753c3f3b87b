import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, jit, numpy as np, tree } from "@jax-js/jax";
import fc from "fast-check";
import { Matrix } from "ml-matrix";
import { compile, toEngine } from "../compile/index.ts";
import { ShapeError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { hessianVectorProduct, hessianVectorProducts } from "./index.ts";
import { flatten, unflatten } from "./parameterTree.ts";
import {
  float32,
  inFloat64,
  perceptron,
  quadratic,
  symmetricMatrix,
  tinyTransformer,
  uniformNumbers,
} from "./testing/problems.ts";

const largest = (values: ArrayLike<number>) => Math.max(...Array.from(values, Math.abs));
const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  largest(Array.from(a, (value, i) => value - b[i]!));
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

/** `(∇L(w + hv) − ∇L(w − hv)) / 2h` */
async function finiteDifference(
  loss: (p: Tree) => np.Array,
  params: Tree,
  vector: Float64Array,
  h: number,
): Promise<Float64Array> {
  const flat = await flatten("params", tree.ref(params));
  const gradientAt = (factor: number) =>
    flatten(
      "gradient",
      (grad(loss) as (p: Tree) => Tree)(
        unflatten(
          params,
          flat.map((w, i) => w + factor * vector[i]!),
        ),
      ),
    );
  const [above, below] = [await gradientAt(h), await gradientAt(-h)];
  return above.map((value, i) => (value - below[i]!) / (2 * h));
}

test("a quadratic gives back its matrix, dense or diagonal", () =>
  inFloat64(async () => {
    for (const matrix of [symmetricMatrix(9, 3), Matrix.diag(uniformNumbers(4, 9))]) {
      const { params, loss } = quadratic(matrix);
      for (let column = 0; column < 9; column++) {
        const unit = Float64Array.from({ length: 9 }, (_, i) => Number(i === column));
        const image = hessianVectorProduct(loss)(params(), unflatten(params(), unit));
        // Sums of nine terms in float64.
        assert.ok(maxDifference(await flatten("", image), matrix.getColumn(column)) < 1e-14);
      }
    }
  }));

test("a perceptron's products are the dense Hessian by finite differences in float64", () =>
  inFloat64(async () => {
    const { params, loss } = perceptron();
    const shape = params();
    const size = (await flatten("", tree.ref(shape))).length;
    const columns: Float64Array[] = [];
    for (let column = 0; column < size; column++) {
      const unit = Float64Array.from({ length: size }, (_, i) => Number(i === column));
      const expected = await finiteDifference(loss, shape, unit, 1e-4);
      const found = await flatten("", hessianVectorProduct(loss)(params(), unflatten(shape, unit)));
      // Truncation h²·f⁗ ≈ 1e-8, rounding ε/h ≈ 1e-12.
      assert.ok(maxDifference(found, expected) < 1e-6, `column ${column}`);
      columns.push(found);
    }
    columns.forEach((column, j) => {
      assert.ok(
        maxDifference(
          column,
          columns.map((other) => other[j]!),
        ) < 1e-13,
        "not symmetric",
      );
    });
  }));

test("a transformer's products: eager, jit and compiled agree, are symmetric, linear and finite differences", async () => {
  const { params, loss, selectingLoss } = tinyTransformer();
  const shape = params();
  const size = (await flatten("", tree.ref(shape))).length;
  const product = hessianVectorProduct(loss);
  const u = Float64Array.from(uniformNumbers(11, size));
  const v = Float64Array.from(uniformNumbers(12, size));
  const eager = await flatten("", product(params(), unflatten(shape, v)));
  await using compiled = compile(product, { outputs: "engine" });
  const engineParams = (await toEngine(params())) as Tree;
  const native = async (x: Float64Array) => flatten("", await compiled(engineParams, unflatten(shape, x)));
  const hv = await native(v);
  const size1 = largest(hv);
  // The same float32 operations in another order; second derivatives here are sums over 14 tokens.
  assert.ok(maxDifference(hv, eager) < 1e-4 * size1, "compiled");
  const jitted = jit(hessianVectorProduct(selectingLoss)) as typeof product;
  const traced = await flatten("", jitted(params(), unflatten(shape, v)));
  assert.ok(maxDifference(traced, eager) < 1e-4 * size1, "jit");
  const hu = await native(u);
  // Rounding of float32 in each product, relative to the terms of the sum.
  assert.ok(Math.abs(dot(u, hv) - dot(v, hu)) < 1e-4 * size1 * Math.sqrt(size), "not symmetric");
  const combined = await native(u.map((x, i) => 2 * x - v[i]!));
  assert.ok(
    maxDifference(
      combined,
      hu.map((x, i) => 2 * x - hv[i]!),
    ) <
      1e-4 * size1,
    "not linear",
  );
  const numeric = await finiteDifference(loss, shape, v, 1e-3);
  // Gradients in float32 have errors of 1e-6, divided by 2h; kinks of the squared ReLU's derivative add some.
  assert.ok(
    maxDifference(hv, numeric) < 1e-2 * size1,
    `finite differences: ${maxDifference(hv, numeric) / size1}`,
  );
});

test("several vectors at once are the single products, share their forward pass, and bring the gradient", async () => {
  const { params, loss } = tinyTransformer();
  const shape = params();
  const size = (await flatten("", tree.ref(shape))).length;
  const vectors = [1, 2].map((seed) => Float64Array.from(uniformNumbers(seed, size)));
  const trees = () => vectors.map((vector) => unflatten(shape, vector));
  await using both = compile(hessianVectorProducts(loss));
  await using single = compile(hessianVectorProduct(loss));
  const { gradient, products } = await both(params(), trees());
  const expected = await flatten("", (grad(loss) as (p: Tree) => Tree)(params()));
  assert.ok(maxDifference(await flatten("", gradient), expected) < 1e-4 * largest(expected));
  for (const [i, product] of (products as Tree[]).entries()) {
    const alone = await flatten("", await single(params(), trees()[i]));
    assert.ok(maxDifference(await flatten("", product), alone) < 1e-4 * largest(alone));
  }
  const gemms = async (
    program: { inspect: (...args: never[]) => Promise<{ operators: object }> },
    second: Tree,
  ) => ((await program.inspect(...([params(), second] as never[]))).operators as { Gemm: number }).Gemm;
  const [one, two] = [await gemms(single, trees()[0]), await gemms(both, trees())];
  // 14 products of matrices for 8; a few more are made of sums.
  assert.ok(two < 1.9 * one, `${two} products of matrices for two vectors, ${one} for one`);
  const none = hessianVectorProducts(loss)(params(), []);
  assert.equal(none.products.length, 0);
  assert.ok(maxDifference(await flatten("", none.gradient), expected) < 1e-5 * largest(expected));
});

test("random quadratics: linear and symmetric", () =>
  inFloat64(() =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 7 }),
        fc.integer({ min: 0, max: 1000 }),
        async (size, seed) => {
          const { params, loss } = quadratic(symmetricMatrix(size, seed));
          const [u, v] = [uniformNumbers(seed + 1, size), uniformNumbers(seed + 2, size)];
          const apply = async (x: number[]) =>
            flatten("", hessianVectorProduct(loss)(params(), unflatten(params(), x)));
          const [hu, hv] = [await apply(u), await apply(v)];
          // Float64 sums of at most 49 terms below 1.
          assert.ok(Math.abs(dot(u, hv) - dot(v, hu)) < 1e-13);
          const both = await apply(u.map((x, i) => 3 * x + v[i]!));
          assert.ok(
            maxDifference(
              both,
              hu.map((x, i) => 3 * x + hv[i]!),
            ) < 1e-13,
          );
        },
      ),
      { numRuns: 20 },
    ),
  ));

test("vectors of another tree and integer parameters are refused, and survive", () => {
  const { loss } = quadratic(symmetricMatrix(6, 1), float32);
  const params = { a: np.ones([2]), b: [np.ones([1, 4])] };
  const product = hessianVectorProduct(loss);
  for (const [vector, message] of [
    [{ a: np.ones([2]), b: [np.ones([4])] }, /got a tree of 2 arrays float32\[2\] float32\[4\], expected/],
    [{ a: np.ones([2]) }, /got a tree of 1 arrays/],
    [{ a: np.ones([2]), c: [np.ones([1, 4])] }, /got a tree of 2 arrays/],
  ] as const) {
    assert.throws(
      () => product(params, vector),
      (error) => error instanceof ShapeError && message.test(error.message),
    );
    tree.dispose(vector);
  }
  const integers = { tokens: np.array([1, 2], { dtype: np.int32 }) };
  assert.throws(() => product(integers, integers), /close over integers/);
  assert.throws(() => product({}, {}), ShapeError);
  for (const array of [params.a, params.b[0]!, integers.tokens]) {
    assert.equal(array.refCount, 1);
    array.dispose();
  }
});

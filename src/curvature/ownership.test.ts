import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { withLiveArrays } from "../optim/testing/liveArrays.ts";
import {
  addGradientMoments,
  curvatureSample,
  hessianVectorProduct,
  hessianVectorProducts,
  hutchinsonSample,
  initGradientMoments,
  rademacherLike,
} from "./index.ts";

/** A squared error of a linear model; consumes the batch. */
const loss = ({ w }: { w: np.Array }, batch: { x: np.Array }) => np.square(np.matmul(batch.x, w)).mean();
const params = () => ({ w: np.ones([3, 2]) });
const batch = () => ({ x: np.ones([4, 3]) });
const onBatch = (p: { w: np.Array }) => loss(p, batch());

const calls: Record<string, () => unknown> = {
  hessianVectorProduct: () => hessianVectorProduct(onBatch)(params(), params()),
  "hessianVectorProducts of two": () => hessianVectorProducts(onBatch)(params(), [params(), params()]),
  "hessianVectorProducts of none": () => hessianVectorProducts(onBatch)(params(), []),
  hutchinsonSample: () => hutchinsonSample(onBatch)(params(), random.key(1)),
  curvatureSample: () =>
    curvatureSample(loss)(
      params(),
      { first: batch(), second: batch(), third: batch() },
      params(),
      random.key(2),
    ),
  addGradientMoments: () => {
    const add = addGradientMoments(loss);
    return add(add(initGradientMoments(params()), params(), batch()), params(), batch());
  },
};

for (const [name, call] of Object.entries(calls)) {
  test(`${name} consumes its arguments and leaves nothing else alive`, () => {
    const { alive } = withLiveArrays(() => {
      tree.dispose(call());
    });
    assert.deepEqual(
      alive.map((array) => `${array.dtype}[${array.shape.join()}]`),
      [],
    );
  });
}

test("rademacherLike leaves the tree alone", () => {
  const like = params();
  const { alive } = withLiveArrays(() => {
    tree.dispose(rademacherLike(random.key(3), like));
  });
  assert.ok(alive.every((array) => array === like.w));
  assert.equal(like.w.refCount, 1);
  like.w.dispose();
});

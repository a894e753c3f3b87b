import assert from "node:assert/strict";
import test from "node:test";
import { grad, numpy as np, random, tree } from "@jax-js/jax";
import { float32 } from "../compile/testing/arrays.ts";
import { runCompiled, runWithJax } from "../compile/testing/compareWithJax.ts";
import { convolutionalEncoder, initConvolutionalEncoder } from "./convolutionalEncoder.ts";
import { relu } from "./relu.ts";

const values = [-2, -1e-40, -0, 0, 1e-40, 3];

test("relu and its derivative are max(x, 0) and x > 0, eagerly and compiled", async () => {
  const x = float32([values.length], values);
  const derivative = grad((x: np.Array) => relu(x).sum());
  for (const run of [runWithJax, runCompiled]) {
    const [y, dy] = [await run(relu, [x]), await run(derivative, [x])].map(({ leaves }) => [
      ...Array.from(leaves[0]!.data),
    ]);
    values.forEach((value, i) => {
      assert.equal(y![i], Math.fround(Math.max(value, 0)) + 0);
      assert.equal(dy![i], value > 0 ? 1 : 0, `at ${value}`);
    });
  }
  x.dispose();
});

test("the gradient of a black image reaches the last bias of a new encoder alone", () => {
  const config = { kind: "convolutional", channels: [4, 6], numBlocks: 1 } as const;
  const params = initConvolutionalEncoder(random.key(3), config, 1, 5);
  const [leaves, structure] = tree.flatten(params) as unknown as [np.Array[], tree.JsTreeDef];
  const loss = (leaves: np.Array[]) =>
    convolutionalEncoder(
      tree.unflatten(structure, leaves) as unknown as typeof params,
      np.zeros([1, 8, 8, 1]),
    ).sum();
  const gradients = grad(loss)(leaves);
  const nonZero = gradients.map((g) => np.absolute(g).sum().item()).filter((size) => size !== 0);
  // One for each of the 2 × 2 latent vectors and 5 components.
  assert.deepEqual(nonZero, [20]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { type numpy as np, random, tree } from "@jax-js/jax";
import type { EngineArray } from "../compile/index.ts";
import { initTransformer, resolveTransformerConfig } from "../nn/index.ts";
import { initialParameters } from "./model.ts";

const leavesOf = <Leaf>(params: unknown) =>
  tree.flatten(params as never) as unknown as [Leaf[], tree.JsTreeDef];

test("parameters made in the engine are those of initTransformer, to the last bit", async () => {
  const size = { vocabSize: 50, numLayers: 2, modelDim: 32, numHeads: 2 };
  const configs = [
    resolveTransformerConfig({ ...size, mlp: "swiglu", qkNorm: true, position: "learned", maxLength: 9 }),
    resolveTransformerConfig({ ...size, numKvHeads: 1, mlpBias: true, tiedHead: true }),
    resolveTransformerConfig({ ...size, parametrization: "mup", baseDim: 16, baseHeadDim: 8 }),
  ];
  for (const config of configs) {
    const [made, structure] = leavesOf<EngineArray>(await initialParameters(config, 5));
    const [expected, ofJax] = leavesOf<np.Array>(initTransformer(random.key(5), config));
    assert.ok(structure.equals(ofJax));
    for (const [i, leaf] of made.entries()) {
      assert.deepEqual(leaf.shape, expected[i]!.shape);
      assert.deepEqual(leaf.data, expected[i]!.dataSync());
    }
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { type numpy as np, tree } from "@jax-js/jax";
import { holdsWith, overwritesNothing } from "../compile/testing/overwriting.ts";
import { trainingModels } from "./testing/trainingModels.ts";

test("whole training steps end in the same state to the last bit, most of it overwritten", {
  skip: overwritesNothing,
}, async () => {
  for (const model of trainingModels) {
    const sizes = tree.leaves(model.initialState()) as np.Array[];
    const isOverwritten = await holdsWith(model, model.name);
    const total = sizes.reduce((sum, { size }) => sum + size, 0);
    const overwritten = sizes.reduce((sum, { size }, i) => sum + (isOverwritten[i] ? size : 0), 0);
    assert.ok(overwritten >= total / 2, `${model.name}: ${overwritten} of ${total}`);
    for (const array of sizes) array.dispose();
  }
});

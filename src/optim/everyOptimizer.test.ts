import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  applyUpdates,
  type GradientTransformation,
  type OptimizerMethod,
  optimizerMethods,
  type Tree,
} from "./index.ts";
import { withLiveArrays } from "./testing/liveArrays.ts";
import { optimizers } from "./testing/optimizers.ts";
import {
  every,
  largestDifference,
  optimize,
  referenceGradient,
  startParams,
  type Trajectory,
} from "./testing/reference.ts";

const numSteps = 4;

async function optimizeCompiled(transformation: GradientTransformation): Promise<Trajectory> {
  await using step = compileStep(
    (state: Tree, gradients: Tree): [Tree, np.Array] => {
      const [updates, optimizer] = transformation.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
    },
    { threads: 1 },
  );
  const params = startParams(every);
  const optimizer = transformation.init(tree.ref(params));
  using handle = await step.init({ params, optimizer });
  const kept: Trajectory = [];
  for (let i = 0; i < numSteps; i++) {
    const current = handle.leaves().params;
    const gradients = Object.fromEntries(every.map((n) => [n, referenceGradient(n, current[n].data, i)]));
    (await step(handle, gradients)).dispose();
    const weights = handle.leaves().params;
    kept.push(Object.fromEntries(every.map((n) => [n, [...weights[n].data] as number[]])));
  }
  return kept;
}

for (const [name, transformation] of Object.entries(optimizers)) {
  describe(name, () => {
    test("does the same eagerly, under jit and compiled", async () => {
      const eager = optimize(every, transformation, transformation.update, numSteps);
      const traced = optimize(every, transformation, jit(transformation.update as never) as never, numSteps);
      const compiled = await optimizeCompiled(transformation);
      // Steps 1, 2 and 3 are kept, and the last one.
      assert.equal(eager.length, numSteps);
      // Steps are of the size 0.01 or more; rounding differs between kernels.
      assert.ok(largestDifference(traced, eager) < 1e-5);
      assert.ok(largestDifference(compiled, eager) < 1e-5, `${largestDifference(compiled, eager)}`);
    });

    test("leaves no array alive but the parameters and the state", () => {
      let params: Tree = startParams(every);
      const { result: state, alive } = withLiveArrays(() => transformation.init(tree.ref(params)));
      let current = state;
      assertOnly(alive, [params, current]);
      for (let step = 0; step < 3; step++) {
        const gradients = startParams(every);
        const run = withLiveArrays(() => {
          const [updates, next] = transformation.update(gradients, current, tree.ref(params));
          return [applyUpdates(params, updates), next];
        });
        [params, current] = run.result;
        assertOnly(run.alive, run.result);
      }
      tree.dispose([params, current]);
    });

    test("keeps the dtypes of parameters and state, in float64 too", () => {
      const wide = (value: Tree) => tree.map((p: np.Array) => p.astype(np.float64), value);
      const params: Tree = wide(startParams(every));
      const state = transformation.init(tree.ref(params));
      const dtypesOf = (value: Tree) => tree.leaves(value).map((leaf) => (leaf as np.Array).dtype);
      const before = dtypesOf(state);
      const [updates, next] = transformation.update(wide(startParams(every)), state, tree.ref(params));
      assert.deepEqual([dtypesOf(next), dtypesOf(updates)], [before, dtypesOf(params)]);
      tree.dispose([params, updates, next]);
    });

    test("stays finite with zero gradients and zero weights", () => {
      for (const factor of [0, 1]) {
        let params: Tree = tree.map((p: np.Array) => p.mul(factor), startParams(every));
        let state = transformation.init(tree.ref(params));
        for (let step = 0; step < 3; step++) {
          const zeros = tree.map((p: np.Array) => np.zeros(p.shape), params);
          const [updates, next] = transformation.update(zeros, state, tree.ref(params));
          state = next;
          params = applyUpdates(params, updates);
        }
        for (const leaf of tree.leaves([params, state]) as np.Array[])
          assert.ok(leaf.dataSync().every((value) => Number.isFinite(value)));
      }
    });

    test("refuses the state of another tree", () => {
      const state = transformation.init({ other: np.ones([2, 2]), bias: np.ones([3]) });
      const params = startParams(every);
      assert.throws(() => transformation.update(startParams(every), state, params), ConfigError);
      assert.throws(() => transformation.update(startParams(every), [], startParams(every)), ConfigError);
    });
  });
}

/** Names within a state, at any depth. */
const namesIn = (state: Tree): string[] =>
  state === null || typeof state !== "object" || state instanceof np.Array
    ? []
    : Object.entries(state).flatMap(([name, value]) => [name, ...namesIn(value)]);

test("the state of each optimizer has the parts that its row names", () => {
  for (const [name, { state, orthogonalized }] of Object.entries<OptimizerMethod>(optimizerMethods)) {
    const variants = Object.entries(optimizers).filter(([own]) => own.split(",")[0]!.split(" ")[0] === name);
    const found = variants.flatMap(([, { init }]) => namesIn(init(startParams(every))));
    for (const part of Object.keys(state)) assert.ok(found.includes(part), `${name}: ${part} of ${found}`);
    if (orthogonalized !== undefined) assert.ok(orthogonalized in state, name);
  }
});

/** Asserts that the leaves of `kept` are alive once, and nothing else is. */
function assertOnly(alive: readonly np.Array[], kept: Tree): void {
  const leaves = tree.leaves(kept) as np.Array[];
  const shown = alive.filter((array) => !leaves.includes(array)).map(({ shape }) => `[${shape.join()}]`);
  assert.deepEqual(shown, []);
  for (const leaf of leaves) assert.equal(leaf.refCount, 1);
}

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../compile/index.ts";
import { applyUpdates, muon, scaleByMuon, scaleByShampoo, shampoo, type Tree } from "./index.ts";
import { namedOptimizers } from "./testing/optimizers.ts";
import { every, referenceGradient, startParams } from "./testing/reference.ts";

const numSteps = 200;

/** Factors of the gradient over the steps. */
const courses: Readonly<Record<string, (step: number) => number>> = {
  stops: (step) => (step < 3 ? 1 : 0),
  explodes: (step) => 10 ** Math.min(30, -5 + step / 4),
  vanishes: (step) => 10 ** -Math.min(44, step / 4),
  alternates: (step) => (step % 2 === 0 ? 1e30 : -1e-30),
};

const all = {
  ...namedOptimizers,
  "muon, exact momentum 0.5": muon({ momentum: 0.5 }),
  "shampoo, no memory": shampoo({ b2: 0, momentum: 0, eps: 1e-2 }),
};

const finite = (values: ArrayLike<number>) => Array.from(values).every(Number.isFinite);

describe("compiled, 200 steps with finite gradients leave parameters and state finite", () => {
  for (const [name, transformation] of Object.entries(all)) {
    test(name, async () => {
      await using step = compileStep(
        (state: Tree, gradients: Tree): [Tree, np.Array] => {
          const [updates, optimizer] = transformation.update(
            gradients,
            state.optimizer,
            tree.ref(state.params),
          );
          return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
        },
        { threads: 1 },
      );
      for (const [course, factor] of Object.entries(courses)) {
        const params = startParams(every);
        using handle = await step.init({ params, optimizer: transformation.init(tree.ref(params)) });
        for (let i = 0; i < numSteps; i++) {
          const gradients = Object.fromEntries(
            every.map((n) => {
              const base = referenceGradient(n, new Float32Array(64), i);
              // A row that never has a gradient.
              const live = np.array(Float32Array.from({ length: base.size }, (_, j) => Number(j > 2)));
              return [n, base.mul(live.reshape([...base.shape])).mul(factor(i))];
            }),
          );
          (await step(handle, gradients)).dispose();
        }
        for (const leaf of tree.leaves(handle.leaves()) as { data: Float32Array }[])
          assert.ok(finite(leaf.data), `${course}: ${leaf.data.slice(0, 6)}`);
      }
    });
  }
});

describe("one direction at every scale of the gradients", () => {
  for (const [name, make] of Object.entries({
    muon: () => scaleByMuon({ momentum: 0.5 }),
    "muon, exact": () => scaleByMuon({ method: "exact" }),
    shampoo: () => scaleByShampoo({ eps: 1e-2 }),
    "shampoo, averaged": () => scaleByShampoo({ b2: 0.9, eps: 1e-2 }),
  })) {
    test(name, () => {
      const matrix = () => ({ tall: startParams(every).tall! });
      const run = (scale: number): number[] => {
        const transformation = make();
        let state = transformation.init(matrix());
        let last: number[] = [];
        for (let i = 0; i < 3; i++) {
          const gradient = referenceGradient("tall", new Float32Array(64), 9 * i).mul(scale);
          const [updates, next] = transformation.update({ tall: gradient }, state, matrix());
          state = next;
          last = [...updates.tall.dataSync()];
        }
        tree.dispose(state);
        return last;
      };
      const expected = run(1);
      for (const scale of [1e-30, 1e-19, 3e-21, 1e-10, 1e10, 1e20, 1e30]) {
        const error = Math.max(...run(scale).map((value, i) => Math.abs(value - expected[i]!)));
        assert.ok(error < 1e-3, `${scale}: ${error}`);
      }
    });
  }
});

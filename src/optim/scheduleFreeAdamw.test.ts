import { test } from "node:test";
import { type numpy as np, tree } from "@jax-js/jax";
import {
  applyUpdates,
  type ScheduleFreeAdamWOptions,
  scheduleFreeAdamw,
  scheduleFreeParameters,
  type Tree,
  warmupStableDecay,
} from "./index.ts";
import { assertFollows, every, reference, referenceGradient, startParams } from "./testing/reference.ts";

const own = { learningRate: 0.02, b1: 0.8, b2: 0.95, eps: 1e-3, weightDecay: 0.1, averagePower: 0.5 };
// The package's warmup is (t + 1)/10 below step 10; a schedule's of 9 steps is (t + 1)/10 too.
const learningRate = warmupStableDecay({ peak: 0.02, warmupSteps: 9, decaySteps: 0, numSteps: 100 });

const rows: [run: string, options: ScheduleFreeAdamWOptions][] = [
  ["schedulefree adamw x", own],
  ["schedulefree adamw warmup", { learningRate }],
];

for (const [run, options] of rows) {
  test(`what is evaluated is the package's, over 100 steps: ${run}`, () => {
    const { init, update } = scheduleFreeAdamw(options);
    let params: Tree = startParams(every);
    let state = init(tree.ref(params));
    const kept: Record<string, number[]>[] = [];
    for (let step = 0; step < 100; step++) {
      const gradients = Object.fromEntries(
        every.map((name) => [name, referenceGradient(name, params[name].ref.dataSync(), step)]),
      );
      const [updates, next] = update(gradients, state, tree.ref(params));
      [params, state] = [applyUpdates(params, updates), next];
      if (!reference.steps.includes(step + 1)) continue;
      const average = scheduleFreeParameters(tree.ref(params), tree.ref(state), options.b1);
      kept.push(Object.fromEntries(every.map((name) => [name, [...(average[name] as np.Array).dataSync()]])));
    }
    tree.dispose([params, state]);
    // x is y and z times up to 1/b1: a little more than the rounding of y.
    assertFollows(kept, run, 4e-5);
  });
}

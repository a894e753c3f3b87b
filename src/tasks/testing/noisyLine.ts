import { numpy as np, random } from "@jax-js/jax";
import { uniformSampler } from "../../numbers/index.ts";
import type { OwnTask } from "../ownTask.ts";

interface Line {
  readonly x: np.Array;
  readonly y: np.Array;
}

/** `y = 2x₀ − x₁ + ½` with noise, learned by a linear model: a task of one's own that takes no time. */
export default ({ noise = 0.1, endless = false }: { noise?: number; endless?: boolean }): OwnTask => ({
  init(seed) {
    const w = random.normal(random.key(seed), [2, 1]);
    return { w, b: np.zeros([1]) };
  },
  batch(indices, split) {
    const rows = indices.map((index) => {
      const draw = uniformSampler(2 * index + (split === "train" ? 0 : 1));
      const [a, b] = [draw() - 0.5, draw() - 0.5];
      return { x: [a, b], y: [2 * a - b + 0.5 + noise * (draw() - 0.5)] };
    });
    return { x: np.array(rows.map(({ x }) => x)), y: np.array(rows.map(({ y }) => y)) };
  },
  loss: ({ w, b }: { w: np.Array; b: np.Array }, { x, y }: Line) =>
    np.mean(np.square(np.matmul(x, w).add(b).sub(y))),
  metrics: ({ w, b }: { w: np.Array; b: np.Array }, { x, y }: Line) => ({
    largestError: np.max(np.abs(np.matmul(x, w).add(b).sub(y))),
  }),
  numExamples: { train: endless ? null : 96, validation: 10 },
  unit: "mean squared error",
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { gelu, geluTanh, relu2, silu } from "./mlp.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const slope = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/** Float64, whose exponential is infinite only beyond 700. */
const activations = {
  silu: [silu, (x: number) => x * sigmoid(x)],
  geluTanh: [geluTanh, (x: number) => (x / 2) * (1 + Math.tanh(slope * (x + cubic * x ** 3)))],
  relu2: [relu2, (x: number) => Math.max(x, 0) ** 2],
  gelu: [gelu, null],
} as const;

const places = [
  -1e4, -400, -100, -89, -88, -41, -40, -20, -11, -10.1, -10, -5, -1, -0.5, 0, 0.5, 1, 3, 5, 11, 40, 90, 400,
  1e4,
];

for (const [name, [activation, exact]] of Object.entries(activations)) {
  describe(name, () => {
    const first = grad((x: np.Array) => activation(x).sum());
    const second = grad((x: np.Array) => first(x).sum());
    // Several elements: jax-js folds an array of one into the program.
    const x = () => np.array(Float32Array.from(places));

    test("is finite with two derivatives wherever its input is, in jax-js and in the engine", async () => {
      for (const fn of [activation, first, second]) {
        await using compiled = compile(fn as (x: np.Array) => np.Array);
        for (const result of [fn(x()), await compiled(x())]) {
          const values = [...result.dataSync()];
          assert.ok(values.every(Number.isFinite), `${places.filter((_, i) => !Number.isFinite(values[i]))}`);
        }
      }
    });

    // JavaScript has no erf.
    if (exact === null) return;
    test("and its gradient are those of float64", async () => {
      await using compiled = compile(first);
      const values = [...activation(x()).dataSync()];
      for (const gradient of [first(x()), await compiled(x())].map((result) => [...result.dataSync()])) {
        places.forEach((place, i) => {
          const step = 1e-5 * Math.max(1, Math.abs(place));
          const expected = (exact(place + step) - exact(place - step)) / (2 * step);
          const size = Math.max(1, Math.abs(place));
          assert.ok(Math.abs(values[i]! - exact(place)) < 1e-6 * Math.max(size, exact(place)), `at ${place}`);
          assert.ok(
            Math.abs(gradient[i]! - expected) < 1e-5 * Math.max(1, Math.abs(expected)),
            `${gradient[i]} at ${place}`,
          );
        });
      }
    });
  });
}

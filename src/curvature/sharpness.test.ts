import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { sharpness } from "./sharpness.ts";

/** Not diagonal: eigenvalues of P⁻¹H aren't those of H over elements of P. */
const h = [
  [4, 1, 0],
  [1, 3, -2],
  [0, -2, 6],
];
const product = ({ w }: { w: np.Array }) => ({ w: np.dot(np.array(h), w) });
const like = () => ({ w: np.zeros([3]) });

/** Power iteration on P⁻¹H itself, which isn't symmetric. */
function largest(preconditioner: readonly number[]): number {
  let v = [1, 0.3, -0.7];
  let value = 0;
  for (let step = 0; step < 500; step++) {
    const image = h.map((row, i) => row.reduce((sum, x, j) => sum + x * v[j]!, 0) / preconditioner[i]!);
    value = Math.hypot(...image);
    v = image.map((x) => x / value);
  }
  return value;
}

test("sharpness is the largest eigenvalue of P⁻¹H", async () => {
  for (const preconditioner of [undefined, [1, 1, 1], [0.01, 2, 5], [3, 0.5, 100]]) {
    const options = { key: random.key(1), numSteps: 3 };
    const tree = like();
    const found = await sharpness(
      product as never,
      tree,
      preconditioner === undefined ? options : { ...options, preconditioner },
    );
    const expected = largest(preconditioner ?? [1, 1, 1]);
    assert.ok(Math.abs(found.value / expected - 1) < 1e-4, `${preconditioner}: ${found.value}, ${expected}`);
    tree.w.dispose();
  }
});

test("a preconditioner that isn't above 0 or has another size is refused", async () => {
  for (const preconditioner of [
    [1, 0, 1],
    [1, -1, 1],
    [1, Number.NaN, 1],
    [1, 2],
  ]) {
    const tree = like();
    await assert.rejects(
      sharpness(product as never, tree, { key: random.key(1), numSteps: 3, preconditioner }),
      ConfigError,
    );
    tree.w.dispose();
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { type CompileOptions, compile } from "./index.ts";

const [rows, width, depth] = [32, 16, 6];
const numbers = (seed: number, shape: readonly number[]) =>
  np.array(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(seed + 1.7 * i) / 4),
    { shape: [...shape] },
  );

interface Net {
  readonly table: np.Array;
  readonly blocks: readonly { readonly up: np.Array; readonly down: np.Array }[];
  readonly head: np.Array;
}

const net = (): Net => ({
  table: numbers(0, [5, width]),
  blocks: Array.from({ length: depth }, (_, i) => ({
    up: numbers(i + 1, [width, 8 * width]),
    down: numbers(i + 2, [8 * width, width]),
  })),
  head: numbers(9, [width, 3]),
});
const tokens = () => np.array(Int32Array.from({ length: rows }, (_, i) => (3 * i) % 5));

/** Residual branches, as of a transformer, and a loss of one number. */
function loss({ table, blocks, head }: Net, ids: np.Array): np.Array {
  let x = table.slice(ids);
  for (const { up, down } of blocks)
    x = x.ref.add(np.matmul(np.square(nn.relu(np.matmul(np.tanh(x), up))), down));
  return np.square(np.matmul(x, head)).mean();
}

async function compiled<Out>(fn: (params: Net, ids: np.Array) => Out, options: CompileOptions) {
  await using run = compile(fn, { threads: 1, ...options });
  const { operators, aliveBytes } = await run.inspect(net() as never, tokens() as never);
  const results = tree.leaves((await run(net() as never, tokens() as never)) as never) as np.Array[];
  const products = (operators.Gemm ?? 0) + (operators.FusedMatMul ?? 0);
  return { products, aliveBytes, values: results.map((array) => array.dataSync()) };
}

test("recomputation changes no bit of loss and gradients, and keeps one activation of a branch", async () => {
  const step = (params: Net, ids: np.Array) => valueAndGrad((p: Net) => loss(p, ids))(params as never);
  const kept = await compiled(step, {});
  const again = await compiled(step, { recompute: true });
  assert.deepEqual(again.values, kept.values);
  // Of every branch the first product; nothing reads what its second one gave.
  assert.equal(again.products - kept.products, depth);
  assert.ok(again.aliveBytes < 0.6 * kept.aliveBytes, `${again.aliveBytes} of ${kept.aliveBytes}`);
});

test("without a backward pass, a loss or branches there is nothing to make again", async () => {
  const programs = [
    (params: Net, ids: np.Array) => loss(params, ids),
    ({ table, blocks, head }: Net, ids: np.Array) => {
      tree.dispose(blocks as never);
      return np.matmul(table.slice(ids), head);
    },
    ({ table, blocks, head }: Net, ids: np.Array) => {
      tree.dispose(blocks as never);
      const of = (w: np.Array) => np.square(np.matmul(table.slice(ids), w)).mean();
      return valueAndGrad(of)(head);
    },
  ];
  for (const program of programs)
    assert.deepEqual(
      await compiled<unknown>(program, { recompute: true }),
      await compiled<unknown>(program, {}),
    );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { aliveBytes } from "./aliveBytes.ts";
import { Graph } from "./graph.ts";
import { compile } from "./index.ts";

test("what is alive is what somebody will still read, beside inputs, constants and outputs", () => {
  const graph = new Graph();
  const x = graph.input("float32", [10]);
  const two = graph.scalar("float32", 2);
  const double = graph.op("Mul", [x, two], "float32", [10]);
  const root = graph.op("Sqrt", [graph.reshape(double, [2, 5])], "float32", [2, 5]);
  const isLess = graph.op("Less", [root, two], "bool", [2, 5]);
  const sum = graph.op("Add", [root, graph.reshape(double, [2, 5])], "float32", [2, 5]);
  const output = graph.op("Where", [isLess, sum, root], "float32", [2, 5]);
  // x, 2, a shape of two int64 and the output always; with the sum double, root and isLess.
  const always = 40 + 4 + 16 + 40;
  assert.equal(aliveBytes(graph.liveNodes([output]), [x], [output]), always + 40 + 40 + 10 + 40);
  // Without double's second reader it is gone before.
  const shorter = graph.op("Where", [isLess, two, root], "float32", [2, 5]);
  assert.equal(aliveBytes(graph.liveNodes([shorter]), [x], [shorter]), always + 40 + 40);
  assert.equal(aliveBytes([], [x], [x]), 40);
});

test("a compiled function tells it", async () => {
  await using compiled = compile((x: np.Array) => x.mul(2).sum());
  const x = np.ones([1000]);
  assert.ok((await compiled.inspect(x)).aliveBytes >= 8000);
  x.dispose();
});

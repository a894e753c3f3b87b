import assert from "node:assert/strict";
import { test } from "node:test";
import { EVD, Matrix } from "ml-matrix";
import type { StoredTensor } from "../checkpoint/index.ts";
import { CheckpointError } from "../errors.ts";
import { momentumMatrices } from "./momentumMatrices.ts";

function tensor(shape: number[], data: number[]): StoredTensor {
  return { dtype: "float32", shape, data: Float32Array.from(data) };
}

const elements = [3, 1, -2, 0.5, 4, 1];
const checkpoint = {
  file: "step.safetensors",
  tensors: new Map([
    ["params.blocks.0.up", tensor([2, 3], [9, 9, 9, 9, 9, 9])],
    ["optimizer.muon.0.momentum.blocks.0.up", tensor([2, 3], elements)],
    ["optimizer.muon.0.momentum.blocks.0.down", tensor([3, 2], elements)],
    ["optimizer.muon.0.momentum.blocks.1.down", tensor([3, 2], [0, 0, 0, 0, 0, 0])],
    ["optimizer.muon.2.count", tensor([], [7])],
    ["optimizer.adamw.0.mu.head", tensor([2, 2], [1, 0, 0, 1])],
  ]),
};

test("the singular values of Muon's momentum, divided by the Frobenius norm, are those of an eigenvalue decomposition", () => {
  const found = momentumMatrices(checkpoint);
  assert.deepEqual(
    found.map(({ path, rows, columns }) => [path, rows, columns]),
    [
      ["blocks.0.up", 2, 3],
      ["blocks.0.down", 3, 2],
    ],
  );
  const up = new Matrix([elements.slice(0, 3), elements.slice(3)]);
  const eigenvalues = new EVD(up.mmul(up.transpose())).realEigenvalues.sort((a, b) => b - a);
  const total = eigenvalues[0]! + eigenvalues[1]!;
  found[0]!.singularValues.forEach((value, i) => {
    assert.ok(Math.abs(value - Math.sqrt(eigenvalues[i]! / total)) < 1e-12);
  });
});

test("a shape chooses matrices", () => {
  assert.deepEqual(
    momentumMatrices(checkpoint, [3, 2]).map(({ path }) => path),
    ["blocks.0.down"],
  );
  assert.throws(() => momentumMatrices(checkpoint, [4, 4]), {
    name: "CheckpointError",
    message: "checkpoint step.safetensors: has no momentum of shape 4x4; expected one of 2x3, 3x2",
  });
});

test("a run without Muon, or whose momentum is zero, has none", () => {
  const only = (...names: string[]) => ({
    file: checkpoint.file,
    tensors: new Map([...checkpoint.tensors].filter(([name]) => names.includes(name))),
  });
  assert.throws(
    () => momentumMatrices(only("params.blocks.0.up", "optimizer.adamw.0.mu.head")),
    CheckpointError,
  );
  assert.throws(
    () => momentumMatrices(only("optimizer.muon.0.momentum.blocks.1.down")),
    /every momentum matrix is zero/,
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { residualQuantizer, simVq, vectorQuantizer } from "../quantize/index.ts";
import {
  byKind,
  describeMuon,
  describePartition,
  muonRule,
  type PartitionRule,
  parameterKind,
  partition,
  scale,
  sgd,
  shampooRule,
} from "./index.ts";

const groups = { matrix: "m", embedding: "e", head: "h", vector: "v" };
const params = () => ({
  embedding: np.ones([5, 4]),
  head: np.ones([4, 5]),
  blocks: [{ norm: { weight: np.ones([4]) }, mlp: { up: np.ones([4, 8]) } }],
  kernel: np.ones([3, 3, 4, 8]),
  temperature: np.ones([]),
});

test("every parameter has a kind, a group, a reason and a reading of its axes", () => {
  assert.deepEqual(describePartition(params(), byKind(groups)), [
    { path: "embedding", shape: [5, 4], kind: "embedding", reading: "5 rows × width 4", group: "e", reason: "embedding table" },
    { path: "head", shape: [4, 5], kind: "head", reading: "fan-in 4 × fan-out 5", group: "h", reason: "output head" },
    { path: "blocks.0.norm.weight", shape: [4], kind: "vector", reading: "4 elements", group: "v", reason: "vector" },
    { path: "blocks.0.mlp.up", shape: [4, 8], kind: "matrix", reading: "fan-in 4 × fan-out 8", group: "m", reason: "hidden matrix" },
    { path: "kernel", shape: [3, 3, 4, 8], kind: "stack", reading: "3 × 3 of 4 × 8", group: "v", reason: "more than two axes" },
    { path: "temperature", shape: [], kind: "vector", reading: "scalar", group: "v", reason: "vector" },
  ]); // biome-ignore format: a table
});

test("the rule of Muon goes by the same kinds", () => {
  const rule = byKind({ matrix: "muon", embedding: "adamw", head: "adamw", vector: "adamw" });
  const groupsOf = (r: typeof muonRule) =>
    describePartition(params(), r).map(({ path, group }) => [path, group]);
  assert.deepEqual(groupsOf(rule), groupsOf(muonRule));
});

test("tables of vectors go where embeddings go, for Muon, for Shampoo and in their dry runs", () => {
  const { params: quantizer, state } = residualQuantizer([
    vectorQuantizer({ numCodes: 8, dim: 4 }),
    simVq({ numCodes: 8, dim: 4, trainTable: true }),
  ]).init(random.key(1));
  tree.dispose(state);
  const tables = { quantizer, position: { embedding: np.ones([6, 4]) }, buckets: { bias: np.ones([32, 2]) } };
  const params = { ...tables, up: np.ones([4, 8]) };
  const groups = (rule: PartitionRule) =>
    Object.fromEntries(
      describePartition(params, rule).map(({ path, group, reason }) => [path, `${group}: ${reason}`]),
    );
  for (const [rule, name] of [
    [muonRule, "muon"],
    [shampooRule, "shampoo"],
  ] as const) {
    assert.deepEqual(groups(rule), {
      "quantizer.layers.0.codebook": "adamw: embedding table",
      "quantizer.layers.1.transform": `${name}: hidden matrix`,
      "quantizer.layers.1.table": "adamw: embedding table",
      "position.embedding": "adamw: embedding table",
      "buckets.bias": "adamw: embedding table",
      up: `${name}: hidden matrix`,
    });
  }
  assert.deepEqual(
    describeMuon(params)
      .filter(({ blocks }) => blocks.length > 0)
      .map(({ path }) => path),
    ["quantizer.layers.1.transform", "up"],
  );
  tree.dispose(params);
});

test("names and kinds can be one's own", () => {
  assert.equal(parameterKind("decoder.embedding", [5, 4]), "embedding");
  assert.equal(parameterKind("wordEmbedding", [5, 4]), "matrix");
  // Rows of codebooks are looked up as those of embeddings; SimVQ's map is a map.
  assert.equal(parameterKind("quantizer.codebook", [5, 4]), "embedding");
  assert.equal(parameterKind("quantizer.layers.0.table", [5, 4]), "embedding");
  assert.equal(parameterKind("quantizer.transform", [4, 4]), "matrix");
  assert.equal(parameterKind("heads", [5, 4]), "matrix");
  const own = byKind({ ...groups, stack: "s" }, (path, shape) =>
    path === "wte" ? "embedding" : parameterKind(path, shape),
  );
  assert.equal(own("wte", [5, 4]).group, "e");
  assert.equal(own("kernel", [1, 2, 3]).group, "s");
});

test("two parameters of one path are refused", () => {
  const stage = partition(() => ({ group: "m", reason: "" }), { m: sgd({ learningRate: 1 }) });
  const params = { "a.b": np.zeros([1]), a: { b: np.zeros([1]) } };
  assert.throws(
    () => stage.init(params),
    (error) =>
      error instanceof ConfigError && /parameter a\.b: two parameters have this path/.test(error.message),
  );
  tree.dispose(params);
});

test("a group without a transformation is refused", () => {
  assert.throws(
    () => partition(byKind(groups), { m: scale(1), e: scale(1), h: scale(1) }).init(params()),
    (error: Error) =>
      error instanceof ConfigError && /group "v": expected one of "m", "e", "h"/.test(error.message),
  );
});

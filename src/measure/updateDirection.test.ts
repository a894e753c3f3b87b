import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { toEngine } from "../compile/index.ts";
import { buildOptimizer, parseConfig } from "../config/index.ts";
import { type OptimizerMethod, optimizerMethods, type Tree } from "../optim/index.ts";
import { type UpdateDirectionOptions, updateDirection } from "./updateDirection.ts";

const matrix = Float32Array.from({ length: 12 }, (_, i) => Math.sin(2.3 * i + 1));
const gradient = Float32Array.from({ length: 16 }, (_, i) => Math.cos(1.1 * i) + 0.05);
const tree = (values: Float32Array) => ({
  block: { up: np.array(values.slice(0, 12), { shape: [3, 4] }) },
  norm: np.array(values.slice(12), { shape: [4] }),
});
const difference = (a: Tree, b: Tree) => ({
  block: { up: a.block.up.sub(b.block.up) },
  norm: a.norm.sub(b.norm),
});
const params = () => tree(Float32Array.of(...matrix, 1, 1.5, 2, 0.5));
const learningRate = 0.25;

/** The optimizers without momentum, with an ε that shows. */
const optimizers: Record<string, object> = {
  sgd: { kind: "sgd" },
  signum: { kind: "signum", momentum: 0, eps: 0.3 },
  tiger: { kind: "tiger", momentum: 0, weightDecay: 0 },
  lion: { kind: "lion", b1: 0, b2: 0, weightDecay: 0 },
  pbsgd: { kind: "pbsgd", power: 0.4 },
  adam: { kind: "adam", b1: 0, b2: 0.5, eps: 0.4, epsRoot: 0.2 },
  adamw: { kind: "adamw", b1: 0, b2: 0.5, eps: 0.4, weightDecay: 0 },
  adabelief: { kind: "adabelief", b1: 0, b2: 0.5, eps: 0.4 },
  rmsprop: { kind: "rmsprop", decay: 0.5, eps: 0.4 },
  "rmsprop, centered": { kind: "rmsprop", decay: 0.5, eps: 0.4, centered: true },
  adopt: { kind: "adopt", b1: 0, b2: 0.5, eps: 0.4 },
  "schedule-free-adamw": { kind: "schedule-free-adamw", b2: 0.5, eps: 0.4 },
  normuon: { kind: "normuon", momentum: 0, b2: 0.5, adamw: { learningRate: 0.05, b1: 0, b2: 0.5, eps: 0.4 } },
  adamuon: {
    kind: "adamuon",
    momentum: 0,
    b2: 0.5,
    weightDecay: 0,
    adamw: { learningRate: 0.05, b1: 0, b2: 0.5, eps: 0.4 },
  },
  muonclip: {
    kind: "muonclip",
    momentum: 0,
    weightDecay: 0,
    adamw: { learningRate: 0.05, b1: 0, b2: 0.5, eps: 0.4 },
  },
  muon: { kind: "muon", momentum: 0, adamw: { learningRate: 0.05, b1: 0, b2: 0.5, eps: 0.4 } },
};

for (const [name, optimizer] of Object.entries(optimizers)) {
  test(`${name}: −η·φ is what the optimizer does, from its own state`, async () => {
    const config = parseConfig({
      model: { numLayers: 1, modelDim: 4, numHeads: 1, qkNorm: false },
      optimizer: { ...optimizer, learningRate },
      training: { steps: 100, batchSize: 4, length: 4 },
    });
    const { transformation } = buildOptimizer(config);
    let state: Tree = transformation.init(params());
    // Gradients of one size, so that mean squares have settled at them.
    for (let step = 0; step < 30; step++) {
      const [updates, next] = transformation.update(tree(gradient), state, params());
      np.concatenate([updates.block.up.reshape([-1]), updates.norm]).dispose();
      state = next;
    }
    const engine = await toEngine(state);
    const copy = (root: Tree): Tree =>
      root instanceof Object && "toArray" in root
        ? root.toArray()
        : Array.isArray(root)
          ? root.map(copy)
          : Object.fromEntries(Object.entries(root).map(([key, value]) => [key, copy(value)]));
    const [moved, after] = transformation.update(tree(gradient), copy(engine), params());
    // Schedule-Free's φ moves z; the parameters follow its average too.
    const updates = "z" in after ? difference(after.z, copy(engine.z)) : moved;
    const expected = np.concatenate([updates.block.up.reshape([-1]), updates.norm]).js() as number[];
    const direction = updateDirection({
      optimizer: config.optimizer,
      runBatchSize: 4,
      params: await toEngine(params()),
      state: engine,
      secondMoment: "stored",
    });
    const noise = {
      gradientSquared: 1,
      covarianceTrace: 1,
      variance: new Float32Array(16),
      meanSquares: new Float32Array(16),
    };
    const found = await direction.apply(gradient, 4, noise);
    await direction.dispose();
    for (const [i, value] of expected.entries()) {
      // Float32, and Newton–Schulz steps in another order of sums. A variance of 0 is rounding, about 1e-7, and its root enters.
      assert.ok(
        Math.abs(-learningRate * found[i]! - value) < (name === "rmsprop, centered" ? 5e-4 : 2e-5),
        `element ${i}: ${-learningRate * found[i]!}, ${value}`,
      );
    }
  });
}

test("every optimizer has a direction, or says why not", () => {
  for (const [name, { direction, noDirection }] of Object.entries<OptimizerMethod>(optimizerMethods)) {
    assert.equal(direction === undefined, noDirection !== undefined, name);
    if (direction !== undefined) assert.ok(name in optimizers, `${name}: its direction has no test`);
  }
  const { optimizer } = parseConfig({
    model: { numLayers: 1, modelDim: 4, numHeads: 1, qkNorm: false },
    optimizer: { kind: "soap" },
    training: { steps: 1, batchSize: 4, length: 4 },
  });
  assert.throws(
    () => updateDirection({ optimizer, runBatchSize: 4, params: {}, state: {} }),
    /optimizer soap: its direction can't be measured: its basis turns .*; expected one of sgd, /,
  );
});

test("memory: how many batches a sign or msign sees", () => {
  const memory = (optimizer: object) => {
    const options = {
      optimizer: parseConfig({
        model: { numLayers: 1, modelDim: 4, numHeads: 1, qkNorm: false },
        optimizer,
        training: { steps: 1, batchSize: 4, length: 4 },
      }).optimizer,
      runBatchSize: 4,
      params: {},
      state: { nu: {} },
    } satisfies UpdateDirectionOptions;
    return updateDirection(options).memory;
  };
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual / expected - 1) < 1e-6, `${actual}`);
  near(memory({ kind: "sgd", momentum: 0.9 }), 1);
  near(memory({ kind: "signum", momentum: 0.9 }), 19);
  near(memory({ kind: "tiger", momentum: 0.9 }), 19);
  near(memory({ kind: "muon", momentum: 0.9, nesterov: false }), 19);
  // Sums by hand of g + 0.95·m: 20² / (1.95² + 0.95⁴/(1 − 0.95²)).
  near(memory({ kind: "muon" }), 400 / (1.95 ** 2 + 0.95 ** 4 / (1 - 0.95 ** 2)));
  // 1/(0.1² + (0.9·0.01)²/(1 − 0.99²)).
  near(memory({ kind: "lion" }), 1 / (0.01 + 0.009 ** 2 / (1 - 0.99 ** 2)));
});

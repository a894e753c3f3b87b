import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  adamw,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  describePartition,
  type GradientTransformation,
  globalNorm,
  identity,
  muon,
  muonRule,
  muonScale,
  partition,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  scaleByMuon,
  type Tree,
  trace,
  warmupCosine,
} from "./index.ts";

const reference = JSON.parse(readFileSync(new URL("./optim.reference.json", import.meta.url), "utf8")) as {
  shapes: Record<string, number[]>;
  steps: number[];
  runs: Record<string, Record<string, number[]>[]>;
};

function values(shape: readonly number[], phase: number): number[] {
  const count = shape.reduce((a, b) => a * b, 1);
  return Array.from(
    { length: count },
    (_, i) => Math.sin(1.7 * i + phase) + 0.3 * Math.cos(0.37 * i * phase),
  );
}

const start = (name: string) => values(reference.shapes[name]!, name.length).map((v) => 0.5 * v);

/** The gradient of scripts/references/optim.py, in float64. */
function gradient(name: string, weights: ArrayLike<number>, step: number): number[] {
  const shape = reference.shapes[name]!;
  const [target, moving] = [values(shape, 2.5), values(shape, 0.11 * step + 1)];
  return target.map((t, i) => 0.7 * (weights[i]! - t) + 0.2 * moving[i]!);
}

type Update = (updates: Tree, state: Tree, params: Tree) => readonly [Tree, Tree];

/** Weights after the kept steps. */
function optimize(
  names: string[],
  transformation: GradientTransformation,
  update: Update = transformation.update,
  numSteps = reference.steps.at(-1)!,
) {
  const arrayOf = (data: number[], name: string) => np.array(data).reshape(reference.shapes[name]!);
  let params: Tree = Object.fromEntries(names.map((name) => [name, arrayOf(start(name), name)]));
  let state = transformation.init(tree.ref(params));
  const kept: Record<string, number[]>[] = [];
  for (let step = 0; step < numSteps; step++) {
    const gradients = Object.fromEntries(
      names.map((name) => [name, arrayOf(gradient(name, params[name].ref.dataSync(), step), name)]),
    );
    const [updates, next] = update(gradients, state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
    if (reference.steps.includes(step + 1)) {
      kept.push(Object.fromEntries(names.map((name) => [name, [...params[name].ref.dataSync()]])));
    }
  }
  tree.dispose(params);
  tree.dispose(state);
  return kept;
}

function assertFollows(actual: Record<string, number[]>[], run: string, tolerance: number): void {
  reference.runs[run]!.forEach((expected, i) => {
    for (const [name, numbers] of Object.entries(expected)) {
      numbers.forEach((value, j) => {
        const error = Math.abs(actual[i]![name]![j]! - value);
        assert.ok(
          error <= tolerance,
          `${run}, step ${reference.steps[i]}, ${name}[${j}]: ${actual[i]![name]![j]} instead of ${value}`,
        );
      });
    }
  });
}

const every = Object.keys(reference.shapes);
const matrices = ["tall", "wide"];
const named = { learningRate: 0.03, b1: 0.8, b2: 0.95, eps: 1e-3, weightDecay: 0.1 };
const sgd = (nesterov: boolean) => chain(trace({ momentum: 0.9, nesterov }), scaleByLearningRate(0.05));
const matrixMuon = (options: Parameters<typeof muon>[0]) =>
  muon({ learningRate: 0.005, momentum: 0.9, ...options });

describe("100 steps follow", () => {
  // Weights are of order 1; float32 against float64 over 100 steps.
  const rows: [run: string, names: string[], transformation: GradientTransformation, tolerance: number][] = [
    ["adamw", every, adamw(named), 2e-5],
    ["adamw defaults", every, adamw(), 2e-5],
    ["optax adamw", every, adamw(named), 2e-5],
    ["sgd momentum", every, sgd(false), 2e-5],
    ["sgd nesterov", every, sgd(true), 2e-5],
    ["muon", matrices, matrixMuon({ weightDecay: 0.1 }), 5e-4],
    ["muon without nesterov", matrices, matrixMuon({ nesterov: false, scale: "match-adamw-rms" }), 5e-4],
    ["optax muon", matrices, matrixMuon({ nesterov: false, weightDecay: 0.1 }), 5e-4],
    // torch.optim.Muon iterates in bfloat16, with 8 bits of precision; it differs by a percent of 100 updates of 0.005.
    ["torch muon", matrices, matrixMuon({ weightDecay: 0.1 }), 3e-2],
  ];
  for (const [run, names, transformation, tolerance] of rows) {
    test(`${run}, eagerly`, () => assertFollows(optimize(names, transformation), run, tolerance));
  }
  test("adamw and muon under jit", () => {
    for (const [run, names, transformation, tolerance] of [rows[0]!, rows[5]!]) {
      assertFollows(
        optimize(names, transformation, jit(transformation.update as never) as never),
        run,
        tolerance,
      );
    }
  });
});

test("adamw and muon compiled to the engine", async () => {
  for (const [run, names, transformation, tolerance] of [
    ["adamw", every, adamw(named), 2e-5],
    ["muon", matrices, matrixMuon({ weightDecay: 0.1 }), 5e-4],
  ] as const) {
    const step = compileStep((state: Tree, gradients: Tree): [Tree, np.Array] => {
      const [updates, optimizer] = transformation.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
    });
    const params = Object.fromEntries(
      names.map((n) => [n, np.array(start(n)).reshape(reference.shapes[n]!)]),
    );
    const optimizer = transformation.init(tree.ref(params));
    const handle = await step.init({ params, optimizer });
    const kept: Record<string, number[]>[] = [];
    for (let i = 0; i < 10; i++) {
      const current = handle.leaves().params;
      const gradients = Object.fromEntries(
        names.map((n) => [n, np.array(gradient(n, current[n].data, i)).reshape(reference.shapes[n]!)]),
      );
      (await step(handle, gradients)).dispose();
      if (reference.steps.includes(i + 1)) {
        kept.push(Object.fromEntries(names.map((n) => [n, [...handle.leaves().params[n].data] as number[]])));
      }
    }
    reference.runs[run]!.length = kept.length;
    assertFollows(kept, run, tolerance);
    handle.dispose();
    await step.dispose();
  }
});

describe("every option changes the result", () => {
  const last = (names: string[], t: GradientTransformation) => optimize(names, t, t.update, 30).at(-1)!.tall!;
  const differs = (names: string[], base: GradientTransformation, changed: GradientTransformation) => {
    const [a, b] = [last(names, base), last(names, changed)];
    // Rounding moves the weights by less than 1e-5.
    assert.ok(Math.max(...a.map((v, i) => Math.abs(v - b[i]!))) > 2e-4);
  };
  for (const change of [
    { learningRate: 0.002 },
    { b1: 0.5 },
    { b2: 0.5 },
    { eps: 0.5 },
    { weightDecay: 0.5 },
  ]) {
    test(`adamw ${JSON.stringify(change)}`, () =>
      differs(every, adamw(named), adamw({ ...named, ...change })));
  }
  test("adamw mask", () =>
    differs(every, adamw(named), adamw({ ...named, mask: (path) => path !== "tall" })));
  const base = { weightDecay: 0.1 };
  for (const change of [
    { learningRate: 0.002 },
    { momentum: 0.5 },
    { nesterov: false },
    { weightDecay: 0.5 },
    { steps: 2 },
    { coefficients: "taylor" as const },
    { scale: "match-adamw-rms" as const },
    { scale: "spectral" as const },
    { matrixLayout: "fanOut-fanIn" as const },
  ]) {
    test(`muon ${JSON.stringify(change)}`, () =>
      differs(matrices, matrixMuon(base), matrixMuon({ ...base, ...change })));
  }
});

test("schedules reach the update: the learning rate of each step is the schedule's", () => {
  const schedule = warmupCosine({ peak: 1, warmupSteps: 2, numSteps: 6 });
  const stage = scaleByLearningRate(schedule);
  let state = stage.init({ w: np.zeros([1]) });
  for (let step = 0; step < 6; step++) {
    const [updates, next] = stage.update({ w: np.ones([1]) }, state, { w: np.zeros([1]) });
    state = next;
    assert.ok(Math.abs(updates.w.item() + schedule.at(step)) < 1e-6);
  }
  tree.dispose(state);
});

test("clipping leaves small gradients alone and scales large ones to the norm", () => {
  const stage = clipByGlobalNorm(1);
  const clip = (factor: number) =>
    stage.update({ a: np.array([3, 0]).mul(factor), b: np.array([[4]]).mul(factor) }, {}, {})[0];
  const small = clip(0.1);
  assert.deepEqual(small.b.js(), [[Math.fround(0.4)]]);
  small.a.dispose();
  const norm = globalNorm(clip(100)).item();
  assert.ok(Math.abs(norm - 1) < 1e-6);
});

test("the partition gives each parameter to one group, with a reason, and matches the groups run alone", () => {
  const params = {
    embedding: np.ones([5, 4]),
    head: np.ones([4, 5]),
    blocks: [{ norm: { weight: np.ones([4]) }, mlp: { up: np.ones([4, 8]) } }],
  };
  const groups = Object.fromEntries(
    describePartition(params, muonRule).map(({ path, group }) => [path, group]),
  );
  assert.deepEqual(groups, {
    embedding: "adamw",
    head: "adamw",
    "blocks.0.norm.weight": "adamw",
    "blocks.0.mlp.up": "muon",
  });
  const whole = partition(muonRule, { muon: scale(2), adamw: scale(3) });
  const [updates, state] = whole.update(tree.ref(params), whole.init(tree.ref(params)), params);
  assert.equal(updates.embedding.slice(0, 0).item(), 3);
  assert.equal(updates.blocks[0].mlp.up.slice(0, 0).item(), 2);
  tree.dispose(state);
  const unknown = partition(() => ({ group: "lion", reason: "" }), { adamw: identity() });
  assert.throws(
    () => unknown.init({ w: np.ones([1]) }),
    new ConfigError('parameter w: group "lion": expected one of "adamw"'),
  );
});

test("scales of Muon are the published factors", () => {
  assert.equal(muonScale("none", 4, 16), 1);
  assert.equal(muonScale("keller-jordan", 4, 16), 2);
  assert.equal(muonScale("keller-jordan", 16, 4), 1);
  assert.equal(muonScale("spectral", 16, 4), 0.5);
  assert.equal(muonScale("match-adamw-rms", 4, 16), 0.8);
});

test("impossible options are refused", () => {
  for (const make of [
    () => scaleByAdam({ b1: 1 }),
    () => scaleByAdam({ eps: -1 }),
    () => scaleByMuon({ momentum: 1 }),
    () => muonScale("half" as never, 1, 1),
    () => clipByGlobalNorm(0),
    () => adamw({ weightDecay: -1 }),
    () => scaleByMuon().init({ bias: np.zeros([3]) }),
  ]) {
    assert.throws(make, ConfigError);
  }
});

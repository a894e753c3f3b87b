import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  clipByGlobalNorm,
  describePartition,
  globalNorm,
  identity,
  muonRule,
  muonScale,
  partition,
  scale,
  scaleByLearningRate,
  warmupCosine,
} from "./index.ts";

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
  assert.throws(() => muonScale("half" as never, 1, 1), ConfigError);
});

test("clipping to nothing is refused", () => {
  assert.throws(() => clipByGlobalNorm(0), ConfigError);
  assert.throws(() => clipByGlobalNorm(Number.POSITIVE_INFINITY), ConfigError);
});

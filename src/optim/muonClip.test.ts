import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { applyUpdates, type MuonClipOptions, muon, muonClip, type Tree } from "./index.ts";

// Two layers; two query heads share one key head of size 2.
const matrix = (rows: number, columns: number, phase: number) =>
  np
    .array(Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(1.3 * i + phase)))
    .reshape([rows, columns]);
const attentions = (phase: number): Tree => ({
  blocks: [0, 1].map((layer) => ({
    attention: { wq: matrix(3, 4, phase + layer), wk: matrix(3, 2, phase + 5 + layer) },
  })),
  norm: np.ones([3]),
});
const logits = [
  [150, 40],
  [20, 400],
];
const options = { learningRate: 0.1, weightDecay: 0 } satisfies MuonClipOptions;

/** Weights of layer and name after some steps. */
function train(steps: number, own: MuonClipOptions = {}) {
  const { init, update } = muonClip({ ...options, ...own });
  let params = attentions(0);
  let state = init(attentions(0));
  for (let step = 0; step < steps; step++) {
    const maxLogits = np.array(logits);
    const [updates, next] = update(attentions(step + 1), state, tree.ref(params), { maxLogits });
    assert.equal(maxLogits.refCount, 1);
    [params, state] = [applyUpdates(params, updates), next];
  }
  return params;
}

test("after Muon's step, each head's logits are scaled by its own factor, in every layer", () => {
  const [threshold, alpha] = [100, 0.25];
  // The same steps by hand: Muon's, then factors of columns.
  const plain = muon({ ...options, nesterov: false, scale: "match-adamw-rms" });
  let params = attentions(0);
  let state = plain.init(attentions(0));
  for (let step = 0; step < 3; step++) {
    const [updates, next] = plain.update(attentions(step + 1), state, tree.ref(params));
    [params, state] = [applyUpdates(params, updates), next];
    params.blocks.forEach(({ attention }: Tree, layer: number) => {
      const gamma = logits[layer]!.map((largest) => Math.min(1, threshold / largest));
      const key = Math.min(...gamma) ** (1 - alpha);
      attention.wk = attention.wk.mul(key);
      attention.wq = attention.wq.mul(np.array(gamma.flatMap((g) => [g / key, g / key])));
    });
  }
  const found = train(3, { threshold, alpha });
  for (const layer of [0, 1]) {
    for (const name of ["wq", "wk"]) {
      const [a, b] = [found, params].map((own) => own.blocks[layer].attention[name].dataSync());
      a.forEach((value: number, i: number) => {
        assert.ok(Math.abs(value - b[i]) < 1e-5, `${layer} ${name}[${i}]: ${value}, ${b[i]}`);
      });
    }
  }
});

test("threshold and alpha count; logits below the threshold change nothing", () => {
  const query = (own: MuonClipOptions): number[] => [...train(1, own).blocks[0].attention.wq.dataSync()];
  const base = query({});
  for (const own of [{ threshold: 50 }, { alpha: 1 }, { threshold: 1000 }])
    assert.ok(
      query(own).some((value, i) => Math.abs(value - base[i]!) > 1e-3),
      JSON.stringify(own),
    );
  const { init, update } = muon({ ...options, nesterov: false, scale: "match-adamw-rms" });
  const [updates] = update(attentions(1), init(attentions(0)), attentions(0));
  const unclipped: number[] = [...applyUpdates(attentions(0), updates).blocks[0].attention.wq.dataSync()];
  query({ threshold: 1000 }).forEach((value, i) => {
    assert.ok(Math.abs(value - unclipped[i]!) < 1e-6);
  });
});

test("attentions without their logits are refused", () => {
  const { init, update } = muonClip(options);
  for (const observed of [undefined, { maxLogits: np.ones([3, 2]) }])
    assert.throws(() => update(attentions(1), init(attentions(0)), attentions(0), observed), ConfigError);
});

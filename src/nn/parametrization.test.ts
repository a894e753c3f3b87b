import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { initTransformer } from "./transformer.ts";
import { resolveTransformerConfig, type TransformerOptions } from "./transformerConfig.ts";

const options: TransformerOptions = { vocabSize: 64, numLayers: 2, modelDim: 128, numHeads: 4 };
const mup: TransformerOptions = { ...options, parametrization: "mup", baseDim: 32, baseHeadDim: 8 };

function deviations(own: TransformerOptions): Record<string, number> {
  const { blocks, embedding, head } = initTransformer(random.key(1), resolveTransformerConfig(own));
  const { attention, mlp } = blocks[0]!;
  const arrays = { embedding, head, wq: attention.wq, wo: attention.wo, up: mlp.up, down: mlp.down };
  return Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, np.std(array!.ref).item() as number]),
  );
}

/** Standard deviations of thousands of normal numbers are within 3 %. */
function assertNear(actual: Record<string, number>, expected: Record<string, number>): void {
  for (const [name, value] of Object.entries(expected)) {
    const ratio = actual[name]! / value;
    assert.ok(Math.abs(ratio - 1) < 0.05, `${name}: ${actual[name]}, expected ${value}`);
  }
}

test("initial sizes of each parametrization", () => {
  const residual = 1 / Math.sqrt(4);
  assertNear(deviations(options), { embedding: 0.02, head: 0.02, wq: 0.02, up: 0.02, wo: 0.02 * residual });
  // Four times the base width.
  assertNear(deviations(mup), {
    embedding: 0.02,
    head: 0.02 / 4,
    wq: 0.02 / 2,
    up: 0.02 / 2,
    wo: (0.02 / 2) * residual,
    down: (0.02 / 2) * residual,
  });
  assertNear(deviations({ ...options, parametrization: "spectral" }), {
    embedding: 1,
    head: 1 / 128,
    wq: 1 / Math.sqrt(128),
    up: 1 / Math.sqrt(128),
    wo: residual / Math.sqrt(128),
    // From 512 to 128: a quarter as wide.
    down: (residual / Math.sqrt(512)) * 0.5,
  });
});

test("at the base width mup is the standard parametrization, bit by bit", () => {
  const base = initTransformer(
    random.key(3),
    resolveTransformerConfig({ ...mup, baseDim: 128, baseHeadDim: 32 }),
  );
  const standard = initTransformer(random.key(3), resolveTransformerConfig(options));
  assert.deepEqual(base.blocks[1]!.mlp.down.js(), standard.blocks[1]!.mlp.down.js());
  assert.deepEqual(base.head!.js(), standard.head!.js());
});

test("scores of attention go as 1/headDim where heads grow", () => {
  assert.equal(resolveTransformerConfig(options).attentionScale, null);
  // √8/32: the usual scale at heads of 8.
  assert.equal(resolveTransformerConfig(mup).attentionScale, Math.sqrt(8) / 32);
  assert.equal(resolveTransformerConfig({ ...mup, baseHeadDim: 32 }).attentionScale, null);
  assert.equal(resolveTransformerConfig({ ...mup, attentionScale: 0.5 }).attentionScale, 0.5);
  assert.equal(resolveTransformerConfig({ ...options, parametrization: "spectral" }).attentionScale, 8 / 32);
});

test("a base that is missing, has no effect or doesn't divide is refused by name", () => {
  const refused = (own: Partial<TransformerOptions>, message: RegExp) =>
    assert.throws(
      () => resolveTransformerConfig({ ...options, ...own }),
      (error) => error instanceof ConfigError && message.test(error.message),
    );
  refused({ parametrization: "mup" }, /expected baseDim/);
  refused({ parametrization: "mup", baseDim: 32 }, /expected baseHeadDim/);
  refused({ baseDim: 32 }, /baseDim 32: has no effect with parametrization "standard"/);
  refused({ parametrization: "spectral", baseHeadDim: 8 }, /baseHeadDim 8: has no effect/);
  refused({ baseLayers: 2 }, /baseLayers 2: has no effect/);
  refused({ parametrization: "muP" as "mup" }, /parametrization "muP": expected standard, mup, spectral/);
  refused(
    { parametrization: "mup", baseDim: 48, baseHeadDim: 8, mlpDim: 500 },
    /baseDim 48: mlpDim 500 would be 187\.5 at modelDim 48/,
  );
});

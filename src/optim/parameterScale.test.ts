import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ParametrizedModel, resolveTransformerConfig, type TransformerOptions } from "../nn/index.ts";
import { parameterScale } from "./parameterScale.ts";
import { spectralSize, type UpdateSize, unitElements } from "./updateSize.ts";

const sgd: UpdateSize = { kind: "elements", degree: 1 };
const shapes = {
  up: ["blocks.0.mlp.up", [256, 1024]],
  down: ["blocks.1.mlp.down", [1024, 256]],
  embedding: ["embedding", [10, 256]],
  head: ["head", [256, 10]],
  gain: ["blocks.0.mlpNorm.scale", [256]],
  headGain: ["blocks.0.attention.qNorm.scale", [64]],
} as const;

const model = (options: Partial<TransformerOptions>): ParametrizedModel =>
  resolveTransformerConfig({ vocabSize: 10, numLayers: 8, modelDim: 256, numHeads: 4, ...options });
const mup = model({ parametrization: "mup", baseDim: 64, baseHeadDim: 16 });
const spectral = model({ parametrization: "spectral" });

const rates = (own: ParametrizedModel, size: UpdateSize) =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, [path, shape]]) => [
      name,
      parameterScale(own, size, path, shape).learningRate,
    ]),
  );

describe("learning rates by the spectral condition", () => {
  // Worked out by hand from arXiv 2310.17813 and table 8 of 2203.03466, four times the base width.
  test("mup: of Adam, SGD and Muon", () => {
    assert.deepEqual(rates(mup, unitElements), {
      up: 1 / 4,
      down: 1 / 4,
      embedding: 1,
      head: 1 / 4,
      gain: 1,
      headGain: 1,
    });
    assert.deepEqual(rates(mup, sgd), { up: 1, down: 1, embedding: 4, head: 1 / 4, gain: 4, headGain: 4 });
    for (const scale of ["none", "keller-jordan", "spectral"] as const) {
      const { up, down } = rates(mup, spectralSize(scale));
      assert.deepEqual({ up, down }, { up: 1, down: 1 }, scale);
    }
    // 0.2·√max(fanIn, fanOut) is twice as large at four times the width, and ‖ΔW‖₂ is to stay.
    assert.equal(rates(mup, spectralSize("match-adamw-rms")).up, 0.5);
    // Elements as large as the weight's, whose own are half as large; the head's are a quarter.
    const relative = rates(mup, { kind: "parameter" });
    assert.deepEqual([relative.up, relative.head, relative.embedding], [0.5, 1, 1]);
  });

  test("spectral: from the sides alone", () => {
    const adam = rates(spectral, unitElements);
    assert.deepEqual(
      [adam.up, adam.down, adam.embedding, adam.head, adam.gain],
      [1 / 256, 1 / 1024, 1, 1 / 256, 1],
    );
    const own = rates(spectral, sgd);
    assert.deepEqual([own.up, own.down, own.embedding, own.head], [4, 1 / 4, 256, 1 / 256]);
    // Whatever Muon's own factor is, ‖ΔW‖₂ is η·√(fanOut/fanIn).
    for (const scale of ["none", "keller-jordan", "spectral", "match-adamw-rms"] as const) {
      const size = spectralSize(scale);
      assert.ok(size.kind === "spectral");
      const { up, down } = rates(spectral, size);
      assert.ok(Math.abs(up! * size.norm(256, 1024) - 2) < 1e-12, scale);
      assert.ok(Math.abs(down! * size.norm(1024, 256) - 0.5) < 1e-12, scale);
    }
  });

  test("a step's decay is the same for all, and ε follows the gradient's size where there is one", () => {
    const up = parameterScale(mup, unitElements, ...shapes.up);
    assert.deepEqual(up, { learningRate: 1 / 4, weightDecay: 4, gradient: 4 });
    assert.equal(parameterScale(mup, unitElements, ...shapes.head).gradient, 1);
    assert.equal(parameterScale(mup, sgd, ...shapes.up).gradient, 1);
  });

  test("a table that is the head as well", () => {
    const tied = model({ parametrization: "mup", baseDim: 64, baseHeadDim: 16, tiedHead: true });
    assert.equal(parameterScale(tied, unitElements, ...shapes.embedding).learningRate, 1 / 4);
    assert.equal(resolveTransformerConfig({ ...tied, vocabSize: 10, numHeads: 4 }).embeddingScale, 4);
  });

  test("depth: branches and rates of Adam by 1/√L each", () => {
    const deep = model({ parametrization: "mup", baseDim: 256, baseHeadDim: 64, baseLayers: 2 });
    const adam = rates(deep, unitElements);
    assert.deepEqual([adam.up, adam.down, adam.embedding, adam.head], [0.5, 0.25, 1, 1]);
    const own = rates(deep, sgd);
    assert.deepEqual([own.up, own.down], [1, 0.25]);
  });

  test("standard: nothing changes", () => {
    assert.deepEqual(parameterScale(model({}), unitElements, ...shapes.up), {
      learningRate: 1,
      weightDecay: 1,
      gradient: 1,
    });
  });
});

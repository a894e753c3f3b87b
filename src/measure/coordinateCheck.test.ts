import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { EngineArray } from "../compile/index.ts";
import { buildOptimizer, type LanguageConfig, overrideConfig, parseLanguageConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import { type CoordinateOptions, configAtWidth, coordinateCheck } from "./coordinateCheck.ts";
import { coordinateSlope } from "./coordinateSlopes.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-coordinates-"));
after(() => rmSync(home, { recursive: true }));

function configOf(model: object, learningRate = 0.005): LanguageConfig {
  return parseLanguageConfig({
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16, ...model },
    data: { source: "moby-dick" },
    optimizer: { kind: "adamw", learningRate, weightDecay: 0 },
    training: { steps: 4, batchSize: 8, length: 16 },
  });
}

const mup = { parametrization: "mup", baseDim: 16, baseHeadDim: 8 };

/** Slopes by kind and name. */
async function slopes(options: CoordinateOptions) {
  const { rows, verdict } = await coordinateCheck({
    widths: [16, 64, 256],
    steps: 4,
    seeds: 1,
    home,
    threads: 1,
    ...options,
  });
  const failed = rows.filter((row) => row.verdict === "fails").map(({ kind, name }) => `${kind} ${name}`);
  return {
    verdict,
    failed,
    of: (key: string) => rows.find(({ kind, name }) => `${kind} ${name}` === key)!.slope,
  };
}

describe("the check finds", () => {
  test("nothing under mup, and growth nearly as the width under the standard parametrization", async () => {
    const own = await slopes({ config: configOf(mup) });
    assert.deepEqual(own.failed, []);
    const standard = await slopes({ config: configOf({}) });
    assert.equal(standard.verdict, "fails");
    // ‖ΔW‖₂ of sign-like updates against √(fanOut/fanIn): slope 1 for coherent ones.
    for (const name of ["update head", "update blocks.0.mlp.up", "change logits"])
      assert.ok(Math.abs(standard.of(name) - 1) < 0.35, `${name}: ${standard.of(name)}`);
  });

  test("a head of the standard initial size", async () => {
    const larger = (params: Tree, { modelDim }: TransformerConfig) => {
      const head = params.head as EngineArray;
      const values = Float32Array.from(head.data as Float32Array, (value) => (value * modelDim) / 16);
      return { ...params, head: EngineArray.from(values, head.shape) };
    };
    const own = await slopes({ config: configOf(mup), plant: { params: larger } });
    assert.ok(own.failed.includes("start logits"), own.failed.join());
    // Normal numbers: √width, where it should be 1/√width.
    assert.ok(Math.abs(own.of("start logits") - 0.5) < 0.1);
  });

  test("scores of attention by 1/√headDim where heads grow", async () => {
    for (const qkNorm of [true, false]) {
      const model = { ...mup, qkNorm, numHeads: 1, baseHeadDim: 16 };
      const right = await slopes({ config: configOf(model), grow: "head-size", steps: 1 });
      assert.ok(!right.failed.some((key) => key.includes("scores")), right.failed.join());
      // Products of two random vectors of H elements are of size √H.
      assert.ok(Math.abs(right.of("start scores 0") + 0.5) < 0.1, `${right.of("start scores 0")}`);
      const mistaken = { ...model, attentionScale: null };
      const wrong = await slopes({ config: configOf(mistaken), grow: "head-size", steps: 1 });
      assert.ok(wrong.failed.includes("start scores 0"), `${wrong.of("start scores 0")}`);
    }
  });

  test("one learning rate of Adam for all widths", async () => {
    const optimizer = (config: LanguageConfig) =>
      buildOptimizer(
        overrideConfig(config, {
          "model.parametrization": "standard",
          "model.baseDim": null,
          "model.baseHeadDim": null,
        }),
      );
    const own = await slopes({ config: configOf(mup), plant: { optimizer } });
    for (const name of ["update head", "update blocks.0.mlp.up", "update blocks.0.attention.wv"])
      assert.ok(own.failed.includes(name), `${name} isn't among ${own.failed.join()}`);
    assert.ok(!own.failed.includes("update embedding"));
  });
});

test("slopes: planted powers are found, and their errors say what seeds leave open", () => {
  const widths = [32, 64, 128];
  const sizes = (power: number, noise: number) =>
    widths.map((width, i) =>
      [0, 1].map((seed) => width ** power * Math.exp(noise * (i === 1 ? 1 : seed - 0.5))),
    );
  const row = (power: number, noise = 0, kind: "start" | "change" = "change") =>
    coordinateSlope(widths, { name: "x", kind, sizes: sizes(power, noise) });
  assert.ok(Math.abs(row(0.5).slope - 0.5) < 1e-12);
  assert.deepEqual(
    [row(0).verdict, row(0.5).verdict, row(-0.5).verdict, row(-0.5, 0, "start").verdict],
    ["holds", "fails", "fails", "holds"],
  );
  assert.equal(row(0.3, 1).verdict, "open");
  assert.equal(
    coordinateSlope(widths, { name: "x", kind: "update", sizes: [[0], [0], [0]] }).verdict,
    "holds",
  );
  assert.equal(
    coordinateSlope(widths, { name: "x", kind: "update", sizes: [[0], [1], [1]] }).verdict,
    "fails",
  );
});

test("one seed at two widths has slopes without an error, and no verdict; a second seed or a third width has one", () => {
  const row = (widths: readonly number[], seeds: number, power: number) =>
    coordinateSlope(widths, {
      name: "x",
      kind: "update",
      sizes: widths.map((width) => Array.from({ length: seeds }, () => width ** power)),
    });
  for (const power of [0, 1]) {
    const { slope, error, verdict } = row([32, 64], 1, power);
    assert.ok(Math.abs(slope - power) < 1e-12);
    assert.deepEqual([error, verdict], [null, "open"]);
    for (const known of [row([32, 64], 2, power), row([32, 64, 128], 1, power)])
      assert.equal(known.verdict, power === 0 ? "holds" : "fails");
  }
});

test("a configuration at another width grows in proportion, or is refused", () => {
  const config = configOf({ ...mup, numKvHeads: 1, mlpDim: 40 });
  const { model } = configAtWidth(config, 32);
  assert.deepEqual(
    [model.modelDim, model.numHeads, model.numKvHeads, model.headDim, model.mlpDim],
    [32, 4, 2, 8, 80],
  );
  const { model: larger } = configAtWidth(config, 32, "head-size");
  assert.deepEqual([larger.numHeads, larger.headDim], [2, 16]);
  assert.throws(
    () => configAtWidth(config, 24),
    (error) => error instanceof ConfigError && /width 24: numKvHeads 1 would be 1\.5/.test(error.message),
  );
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import {
  advance,
  allocateFrequencies,
  applyRotary,
  batchPositions,
  type Document,
  type FrequencyAllocation,
  type Layout,
  layoutPositions,
  layouts,
  mrope,
  parseDocument,
  positionDelta,
  type RopeScaling,
  ropeFrequencies,
  rotaryTables,
  startCursor,
  tieV2,
} from "./index.ts";

interface RopeIndex {
  document: string;
  positions: number[];
  delta: number;
}

type RopeIndices = { transformers: string } & Record<"qwen2-vl" | "qwen2.5-vl" | "qwen3-vl", RopeIndex[]>;

interface Reference {
  spatialMergeSize: number;
  tokensPerSecond: number;
  transformers5: RopeIndices;
  transformers4: RopeIndices;
  padded: {
    documents: string[];
    length: number;
    left: { positions: number[]; deltas: number[] };
    right: { positions: number[]; deltas: number[] };
  };
  hunyuan: { document: string; headDim: number; positions: number[]; angles: number[] }[];
  rotary: {
    kind: "sections" | "interleaved-sections";
    sections: number[];
    base: number;
    headDim: number;
    heads: number;
    positions: number[];
    x: number[];
    rotated: number[];
  }[];
  axial: {
    base: number;
    headDim: number;
    heads: number;
    positions: number[];
    x: number[];
    rotated: number[];
  };
  scalings: {
    scaling: RopeScaling;
    base: number;
    rotaryDim: number;
    frequencies: number[];
    attentionFactor: number;
  }[];
}

/** Made by scripts/references/position.py. */
const reference = JSON.parse(
  readFileSync(new URL("./position.reference.json", import.meta.url), "utf8"),
) as Reference;

/** Sides in patches, merged as there. */
const merged = (text: string): Document =>
  parseDocument(text).map((segment) =>
    segment.kind === "text" ? segment : { ...segment, spatialMergeSize: reference.spatialMergeSize },
  );

const rules: [version: "transformers5" | "transformers4", advance: "grid" | "all-axes"][] = [
  ["transformers5", "grid"],
  ["transformers4", "all-axes"],
];
for (const [version, advanceBy] of rules) {
  const { transformers, ...models } = reference[version];
  const layoutOf: Record<string, Layout> = {
    "qwen2-vl": mrope({ advance: advanceBy }),
    "qwen2.5-vl": mrope({ advance: advanceBy, tokensPerSecond: reference.tokensPerSecond }),
    "qwen3-vl": layouts["mrope-interleaved"],
  };
  for (const [model, cases] of Object.entries(models)) {
    test(`position ids of ${model} are those of Transformers ${transformers}`, () => {
      assert.ok(cases.length >= 6);
      for (const { document, positions, delta } of cases) {
        const layout = layoutOf[model]!;
        assert.deepEqual([...layoutPositions(layout, merged(document)).values], positions, document);
        const end = merged(document).reduce(
          (cursor, segment) => advance(layout, cursor, segment).cursor,
          startCursor,
        );
        assert.equal(positionDelta(end), delta, document);
      }
    });
  }
}

test("a padded batch has the positions and deltas of Transformers, whichever side is padded", () => {
  const { documents, length, ...sides } = reference.padded;
  for (const padding of ["left", "right"] as const) {
    const batch = batchPositions(mrope({ advance: "grid" }), documents.map(merged), { length, padding });
    assert.deepEqual([...batch.values], sides[padding].positions);
    assert.deepEqual(batch.cursors.map(positionDelta), sides[padding].deltas);
  }
});

test("HunyuanImage-3.0: tie-v2 cut to whole numbers, and axes that take turns", () => {
  for (const { document, headDim, positions, angles } of reference.hunyuan) {
    const placed = layoutPositions(layouts["hunyuan-image-3"], parseDocument(document));
    assert.deepEqual([...placed.values], positions, document);
    assert.deepEqual(
      [...layoutPositions(tieV2(), parseDocument(document)).values].map(Math.trunc),
      positions,
    );
    const { frequencies, axisOfFrequency } = allocateFrequencies(
      { kind: "cyclic" },
      { numAxes: 2, rotaryDim: headDim },
    );
    const own = Array.from({ length: positions.length / 2 }, (_, token) =>
      frequencies.map((theta, j) => positions[2 * token + axisOfFrequency[0]![j]!]! * theta),
    ).flat();
    // Nine digits were written.
    own.forEach((angle, i) => {
      assert.ok(Math.abs(angle - angles[i]!) <= 1e-8 * (1 + Math.abs(angle)), `${angle} for ${angles[i]}`);
    });
  }
});

for (const { kind, sections, base, headDim, heads, ...data } of reference.rotary) {
  test(`queries turned by ${kind} are those of Transformers: constant, traced and compiled`, async () => {
    const allocation: FrequencyAllocation = { kind, sections };
    const options = { base, allocation, pairing: "half" } as const;
    const length = data.positions.length / 3;
    const x = () => np.array(Float32Array.from(data.x), { shape: [1, length, heads, headDim] });
    const positions = () => np.array(Float32Array.from(data.positions), { shape: [length, 3] });
    const constant = rotaryTables(
      { values: Float64Array.from(data.positions), numAxes: 3 },
      headDim,
      options,
    );
    const traced = (rows: np.Array, input: np.Array) =>
      applyRotary(input, rotaryTables(rows, headDim, { ...options, numAxes: 3 }));
    await using compiled = compile(traced);
    const results = [
      applyRotary(x(), constant).dataSync(),
      traced(positions(), x()).dataSync(),
      (await compiled(positions(), x())).dataSync(),
    ];
    for (const result of results) {
      // Angles up to 40 in float32 on both sides: 40·2⁻²⁴ radians and the rounding of cos and sin.
      data.rotated.forEach((value, i) => {
        assert.ok(Math.abs(result[i]! - value) <= 1e-5, `${i}: ${result[i]} instead of ${value}`);
      });
    }
  });
}

test("queries of Gemma 4's vision encoder: a spectrum per axis, halves of each slice", async () => {
  const { base, headDim, heads, positions, x, rotated } = reference.axial;
  const options = { base, allocation: { kind: "per-axis" }, pairing: "half-per-axis" } as const;
  const length = positions.length / 2;
  const input = () => np.array(Float32Array.from(x), { shape: [1, length, heads, headDim] });
  const traced = (rows: np.Array, own: np.Array) =>
    applyRotary(own, rotaryTables(rows, headDim, { ...options, numAxes: 2 }));
  const rows = () => np.array(Float32Array.from(positions), { shape: [length, 2] });
  await using compiled = compile(traced);
  for (const result of [
    applyRotary(
      input(),
      rotaryTables({ values: Float64Array.from(positions), numAxes: 2 }, headDim, options),
    ).dataSync(),
    traced(rows(), input()).dataSync(),
    (await compiled(rows(), input())).dataSync(),
  ]) {
    rotated.forEach((value, i) => {
      // Angles up to 40 in float32 on both sides.
      assert.ok(Math.abs(result[i]! - value) <= 1e-5, `${i}: ${result[i]} instead of ${value}`);
    });
  }
});

for (const { scaling, base, rotaryDim, frequencies, attentionFactor } of reference.scalings) {
  test(`frequencies under ${JSON.stringify(scaling)} are those of Transformers`, () => {
    const own = ropeFrequencies(rotaryDim, base, scaling);
    assert.ok(Math.abs(own.attentionFactor - attentionFactor) <= 1e-12);
    assert.equal(own.frequencies.length, frequencies.length);
    own.frequencies.forEach((theta, j) => {
      // Theirs are powers and quotients in float32: about ten roundings of 2⁻²⁴, the power multiplied by the logarithm.
      assert.ok(
        Math.abs(theta - frequencies[j]!) <= 3e-6 * theta,
        `${j}: ${theta} instead of ${frequencies[j]}`,
      );
    });
  });
}

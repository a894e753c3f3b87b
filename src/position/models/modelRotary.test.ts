import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { compile } from "../../compile/index.ts";
import { type Document, documentLength, layoutPositions, type Segment } from "../index.ts";
import { applyRotary, rotaryTables } from "../rotary.ts";
import {
  layerKinds,
  modelDocument,
  modelLayout,
  modelRotary,
  type PositionModel,
  type PositionModelName,
  positionModels,
} from "./index.ts";

interface Turned {
  readonly positions?: readonly (readonly number[])[];
  /** Grid of an image whose patches lie as the layout says, and which of them were turned. */
  readonly grid?: readonly [number, number];
  readonly places?: readonly number[];
  readonly rotated: readonly number[];
}

/** Made by scripts/references/positionRotary.py. */
const reference = JSON.parse(
  readFileSync(new URL("./positionRotary.reference.json", import.meta.url), "utf8"),
) as {
  transformers: string;
  decoders: Record<string, Turned>;
  encoders: Record<string, Turned>;
  ids: { grids: [number, number, number][] } & Record<string, number[]>;
  random: {
    shared: readonly { grids: readonly (readonly number[])[]; merge: number; sha256: string }[];
  } & Record<
    "dinov3_vit" | "sapiens2" | "eomt_dinov3",
    readonly { grid: readonly [number, number]; places: readonly number[]; positions: readonly number[] }[]
  > &
    Record<"sam3_vit_model" | "vjepa2", readonly { grid: readonly number[]; sha256: string }[]>;
};

const digest = (values: Float64Array) =>
  createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 12);

/** Frames, rows and columns as a segment; one frame is an image. */
const segmentOf = ([frames, height, width]: readonly number[]): Segment =>
  frames === 1
    ? { kind: "image", height: height!, width: width! }
    : { kind: "video", frames: frames!, height: height!, width: width! };

function positionsOf(row: string, { positions, grid, places }: Turned): number[][] {
  if (grid === undefined) return positions!.map((position) => [...position]);
  const { values, numAxes } = layoutPositions(modelLayout(row), [
    { kind: "image", height: grid[0], width: grid[1] },
  ]);
  return places!.map((place) => [...values.subarray(place * numAxes, (place + 1) * numAxes)]);
}

const turned = { ...reference.decoders, ...reference.encoders };
for (const [name, expected] of Object.entries(turned)) {
  const [row, layerKind] = name.split(" ") as [string, string | undefined];
  test(`queries of ${name} turn as the model's own code turns them: constant, traced and compiled`, async () => {
    const positions = positionsOf(row, expected);
    if (expected.positions !== undefined) assert.deepEqual(positions, expected.positions);
    const { headDim, ...options } = modelRotary(row, layerKind === undefined ? {} : { layerKind })!;
    const length = positions.length;
    const head = Float32Array.from({ length: headDim }, (_, i) => Math.sin(0.37 * i));
    const x = () => {
      const heads = new Float32Array(length * headDim);
      for (let n = 0; n < length; n++) heads.set(head, n * headDim);
      return np.array(heads, { shape: [1, length, 1, headDim] });
    };
    const { numAxes } = options;
    const plain = { values: Float64Array.from(positions.flat()), numAxes };
    const traced = (rows: np.Array, input: np.Array) =>
      applyRotary(input, rotaryTables(rows, headDim, options));
    const rows = () => np.array(Float32Array.from(positions.flat()), { shape: [length, numAxes] });
    await using compiled = compile(traced);
    for (const result of [
      applyRotary(x(), rotaryTables(plain, headDim, options)).dataSync(),
      traced(rows(), x()).dataSync(),
      (await compiled(rows(), x())).dataSync(),
    ]) {
      assert.equal(result.length, expected.rotated.length);
      // Angles up to 40 in float32 on their side, frequencies that are powers in float32, and seven digits written.
      expected.rotated.forEach((value, i) => {
        assert.ok(Math.abs(result[i]! - value) <= 2e-5, `${i}: ${result[i]} instead of ${value}`);
      });
    }
  });
}

test("every row of this version that turns is among them", () => {
  const names = Object.keys(turned);
  for (const [row, { transformers }] of Object.entries(positionModels)) {
    if (transformers !== reference.transformers) continue;
    const kinds = layerKinds(row).filter((layerKind) => modelRotary(row, { layerKind }) !== null);
    for (const kind of kinds) {
      assert.ok(names.includes(kinds.length === 1 ? row : `${row} ${kind}`), `${row} ${kind}`);
    }
  }
});

test("ids of vision encoders are those of the function that they share", () => {
  const grids: Document = reference.ids.grids.map(([frames, height, width]) => ({
    kind: "video",
    frames,
    height,
    width,
  }));
  const ids = (row: PositionModelName) => [
    ...layoutPositions(modelLayout(row), modelDocument(row, grids)).values,
  ];
  for (const [row, model] of Object.entries(positionModels)) {
    if (model.part !== "vision" || model.rule.kind !== "grid") continue;
    const { rule, axes, spatialMergeSize } = model;
    const {
      first = 0,
      classToken,
      centred,
      extent,
    } = rule as { first?: number; classToken?: string; centred?: boolean; extent?: number };
    if (classToken !== undefined || centred === true || extent !== undefined) continue;
    const shared = reference.ids[`t, h, w by ${spatialMergeSize}`]!;
    const wanted: number[] = [];
    for (let n = 0; n < shared.length; n += 3) {
      for (const axis of axes) wanted.push(shared[n + ["t", "h", "w"].indexOf(axis)]! + first);
    }
    assert.equal(wanted.length / axes.length, documentLength(grids));
    assert.deepEqual(ids(row as PositionModelName), wanted, row);
  }
});

for (const [row, model] of Object.entries(positionModels as Record<string, PositionModel>)) {
  const { rule, axes } = model;
  if (rule.kind !== "grid" || rule.classToken !== undefined || rule.centred || rule.extent !== undefined)
    continue;
  test(`${row}: 200 random lists of grids lie as Transformers' function for vision encoders has them`, () => {
    const [t, h, w] = ["t", "h", "w"].map((axis) => axes.indexOf(axis)) as [number, number, number];
    const batches = reference.random.shared.filter(({ merge }) => rule.blocks === true || merge === 1);
    assert.ok(reference.random.shared.length >= 200 && batches.length > 30);
    for (const { grids, merge, sha256 } of batches) {
      const document = modelDocument(row, grids.map(segmentOf), { spatialMergeSize: merge });
      const { values } = layoutPositions(modelLayout(row), document);
      const tokens = values.length / axes.length;
      const times = grids.flatMap(([frames, height, width]) =>
        Array.from({ length: frames! * height! * width! }, (_, n) => Math.floor(n / (height! * width!))),
      );
      assert.equal(tokens, times.length);
      const ids = new Float64Array(tokens * 3);
      for (let n = 0; n < tokens; n++) {
        const at = (axis: number) => values[n * axes.length + axis]! - (rule.first ?? 0);
        // An encoder without an axis of time has none to compare.
        ids.set([t < 0 ? times[n]! : at(t), at(h), at(w)], 3 * n);
      }
      assert.equal(digest(ids), sha256, `${JSON.stringify(grids)} by ${merge}`);
    }
  });
}

for (const row of ["dinov3_vit", "sapiens2", "eomt_dinov3"] as const) {
  test(`${row}: angles of 200 random grids are those of its own function`, () => {
    assert.ok(reference.random[row].length >= 200);
    for (const { grid, places, positions } of reference.random[row]) {
      const [height, width] = grid;
      const { values } = layoutPositions(modelLayout(row), [{ kind: "image", height, width }]);
      const front = values.length / 2 - height * width;
      const own = places.flatMap((place) => [
        ...values.subarray(2 * (place + front), 2 * (place + front) + 2),
      ]);
      // Both in float64, in another order of operations.
      own.forEach((value, i) => {
        assert.ok(Math.abs(value - positions[i]!) < 1e-13, `${grid}: ${value} for ${positions[i]}`);
      });
    }
  });
}

test("sam3_vit_model and vjepa2: 200 random grids lie where their own functions put them", () => {
  for (const row of ["sam3_vit_model", "vjepa2"] as const) {
    assert.ok(reference.random[row].length >= 200);
    for (const { grid, sha256 } of reference.random[row]) {
      const segment = segmentOf(grid.length === 3 ? grid : [1, ...grid]);
      assert.equal(digest(layoutPositions(modelLayout(row), [segment]).values), sha256, `${row} ${grid}`);
    }
  }
});

test("SAM 3 shrinks the grid of a whole image to the extent of a window, in float32", () => {
  for (const side of [24, 72]) {
    const { values } = layoutPositions(modelLayout("sam3_vit_model"), [
      { kind: "image", height: side, width: side },
    ]);
    const expected = reference.ids[`sam3 ${side}x${side}`]!;
    assert.deepEqual([...values.subarray(0, expected.length)], expected);
  }
});

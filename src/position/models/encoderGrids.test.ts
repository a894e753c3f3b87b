import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { layoutPositions } from "../index.ts";
import { modelDocument, modelLayout, type PositionModelName, positionModels } from "./index.ts";

/** Written by scripts/references/encoderGrids.py. */
const { rows } = JSON.parse(
  readFileSync(new URL("encoderGrids.reference.json", import.meta.url), "utf8"),
) as {
  rows: Record<string, { readonly grids: readonly (readonly [number, number])[]; readonly sha256: string }[]>;
};

const digest = (values: Float64Array) =>
  createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 12);

/** The axes in the order of the model's own code, where it isn't the row's. */
const ownAxes: Readonly<Record<string, readonly string[]>> = {
  pixtral: ["h", "w"],
  mlcd_vision_model: ["h", "w"],
  efficientloftr: ["h", "w"],
};

for (const [row, batches] of Object.entries(rows)) {
  test(`${row}: 200 random lists of grids lie where the model's own code puts them`, () => {
    const { rule, axes } = positionModels[row as PositionModelName];
    assert.ok(rule.kind === "grid" && batches.length >= 200);
    const order = (ownAxes[row] ?? axes).map((axis) => axes.indexOf(axis as never));
    assert.ok(!order.includes(-1), `${row}: ${axes}`);
    const { classToken } = rule as { readonly classToken?: "first" | "last" };
    for (const { grids, sha256 } of batches) {
      const images = grids.map(([height, width]) => ({ kind: "image" as const, height, width }));
      const { values } = layoutPositions(
        modelLayout(row as PositionModelName),
        modelDocument(row as PositionModelName, images),
      );
      const tokens = grids.reduce((sum, [height, width]) => sum + height * width, 0);
      // What is there beside the patches is the class token, in front or behind.
      assert.equal(values.length / axes.length, tokens + (classToken === undefined ? 0 : 1));
      const first = classToken === "first" ? 1 : 0;
      const ids = Float64Array.from({ length: tokens * order.length }, (_, i) => {
        const token = first + Math.floor(i / order.length);
        return values[token * axes.length + order[i % order.length]!]!;
      });
      assert.equal(digest(ids), sha256, JSON.stringify(grids));
    }
  });
}

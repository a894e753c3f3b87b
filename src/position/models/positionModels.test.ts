import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { batchPositions, parseDocument } from "../index.ts";
import { generatedPositions } from "../positionCursor.ts";
import { modelDocument, modelLayout, positionModels } from "./index.ts";

interface Family {
  readonly batches: readonly {
    readonly documents: readonly string[];
    readonly padding: "left" | "right";
    readonly extra: number;
    /** Images that are to be made, of each document. */
    readonly make?: readonly (readonly string[])[];
  }[];
  readonly models: Readonly<
    Record<
      string,
      {
        readonly sha256: string;
        /** Null of an encoder, which makes no tokens. */
        readonly deltas: readonly (readonly number[])[] | null;
        readonly made: readonly (readonly (readonly (number | number[] | null)[])[])[] | null;
        readonly full: readonly (readonly number[])[];
      }
    >
  >;
}

/** Made by scripts/references/positionModels.py. */
const reference = JSON.parse(
  readFileSync(new URL("./positionModels.reference.json", import.meta.url), "utf8"),
) as {
  transformers: string;
  families: Record<string, Family>;
  families457: Record<string, Family>;
};

const digest = (values: Float64Array) =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex")
    .slice(0, 12);

const tokensToMake = (images: readonly { height: number; width: number }[]) =>
  images.reduce((sum, { height, width }) => sum + height * width, 0);

const families = [
  ...Object.entries(reference.families).map((entry) => [...entry, ""] as const),
  ...Object.entries(reference.families457).map((entry) => [...entry, "@4.57.1"] as const),
];
for (const [name, { batches, models }, version] of families) {
  for (const [model, expected] of Object.entries(models)) {
    const row = `${model}${version}`;
    test(`${row}: ${batches.length} batches (${name}) lie where the model's own code puts them`, () => {
      assert.ok(batches.length >= 200 && row in positionModels);
      const layout = modelLayout(row);
      const sums = expected.sha256.split(" ");
      batches.forEach(({ documents, padding, extra, make }, i) => {
        const own = documents.map((document) => modelDocument(row, parseDocument(document)));
        const shortest = batchPositions(layout, own, { padding });
        const batch = batchPositions(layout, own, { padding, length: shortest.shape[1] + extra });
        const what = `${i}: ${documents.join(" | ")}, ${padding}, ${extra}`;
        if (i < expected.full.length) assert.deepEqual([...batch.values], expected.full[i], what);
        assert.equal(digest(batch.values), sums[i], what);
        if (expected.deltas !== null) assert.deepEqual(batch.deltas, expected.deltas[i], what);
        const made = expected.made?.[i];
        if (made === undefined) return;
        batch.cursors.forEach((cursor, b) => {
          const steps = made[b]!.filter((step) => step !== null);
          const images = (make?.[b] ?? []).map((size) => {
            const [height, width] = size.split("x").map(Number);
            return { height: height!, width: width! };
          });
          // In a batch a shorter table of images repeats its last place.
          const places = layout.generate === undefined ? steps.length : tokensToMake(images) + 1;
          const count = Math.min(steps.length, places);
          const { values, numAxes } = generatedPositions(layout, cursor, count, images);
          const vectors = steps.map((_, n) => {
            const place = Math.min(n, count - 1);
            return [...values.subarray(place * numAxes, (place + 1) * numAxes)];
          });
          const wanted = steps.map((step) => (typeof step === "number" ? Array(numAxes).fill(step) : step));
          assert.deepEqual(vectors, wanted, `made after ${what}`);
        });
      });
    });
  }
}

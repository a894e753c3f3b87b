import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readTensorboardEvents } from "./tensorboardEvents.ts";
import { exampleScalars } from "./testing/exampleScalars.ts";
import { writeTensorboardEvents } from "./writeTensorboardEvents.ts";

interface Reference {
  readonly tensorboard: string;
  readonly sha256: string;
  readonly scalars: Readonly<
    Record<string, readonly (readonly [step: number, wallTime: number, value: number])[]>
  >;
}

/** What TensorBoard reads of the file: scripts/references/tensorboardEvents.py. */
const reference = JSON.parse(
  readFileSync(new URL("./tensorboard.reference.json", import.meta.url), "utf8"),
) as Reference;

test("TensorBoard reads every scalar of an event file as it was", () => {
  const rows = exampleScalars();
  const bytes = writeTensorboardEvents(rows);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), reference.sha256);
  const tags = [...new Set(rows.map(({ tag }) => tag))];
  assert.deepEqual(Object.keys(reference.scalars).sort(), tags.toSorted());
  for (const tag of tags)
    assert.deepEqual(
      reference.scalars[tag],
      rows
        .filter((row) => row.tag === tag)
        .map(({ step, wallTime, value }) => [step, wallTime, Math.fround(value)]),
    );
});

test("the reader of sweeps reads it, too", () => {
  const records = readTensorboardEvents([writeTensorboardEvents(exampleScalars())], "run");
  assert.equal(records.length, 3);
  assert.deepEqual(records.at(-1), { run: "run", step: "5000000000", loss: "0.5" });
});

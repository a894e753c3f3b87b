import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { int32, randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

const args = () => [randomArray(1, [6, 4]), int32([5], [0, 3, 3, 5, 1]), randomArray(2, [5, 4])];

/** Rows added to zeros at repeated places: the derivative of a lookup. */
const scattered = (table: np.Array, places: np.Array, rows: np.Array) =>
  grad((t: np.Array) => t.slice(places).mul(rows).sum())(table);

test("rows that are scattered and then added are scattered into what they are added to", async () => {
  const fn = (table: np.Array, places: np.Array, rows: np.Array) =>
    np.sin(table.ref).add(scattered(table, places, rows));
  const { before, after } = await rewritten("scatter", fn, args);
  assert.deepEqual([before.ScatterElements, after.ScatterElements], [1, 1]);
  assert.equal(after.Add ?? 0, before.Add! - 1);
  assert.equal(after.Expand ?? 0, before.Expand! - 1);
});

test("rows that are needed before the sum are left alone", async () => {
  const read = (table: np.Array, places: np.Array, rows: np.Array) => {
    const own = scattered(table.ref, places, rows);
    return [np.sin(table).add(own.ref), own];
  };
  await leftAlone("scatter", read, args);
});

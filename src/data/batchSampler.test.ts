import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import fc from "fast-check";
import { BatchSampler, evaluationBatches, permuted } from "./batchSampler.ts";
import { TokenSource } from "./tokenSource.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-sampler-"));
after(() => rmSync(folder, { recursive: true }));

/** A source whose tokens are their own places. */
function counting(length: number): TokenSource {
  const file = path.join(folder, `${length}.bin`);
  writeFileSync(file, new Uint8Array(Uint32Array.from({ length }, (_, i) => i).buffer));
  return new TokenSource({ path: file, start: 0, length, bytesPerToken: 4 });
}

test("permuted is a permutation for every size and seed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), (size, seed) => {
      const seen = new Set(Array.from({ length: size }, (_, i) => permuted(i, size, seed)));
      assert.equal(seen.size, size);
      assert.ok([...seen].every((value) => value >= 0 && value < size));
    }),
  );
});

test("permuted scatters: neighbours lie apart as often as chance says, and seeds differ", () => {
  const size = 4096;
  let [sum, fixed, equal] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    sum += Math.abs(permuted(i, size, 1) - permuted((i + 1) % size, size, 1));
    fixed += Number(permuted(i, size, 1) === i);
    equal += Number(permuted(i, size, 1) === permuted(i, size, 2));
  }
  // The mean distance of two random places is a third of the range, with a standard error of 0.37 %.
  assert.ok(Math.abs(sum / size / size - 1 / 3) < 0.015, `mean distance ${sum / size / size}`);
  // Coincidences of two random orders follow a Poisson law of mean 1.
  assert.ok(fixed < 9 && equal < 9, `${fixed} fixed, ${equal} equal`);
});

test("each window comes once per epoch, in another order in the next", () => {
  const sampler = new BatchSampler({ source: counting(101), batchSize: 4, length: 5, seed: 3 });
  assert.equal(sampler.numWindows, 20);
  const starts = Array.from({ length: 40 }, (_, i) => sampler.windowStart(i));
  const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
  const all = Array.from({ length: 20 }, (_, i) => 5 * i);
  assert.deepEqual(sorted(starts.slice(0, 20)), all);
  assert.deepEqual(sorted(starts.slice(20)), all);
  assert.notDeepEqual(starts.slice(0, 20), starts.slice(20));
  assert.equal(sampler.epochs(5), 1);
});

test("a batch holds whole windows, and depends on nothing but its step", () => {
  const options = { source: counting(101), batchSize: 3, length: 5, seed: 9 };
  const first = new BatchSampler(options);
  const inOrder = Array.from({ length: 30 }, (_, step) => first.batch(step));
  const second = new BatchSampler(options);
  for (const step of [29, 3, 17, 0]) assert.deepEqual(second.batch(step), inOrder[step]);
  for (const batch of inOrder) {
    for (let row = 0; row < 3; row++) {
      const window = batch.slice(row * 6, row * 6 + 6);
      assert.equal(window[0]! % 5, 0);
      assert.deepEqual(
        [...window],
        Array.from({ length: 6 }, (_, i) => window[0]! + i),
      );
    }
  }
  assert.notDeepEqual(new BatchSampler({ ...options, seed: 10 }).batch(0), inOrder[0]);
});

test("evaluation batches are the same every time and spread over the source", () => {
  const source = counting(1001);
  const batches = evaluationBatches(source, 2, 10, 5);
  assert.deepEqual(batches, evaluationBatches(source, 2, 10, 5));
  const starts = batches.flatMap((batch) => [batch[0]!, batch[11]!]);
  assert.deepEqual(
    starts,
    Array.from({ length: 10 }, (_, i) => 100 * i),
  );
  assert.equal(evaluationBatches(source, 2, 10, 1000).length, 50);
});

test("says what is too short", () => {
  const source = counting(10);
  assert.throws(
    () => new BatchSampler({ source, batchSize: 1, length: 10, seed: 0 }),
    /sequence length 10: longer than the data, which has 10 tokens/,
  );
  assert.throws(() => new BatchSampler({ source, batchSize: 0, length: 2, seed: 0 }), /batchSize 0/);
  assert.throws(() => evaluationBatches(source, 4, 5, 1), /4 × 5 tokens is longer/);
  assert.throws(() => source.read(8, 3, new Int32Array(3), 0), /tokens 8…11/);
});

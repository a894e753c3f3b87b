import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { ConfigError, ShapeError } from "../errors.ts";
import { applyRotary, type RotaryPairing, rotaryTables } from "./rotary.ts";

const pairings: RotaryPairing[] = ["half", "interleaved"];
const vector = (size: number) =>
  fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: size, maxLength: size });

function rotated(x: number[], position: number, pairing: RotaryPairing, base = 10000): number[] {
  const tables = rotaryTables([position], x.length, { pairing, base });
  return [...(applyRotary(np.array(x).reshape([1, 1, 1, x.length]), tables).dataSync() as Float32Array)];
}

const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
const close = (a: number, b: number, tolerance: number) =>
  assert.ok(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)), `${a} instead of ${b}`);

for (const pairing of pairings) {
  test(`${pairing} pairing: pair j turns by n·base^(−2j/H)`, () => {
    fc.assert(
      fc.property(
        vector(6),
        fc.double({ min: -50, max: 50, noNaN: true }),
        fc.constantFrom(100, 10000),
        (x, n, base) => {
          const turned = rotated(x, n, pairing, base);
          for (let j = 0; j < 3; j++) {
            const [a, b] = pairing === "half" ? [j, j + 3] : [2 * j, 2 * j + 1];
            const angle = n * base ** ((-2 * j) / 6);
            close(turned[a]!, x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle), 1e-5);
            close(turned[b]!, x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle), 1e-5);
          }
        },
      ),
      { seed: 1, numRuns: 30 },
    );
  });

  test(`${pairing} pairing: products depend on the distance only, and norms stay`, () => {
    fc.assert(
      fc.property(vector(8), vector(8), fc.nat(200), fc.nat(200), fc.nat(200), (q, k, m, n, shift) => {
        const product = dot(rotated(q, m, pairing), rotated(k, n, pairing));
        close(dot(rotated(q, m + shift, pairing), rotated(k, n + shift, pairing)), product, 1e-4);
        close(Math.hypot(...rotated(q, m, pairing)), Math.hypot(...q), 1e-5);
      }),
      { seed: 2, numRuns: 30 },
    );
  });

  test(`${pairing} pairing: traced positions give the tables of constant ones, batched too`, () => {
    const positions = [0, 1, 2.5, 7];
    const fixed = rotaryTables(positions, 6, { pairing });
    const traced = jit((p: np.Array) => {
      const { cos, sin } = rotaryTables(p, 6, { pairing });
      return { cos, sin };
    })(np.array(positions));
    const batched = rotaryTables(np.array([positions, positions]), 6, { pairing });
    for (const key of ["cos", "sin"] as const) {
      const expected = fixed[key].dataSync();
      const one = traced[key].dataSync();
      const two = batched[key].dataSync();
      expected.forEach((value, i) => {
        close(one[i]!, value, 1e-6);
        close(two[i + expected.length]!, value, 1e-6);
      });
    }
  });
}

test("bad sizes are refused before anything is consumed", () => {
  assert.throws(
    () => rotaryTables([0], 5),
    new ConfigError("rotary: headDim 5: expected a positive even integer"),
  );
  assert.throws(() => rotaryTables([0], 4, { base: 1 }), ConfigError);
  const x = np.zeros([1, 1, 1, 6]);
  const tables = rotaryTables([0], 4);
  assert.throws(() => applyRotary(x, tables), ShapeError);
  assert.deepEqual([x.refCount, tables.cos.refCount], [1, 1]);
  x.dispose();
  tables.cos.dispose();
  tables.sin.dispose();
});

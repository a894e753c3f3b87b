import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { whyNoGpu } from "../compile/testing/gpu.ts";
import { type AngleRate, accurateSinCos } from "./accurateSinCos.ts";

/** Frequencies of heads of 128 to two bases, of a long-context scaling, one faster than a turn per position, and none. */
const rates: AngleRate[] = [
  ...Array.from({ length: 64 }, (_, j) => ({ axis: j % 2, theta: 10000 ** (-j / 64) })),
  ...Array.from({ length: 16 }, (_, j) => ({ axis: j % 2, theta: 1e6 ** (-j / 16) / 3.7 })),
  { axis: 0, theta: 7.25 },
  { axis: null, theta: 1 },
];

/** Whole numbers, halves and fractions up to a million, and both ends of float32's whole numbers. */
function positions(): Float32Array {
  const values = [0, 1, -1, 0.5, 2 ** -9, 1e4, 1e5, 1e6, 999_999.9375, -123_456.75, 2 ** 23 + 1, 2 ** 24];
  let state = 1;
  for (let i = 0; i < 4000; i++) {
    state = (state * 48271) % 2147483647;
    const range = [10, 1e3, 1e4, 1e6][i % 4]!;
    const exact = (state / 2147483647) * range;
    values.push(Math.fround(i % 3 === 0 ? Math.round(exact) : exact));
  }
  return Float32Array.from(values);
}

function check(cos: ArrayLike<number>, sin: ArrayLike<number>, rows: Float32Array): void {
  const worst = [0, 0];
  for (let n = 0; n < rows.length / 2; n++) {
    rates.forEach(({ axis, theta }, m) => {
      const angle = axis === null ? 0 : rows[2 * n + axis]! * theta;
      worst[0] = Math.max(worst[0]!, Math.abs(cos[n * rates.length + m]! - Math.cos(angle)));
      worst[1] = Math.max(worst[1]!, Math.abs(sin[n * rates.length + m]! - Math.sin(angle)));
    });
  }
  // Two units in the last place of numbers below 1.
  assert.ok(worst[0]! <= 2 ** -23 && worst[1]! <= 2 ** -23, `cos errs by ${worst[0]}, sin by ${worst[1]}`);
}

const both = (rows: np.Array): [np.Array, np.Array] => {
  const { cos, sin } = accurateSinCos(rows, rates);
  return [cos, sin];
};
const rowsOf = (values: Float32Array) =>
  np.array(Float32Array.from(values), { shape: [values.length / 2, 2] });

test("angles of traced positions keep float32's last bits up to a million and beyond: eager and compiled", async () => {
  const values = positions();
  const [cos, sin] = both(rowsOf(values));
  check(cos.dataSync(), sin.dataSync(), values);
  await using compiled = compile(both);
  const [compiledCos, compiledSin] = await compiled(rowsOf(values));
  check(compiledCos.dataSync(), compiledSin.dataSync(), values);
});

test("and on a GPU, whose own sine errs by 10⁻⁴", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  const values = positions();
  await using compiled = compile(both, { device: "gpu" });
  const [cos, sin] = await compiled(rowsOf(values));
  check(cos.dataSync(), sin.dataSync(), values);
});

test("every whole position up to a million turns as in float64, at one frequency", () => {
  const own = { axis: 0, theta: 10000 ** (-5 / 64) };
  const size = 100_000;
  for (let first = 0; first < 1_000_000; first += size) {
    const rows = Float32Array.from({ length: size }, (_, n) => first + n);
    const { cos, sin } = accurateSinCos(np.array(rows, { shape: [size, 1] }), [own]);
    const [c, s] = [cos.dataSync(), sin.dataSync()];
    for (let n = 0; n < size; n++) {
      const angle = rows[n]! * own.theta;
      const error = Math.max(Math.abs(c[n]! - Math.cos(angle)), Math.abs(s[n]! - Math.sin(angle)));
      if (error > 2 ** -23) assert.fail(`position ${rows[n]} errs by ${error}`);
    }
  }
});

test("it is exact in whatever precision the products are taken: factors of a product have 8 bits, but for the last piece", () => {
  // What a device may round a factor to before it multiplies (bfloat16 has 8 bits): digits, and three of four pieces, are unchanged.
  const bfloat16 = (value: number) => {
    const bits = new Uint32Array(Float32Array.of(value).buffer);
    bits[0]! &= 0xffff0000;
    return new Float32Array(bits.buffer)[0]!;
  };
  for (let digit = 0; digit < 64; digit++) assert.equal(bfloat16(digit), digit);
  for (let piece = 1; piece <= 3; piece++) {
    for (let n = -128; n <= 128; n++) {
      const value = n * 2 ** (-8 * piece);
      assert.equal(bfloat16(value), value);
    }
  }
});

test("arrays are consumed and none leaks", () => {
  const rows = random.uniform(random.key(1), [3, 2]);
  const { cos, sin } = accurateSinCos(rows, rates);
  assert.throws(() => rows.dataSync());
  for (const array of [cos, sin]) {
    assert.equal(array.refCount, 1);
    array.dispose();
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, valueAndGrad } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  allocateFrequencies,
  applyRotary,
  disposeRotaryTables,
  type FrequencyAllocation,
  type RotaryOptions,
  type RotaryPairing,
  ropeFrequencies,
  rotaryFrequencies,
  rotaryPairings,
  rotaryTables,
} from "./index.ts";

const headDim = 12;
const numHeads = 4;
const cases: [FrequencyAllocation, (number | null)[][]][] = [
  [{ kind: "cyclic" }, [[0, 1, 2, 0, 1, 2]]],
  [{ kind: "sections", sections: [1, 2, 3] }, [[0, 1, 1, 2, 2, 2]]],
  [{ kind: "sections", sections: [1, 2, 1, 2] }, [[0, 1, 1, 2, 0, 0]]],
  [{ kind: "interleaved-sections", sections: [4, 1, 1] }, [[0, 1, 2, 0, 0, 0]]],
  [{ kind: "per-axis" }, [[0, 0, 1, 1, 2, 2]]],
  [{ kind: "per-head", heads: [1, 1, 1] }, [0, 1, 2, null].map((axis) => Array<number | null>(6).fill(axis))],
];

/** Components of pair `j` of 6, three axes. */
const members: Record<RotaryPairing, (j: number) => [number, number]> = {
  half: (j) => [j, j + 6],
  interleaved: (j) => [2 * j, 2 * j + 1],
  "half-per-axis": (j) => [j + 2 * Math.floor(j / 2), j + 2 * Math.floor(j / 2) + 2],
};

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
const at = (...rows: number[][]) => ({ values: Float64Array.from(rows.flat()), numAxes: rows[0]!.length });
const vector = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), {
  minLength: numHeads * headDim,
  maxLength: numHeads * headDim,
});
const position = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: -40, max: 40, noNaN: true })));

/** One token of all heads, turned. */
function turned(x: number[], where: number[], options: RotaryOptions): Float32Array {
  const heads = np.array(x).reshape([1, 1, numHeads, headDim]);
  return applyRotary(heads, rotaryTables(at(where), headDim, options)).dataSync() as Float32Array;
}

for (const [allocation, axes] of cases) {
  const name = JSON.stringify(allocation);
  const options = { allocation, numHeads, base: 100 };

  test(`${name} gives the frequencies these axes`, () => {
    const { axisOfFrequency, frequencies } = allocateFrequencies(allocation, {
      numAxes: 3,
      rotaryDim: headDim,
      numHeads,
    });
    assert.deepEqual(axisOfFrequency, axes);
    const own = allocation.kind === "per-axis" ? rotaryFrequencies(headDim / 3) : rotaryFrequencies(headDim);
    assert.deepEqual(frequencies, allocation.kind === "per-axis" ? [...own, ...own, ...own] : own);
  });

  for (const pairing of rotaryPairings) {
    test(`${name}, ${pairing} pairing: the pairs turn by p[axis]·θ`, () => {
      const { axisOfFrequency, frequencies } = allocateFrequencies(allocation, {
        numAxes: 3,
        rotaryDim: headDim,
        numHeads,
        base: 100,
      });
      fc.assert(
        fc.property(vector, position, (x, where) => {
          const result = turned(x, where, { ...options, pairing });
          for (let head = 0; head < numHeads; head++) {
            const own = axisOfFrequency[axisOfFrequency.length === 1 ? 0 : head]!;
            own.forEach((axis, j) => {
              const angle = axis === null ? 0 : where[axis]! * frequencies[j]!;
              const [a, b] = members[pairing](j).map((i) => head * headDim + i) as [number, number];
              // float32 sums of two products of size 2.
              const error = Math.hypot(
                result[a]! - (x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle)),
                result[b]! - (x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle)),
              );
              assert.ok(error < 1e-6, `head ${head}, pair ${j}: off by ${error}`);
            });
          }
        }),
        { seed: 1, numRuns: 15 },
      );
    });

    test(`${name}, ${pairing} pairing: products depend on the differences of every axis only`, () => {
      fc.assert(
        fc.property(vector, vector, position, position, position, (q, k, m, n, shift) => {
          const moved = (p: number[]) => p.map((value, axis) => value + shift[axis]!);
          const product = dot(turned(q, m, { ...options, pairing }), turned(k, n, { ...options, pairing }));
          const other = dot(
            turned(q, moved(m), { ...options, pairing }),
            turned(k, moved(n), { ...options, pairing }),
          );
          // 48 products of size 4 in float32.
          assert.ok(Math.abs(product - other) < 1e-4, `${product} and ${other}`);
        }),
        { seed: 2, numRuns: 15 },
      );
    });

    test(`${name}, ${pairing} pairing: traced and compiled positions give the constant tables`, async () => {
      const rows = [
        [0, 1, 2],
        [3.5, -1, 40],
      ];
      const constant = rotaryTables(at(...rows), headDim, { ...options, pairing, scaling: yarn });
      const make = (p: np.Array) => {
        const { cos, sin } = rotaryTables(p, headDim, { ...options, pairing, scaling: yarn, numAxes: 3 });
        return { cos, sin };
      };
      await using compiled = compile(make);
      const [traced, ran] = [make(np.array(rows)), await compiled(np.array(rows))];
      const batched = make(np.array([rows, rows]));
      for (const key of ["cos", "sin"] as const) {
        assert.deepEqual(traced[key].shape, constant[key].shape);
        const expected = constant[key].dataSync();
        const [a, b] = [traced[key].dataSync(), await ran[key].data()];
        const c = batched[key].dataSync();
        // Angles up to 40 in float32.
        expected.forEach((value, i) => {
          for (const actual of [a[i]!, b[i]!, c[i]!, c[i + expected.length]!]) {
            assert.ok(Math.abs(actual - value) < 1e-5, `${key}[${i}]: ${actual} instead of ${value}`);
          }
        });
      }
    });
  }
}

const longrope = {
  kind: "longrope",
  factor: 2,
  originalMaxLength: 64,
  shortFactors: [1, 2, 3, 4, 5, 6],
  longFactors: [2, 3, 4, 5, 6, 7],
} as const;
const yarn = { kind: "yarn", factor: 4, originalMaxLength: 64 } as const;

test("with cyclic allocation text turns exactly as in one dimension; with a spectrum per axis it doesn't", () => {
  fc.assert(
    fc.property(
      vector,
      fc.nat(500),
      fc.constantFrom<RotaryPairing>("half", "interleaved"),
      (x, n, pairing) => {
        const heads = () => np.array(x).reshape([1, 1, numHeads, headDim]);
        const flat = applyRotary(heads(), rotaryTables([n], headDim, { pairing })).dataSync();
        for (const kind of ["cyclic", "sections", "interleaved-sections"] as const) {
          const allocation =
            kind === "cyclic" ? { kind } : { kind, sections: kind === "sections" ? [1, 2, 3] : [4, 1, 1] };
          assert.deepEqual(turned(x, [n, n, n], { allocation, pairing }), flat);
        }
        if (n > 3 && x.some((value) => Math.abs(value) > 0.5)) {
          assert.notDeepEqual(turned(x, [n, n, n], { allocation: { kind: "per-axis" }, pairing }), flat);
        }
      },
    ),
    { seed: 3, numRuns: 25 },
  );
});

test("grouped queries share the row of their key head", () => {
  const tables = () =>
    rotaryTables(at([1, 2, 3]), headDim, { allocation: { kind: "per-head", heads: [1, 1, 0] }, numHeads: 2 });
  const row = Array.from({ length: headDim }, (_, i) => i + 1);
  const turn = (count: number) =>
    applyRotary(
      np.array(Array(count).fill(row)).reshape([1, 1, count, headDim]),
      tables(),
    ).js() as number[][][][];
  const [keys, queries] = [turn(2)[0]![0]!, turn(4)[0]![0]!];
  assert.deepEqual(queries, [keys[0], keys[0], keys[1], keys[1]]);
  assert.notDeepEqual(keys[0], keys[1]);
});

for (const pairing of ["half", "interleaved"] as const) {
  test(`partial rotary, ${pairing} pairing: the first components turn as a smaller head, the rest stays`, async () => {
    const x = Float32Array.from({ length: 2 * headDim }, (_, i) => Math.sin(i));
    const heads = () => np.array(x, { shape: [1, 2, 1, headDim] });
    const part = (input: np.Array) =>
      applyRotary(input, rotaryTables([3, 5], headDim, { pairing, rotaryDim: 8 }));
    await using compiled = compile(part);
    const small = applyRotary(
      heads().slice([], [], [], [0, 8]),
      rotaryTables([3, 5], 8, { pairing }),
    ).dataSync();
    for (const result of [part(heads()).dataSync(), (await compiled(heads())).dataSync()]) {
      for (let token = 0; token < 2; token++) {
        const own = result.slice(token * headDim, (token + 1) * headDim);
        // The same products; the engine may fuse them.
        small.slice(8 * token, 8 * token + 8).forEach((value, i) => {
          assert.ok(Math.abs(own[i]! - value) < 1e-6);
        });
        assert.deepEqual(own.slice(8), x.slice(token * headDim + 8, (token + 1) * headDim));
      }
    }
    // A rotation: the gradient of ½‖turned‖² is x itself.
    const [, gradient] = valueAndGrad((input: np.Array) => {
      const y = part(input);
      return np.sum(y.ref.mul(y)).mul(0.5);
    })(heads()) as [np.Array, np.Array];
    gradient.dataSync().forEach((value, i) => {
      assert.ok(Math.abs(value - x[i]!) < 1e-6);
    });
  });
}

test("tables depend on each of their inputs", () => {
  const base: Required<Omit<RotaryOptions, "numAxes" | "scaling">> & RotaryOptions = {
    base: 100,
    pairing: "half",
    rotaryDim: 12,
    allocation: { kind: "cyclic" },
    numHeads: 2,
  };
  const values = (where: number[], options: RotaryOptions) => {
    const { cos, sin } = rotaryTables(at(where), headDim, options);
    return JSON.stringify([cos.shape, cos.js(), sin.js()]);
  };
  const variants = [
    values([1, 2], base),
    values([1, 2.5], base),
    values([1, 2], { ...base, base: 101 }),
    values([1, 2], { ...base, pairing: "interleaved" }),
    values([1, 2], { ...base, pairing: "half-per-axis" }),
    values([1, 2], { ...base, rotaryDim: 8 }),
    values([1, 2], { ...base, allocation: { kind: "per-axis" } }),
    values([1, 2], { ...base, allocation: { kind: "sections", sections: [3, 3] } }),
    values([1, 2], { ...base, allocation: { kind: "per-head", heads: [1, 1] } }),
    values([1, 2], { ...base, allocation: { kind: "per-head", heads: [1, 1] }, numHeads: 3 }),
    values([1, 2], { ...base, scaling: { kind: "linear", factor: 2 } }),
    values([1, 2], { ...base, scaling: { kind: "ntk", factor: 2 } }),
    values([1, 2], { ...base, scaling: yarn }),
    values([1, 2], { ...base, scaling: { ...yarn, attentionFactor: 2 } }),
    ...[
      {},
      { factor: 3 },
      { originalMaxLength: 32 },
      { length: 65 },
      { shortFactors: [1, 2, 3, 4, 5, 7] },
      { attentionFactor: 2 },
      { length: 65, longFactors: [2, 3, 4, 5, 6, 8] },
    ].map((change) => values([1, 2], { ...base, scaling: { ...longrope, ...change } })),
    values([1, 2], { ...base, scaling: { kind: "proportional", partialRotaryFactor: 0.5 } }),
    values([1, 2], { ...base, scaling: { kind: "proportional", partialRotaryFactor: 0.7 } }),
    values([1, 2], { ...base, scaling: { kind: "proportional", partialRotaryFactor: 0.5, factor: 2 } }),
  ];
  assert.equal(new Set(variants).size, variants.length);
});

test("with one axis its halves are the head's; with two the slices turn as heads of their own", () => {
  const x = Float32Array.from({ length: headDim }, (_, i) => Math.cos(3 * i));
  const heads = (size = headDim, from = 0) =>
    np.array(x.slice(from, from + size), { shape: [1, 1, 1, size] });
  const one = (pairing: RotaryPairing) =>
    applyRotary(heads(), rotaryTables([7], headDim, { pairing })).dataSync();
  assert.deepEqual(one("half-per-axis"), one("half"));
  const both = applyRotary(
    heads(),
    rotaryTables(at([7, 3]), headDim, { allocation: { kind: "per-axis" }, pairing: "half-per-axis" }),
  ).dataSync();
  const slice = (n: number, from: number) =>
    applyRotary(heads(6, from), rotaryTables([n], 6, { pairing: "half" })).dataSync();
  assert.deepEqual([...both], [...slice(7, 0), ...slice(3, 6)]);
});

test("NTK-aware scaling keeps the highest frequency and divides the lowest by the factor", () => {
  const [plain, scaled] = [
    rotaryFrequencies(32),
    ropeFrequencies(32, 10000, { kind: "ntk", factor: 8 }).frequencies,
  ];
  assert.equal(scaled[0], 1);
  assert.ok(Math.abs(scaled.at(-1)! - plain.at(-1)! / 8) < 1e-15);
});

test("impossible allocations and scalings are named before anything is consumed", () => {
  const refuses = (options: RotaryOptions, message: string) =>
    assert.throws(() => rotaryTables(at([0, 0, 0]), headDim, options), new ConfigError(message));
  refuses(
    { allocation: { kind: "sections", sections: [1, 2, 2] } },
    "sections 1,2,2: add up to 5, expected 6, half of the 12 components that turn",
  );
  refuses(
    { allocation: { kind: "sections", sections: [7, -1] } },
    "sections 7,-1: expected whole numbers, 0 or more",
  );
  refuses(
    { allocation: { kind: "interleaved-sections", sections: [3, 3] } },
    "interleaved sections 3,3: expected 3 numbers, one per axis, that add up to 6",
  );
  refuses(
    { allocation: { kind: "per-axis" }, rotaryDim: 8 },
    "per-axis allocation: 8 components that turn: expected a multiple of 6 for 3 axes",
  );
  refuses(
    { allocation: { kind: "per-head", heads: [2, 2, 2] }, numHeads: 4 },
    "per-head allocation 2,2,2: expected 3 numbers, one per axis, that add up to at most numHeads 4",
  );
  refuses(
    { allocation: { kind: "axial" } as never },
    'frequency allocation "axial": expected cyclic, sections, interleaved-sections, alternating-sections, component-sections, per-axis, split-cyclic, axes, per-head',
  );
  refuses({ rotaryDim: 14 }, "rotary: rotaryDim 14: expected a positive even integer up to headDim 12");
  refuses({ scaling: { kind: "linear", factor: 0 } }, "rope scaling: factor 0: expected a positive number");
  refuses(
    { scaling: { kind: "llama3", factor: 2, originalMaxLength: 8, highFreqFactor: 1 } },
    "rope scaling: highFreqFactor 1: expected more than lowFreqFactor 1",
  );
  refuses(
    { scaling: { kind: "rope-long", factor: 2 } as never },
    'rope scaling "rope-long": expected one of linear, ntk, dynamic, yarn, llama3, longrope, proportional',
  );
  refuses(
    { scaling: { ...longrope, longFactors: [1, 2] } },
    "rope scaling: longFactors: 2 numbers: expected 6, one per pair",
  );
  refuses(
    { scaling: { ...longrope, shortFactors: [1, 2, 3, 4, 5, 0] } },
    "rope scaling: shortFactors 0: expected a positive number",
  );
  refuses(
    { scaling: { kind: "proportional", partialRotaryFactor: 0 } },
    "rope scaling: partialRotaryFactor 0: expected a number in (0, 1]",
  );
  refuses(
    { pairing: "half-per-axis", rotaryDim: 8 },
    "rotary: pairing half-per-axis: 8 components that turn: expected a multiple of 6 for 3 axes",
  );
  refuses(
    { pairing: "quarter" as never },
    'rotary: pairing "quarter": expected half, interleaved, half-per-axis',
  );
  const positions = np.zeros([4, 2]);
  assert.throws(() => rotaryTables(positions, headDim, { numAxes: 3 }), ShapeError);
  const x = np.zeros([1, 1, 3, headDim]);
  const tables = rotaryTables(at([0, 0]), headDim, {
    allocation: { kind: "per-head", heads: [1, 1] },
    numHeads: 2,
  });
  assert.throws(
    () => applyRotary(x, tables),
    new ShapeError("applyRotary: x is float32[1,1,3,12], expected [B, L, a multiple of 2, 12]"),
  );
  assert.deepEqual([positions.refCount, x.refCount, tables.cos.refCount], [1, 1, 1]);
  positions.dispose();
  x.dispose();
  disposeRotaryTables(tables);
});

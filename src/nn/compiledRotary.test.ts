import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import fc from "fast-check";
import { compile, type GraphRewrite, graphRewrites } from "../compile/index.ts";
import { applyRotary, type RotaryOptions, type RotaryPairing, rotaryTables } from "../position/index.ts";
import { attend, causalBias } from "./index.ts";

interface Case {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly pairs: number;
  /** Components that don't turn. */
  readonly rest: number;
  readonly pairing: RotaryPairing;
  /** `"constants"`, positions of all sequences as an array, or of each as an array. */
  readonly from: "constants" | "shared" | "own";
  readonly numAxes: number;
  readonly perHead: boolean;
}

const wave = (size: number, phase: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1.3 * i + phase));

const headsOfAxes = (heads: number, numAxes: number) =>
  Array.from({ length: numAxes }, (_, axis) => (axis === 0 ? heads - (numAxes - 1) : 1));

/** Attention of turned heads, with its gradients for queries and keys. */
function attentionOf({ length, heads, pairs, rest, pairing, from, numAxes, perHead }: Case) {
  const headDim = 2 * pairs + rest;
  const options: RotaryOptions = {
    pairing,
    rotaryDim: 2 * pairs,
    base: 100,
    ...(perHead
      ? { allocation: { kind: "per-head", heads: headsOfAxes(heads, numAxes) }, numHeads: heads }
      : {}),
  };
  return (q: np.Array, k: np.Array, v: np.Array, positions: np.Array) => {
    const places = Float64Array.from({ length: length * numAxes }, (_, i) => 0.7 * i + (i % 2));
    const tables = () =>
      from === "constants"
        ? rotaryTables({ values: places, numAxes }, headDim, options)
        : rotaryTables(positions.ref, headDim, { ...options, numAxes });
    const loss = (own: { q: np.Array; k: np.Array }) => {
      const turned = { q: applyRotary(own.q, tables()), k: applyRotary(own.k, tables()), v: v.ref };
      const y = attend(turned, causalBias(length));
      return y.ref.mul(y).sum();
    };
    const result = valueAndGrad(loss)({ q, k });
    v.dispose();
    positions.dispose();
    return result;
  };
}

function argumentsOf({ batch, length, heads, pairs, rest, from, numAxes }: Case) {
  const shape = [batch, length, heads, 2 * pairs + rest];
  const size = shape.reduce((a, b) => a * b);
  const rows = from === "own" ? [batch, length, numAxes] : [length, numAxes];
  const array = (phase: number) => np.array(wave(size, phase), { shape });
  const positions = Float32Array.from({ length: rows.reduce((a, b) => a * b) }, (_, i) => (0.9 * i) % 7);
  return [array(0), array(1), array(2), np.array(positions, { shape: rows })] as const;
}

const flat = (result: unknown) => tree.leaves(result).flatMap((leaf) => [...(leaf as np.Array).dataSync()]);

/** Compiled results for a case, and how many rotations became one operator. */
async function run(own: Case, rewrites: readonly GraphRewrite[]) {
  await using compiled = compile(attentionOf(own), { rewrites }) as {
    (...args: unknown[]): Promise<unknown>;
    inspect(...args: unknown[]): Promise<{ operators: Record<string, number> }>;
  } & AsyncDisposable;
  const { operators } = await compiled.inspect(...argumentsOf(own));
  return { values: flat(await compiled(...argumentsOf(own))), rotations: operators.RotaryEmbedding ?? 0 };
}

function assertClose(values: readonly number[], expected: readonly number[], name: string): void {
  assert.equal(values.length, expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  values.forEach((value, i) => {
    // Angles up to 14 in float32, and sums of at most a hundred products.
    assert.ok(
      Math.abs(value - expected[i]!) <= 2e-5 * scale,
      `${name} ${i}: ${value} instead of ${expected[i]}`,
    );
  });
}

const usual: Case = {
  batch: 2,
  length: 5,
  heads: 3,
  pairs: 4,
  rest: 0,
  pairing: "half",
  from: "constants",
  numAxes: 1,
  perHead: false,
};

test("turns of queries and keys, forward and backward, are four operators: any pairing, any source of positions", async () => {
  for (const pairing of ["half", "interleaved"] as const) {
    for (const change of [
      {},
      { from: "shared" },
      { from: "own" },
      { from: "own", numAxes: 3 },
      { batch: 1 },
      { heads: 1 },
      { rest: 2 },
      { batch: 1, heads: 1, from: "own" },
    ] as const) {
      const own: Case = { ...usual, pairing, ...change };
      const name = JSON.stringify(own);
      const expected = flat(attentionOf(own)(...argumentsOf(own)));
      const [all, others] = [await run(own, graphRewrites), await run(own, ["softmax", "scale"])];
      assert.deepEqual([all.rotations, others.rotations], [4, 0], name);
      assertClose(all.values, expected, name);
      assertClose(others.values, expected, name);
    }
  }
});

/**
 * The results for halves per axis by those for halves of the whole head: queries and keys with their components in another order have the
 * same products.
 */
function byHalves(own: Case): number[] {
  const { pairs, rest, numAxes } = own;
  const [headDim, block] = [2 * pairs + rest, pairs / numAxes];
  // Where a component of a head of halves is found in one of halves per axis.
  const source = Array.from({ length: headDim }, (_, i) => {
    if (i >= 2 * pairs) return i;
    const [member, pair] = [Math.floor(i / pairs), i % pairs];
    return 2 * block * Math.floor(pair / block) + block * member + (pair % block);
  });
  const inverse = source.map((_, i) => source.indexOf(i));
  const reorder = (x: np.Array, order: readonly number[]) =>
    x.slice([], [], [], np.array(Int32Array.from(order)));
  const [q, k, v, positions] = argumentsOf(own);
  const halves: Case = { ...own, pairing: "half" };
  const [y, gradient] = attentionOf(halves)(reorder(q, source), reorder(k, source), v, positions);
  return flat([y, reorder(gradient.q, inverse), reorder(gradient.k, inverse)]);
}

test("halves per axis have the same gradients, compiled, in which some turns are one operator", async () => {
  for (const [change, rotations] of [
    // Rows of tables are those of axes too, which the operator knows only if heads don't lie between: so it is after attention's transposition.
    [{ numAxes: 2 }, 2],
    [{ numAxes: 2, from: "own" }, 4],
    [{ numAxes: 2, from: "shared", rest: 2 }, 0],
    [{ numAxes: 3, pairs: 6, from: "own", batch: 1 }, 4],
    [{ numAxes: 2, perHead: true }, 2],
    [{ numAxes: 2, heads: 1 }, 4],
    // With one axis they are halves.
    [{ numAxes: 1 }, 4],
    [{ numAxes: 1, from: "own" }, 4],
  ] as const) {
    const own: Case = { ...usual, pairing: "half-per-axis", ...change };
    const name = JSON.stringify(own);
    const expected = flat(attentionOf(own)(...argumentsOf(own)));
    const compiled = await run(own, graphRewrites);
    assert.equal(compiled.rotations, rotations, name);
    assertClose(compiled.values, expected, name);
    assertClose(expected, byHalves(own), name);
  }
});

test("whatever the sizes, the result is that of jax-js", async () => {
  const size = (max: number) => fc.integer({ min: 1, max });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        batch: size(3),
        length: size(5),
        heads: size(3),
        pairs: size(4),
        rest: fc.constantFrom(0, 2),
        pairing: fc.constantFrom("half" as const, "interleaved" as const, "half-per-axis" as const),
        from: fc.constantFrom("constants" as const, "shared" as const, "own" as const),
        numAxes: fc.constantFrom(1, 2),
        perHead: fc.boolean(),
      }),
      async (drawn) => {
        const { pairs, heads, numAxes, perHead } = drawn;
        const own: Case = { ...drawn, pairs: pairs * numAxes, perHead: perHead && heads >= numAxes };
        const expected = flat(attentionOf(own)(...argumentsOf(own)));
        assertClose((await run(own, graphRewrites)).values, expected, JSON.stringify(own));
      },
    ),
    { numRuns: 25 },
  );
});

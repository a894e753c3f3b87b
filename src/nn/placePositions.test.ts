import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  type FrequencyAllocation,
  layoutPositions,
  positionOf,
  type RotaryPairing,
  rotaryPairings,
  tieV2,
} from "../position/index.ts";
import {
  type DecodeCache,
  decode,
  initCache,
  initTransformer,
  resolveTransformerConfig,
  type TransformerOptions,
  type TransformerParams,
  transformer,
} from "./index.ts";

const options: TransformerOptions = {
  vocabSize: 11,
  numLayers: 2,
  modelDim: 16,
  numHeads: 2,
  initStd: 0.5,
};
const positions = layoutPositions(tieV2(2), [
  { kind: "text", length: 1 },
  { kind: "image", height: 2, width: 3 },
]);
const grid = Array.from({ length: 7 }, (_, i) => positionOf(positions, i));
const params = () => initTransformer(random.key(2), resolveTransformerConfig(options));
const tokens = () => np.array(Int32Array.of(3, 1, 4, 1, 5, 9, 2), { shape: [1, 7] });
const logits = (extra: Partial<TransformerOptions>) =>
  transformer(params(), tokens(), resolveTransformerConfig({ ...options, ...extra })).dataSync();

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from({ length: a.length }, (_, i) => Math.abs(a[i]! - b[i]!)));
}

test("places on the diagonal are those of a sequence", () => {
  const diagonal = Array.from({ length: 7 }, (_, i) => [i, i]);
  assert.deepEqual(logits({ placePositions: diagonal }), logits({}));
  assert.deepEqual(logits({ placePositions: diagonal.map(([i]) => [i!]) }), logits({}));
  assert.ok(largest(logits({ placePositions: grid }), logits({})) > 1e-2);
  // Only differences count: all places moved by as much, up to the rounding of tables and sums in float32.
  const moved = grid.map(([h, w]) => [h! + 5, w! - 3]);
  assert.ok(largest(logits({ placePositions: moved }), logits({ placePositions: grid })) < 1e-4);
  const swapped = grid.map(([h, w]) => [w!, h!]);
  assert.ok(largest(logits({ placePositions: swapped }), logits({ placePositions: grid })) > 1e-2);
});

test("a cache gives what the whole gives, eagerly and compiled", async () => {
  const config = resolveTransformerConfig({ ...options, placePositions: grid });
  const whole = logits({ placePositions: grid });
  const step = (p: TransformerParams, c: DecodeCache, t: np.Array, at: np.Array) =>
    decode(p, c, t, at, config);
  await using compiled = compile(step);
  for (const run of [step, compiled as unknown as typeof step]) {
    const own = params();
    let cache = initCache(config, 1, 7);
    const rows: number[] = [];
    for (let i = 0; i < 7; i++) {
      const token = tokens().slice([], [i, i + 1]);
      const place = np.array(Int32Array.of(i), { shape: [] });
      const out = await run(tree.ref(own), cache, token, place);
      cache = out.cache;
      rows.push(...((await out.logits.data()) as Float32Array));
    }
    tree.dispose([own, cache]);
    // Sums in another order, and tables in float32 instead of float64.
    assert.ok(largest(rows, whole) < 1e-4, `${largest(rows, whole)}`);
  }
});

const allocations: FrequencyAllocation[] = [
  { kind: "cyclic" },
  { kind: "sections", sections: [3, 1] },
  { kind: "interleaved-sections", sections: [3, 1] },
  { kind: "per-axis" },
  { kind: "per-head", heads: [1, 1] },
];

/** Components `a` and `b` of pair `j` of a head of 8, for two axes. */
const members: Record<RotaryPairing, (j: number) => readonly [number, number]> = {
  half: (j) => [j, j + 4],
  interleaved: (j) => [2 * j, 2 * j + 1],
  "half-per-axis": (j) => [4 * (j >> 1) + (j % 2), 4 * (j >> 1) + (j % 2) + 2],
};

test("a pairing is an order of the columns of queries and keys, under every allocation", () => {
  const results = allocations.map((allocation) => {
    const expected = logits({ placePositions: grid, allocation });
    for (const pairing of rotaryPairings) {
      const columns = Array.from({ length: 16 }, (_, i) => i);
      for (const head of [0, 8]) {
        for (let j = 0; j < 4; j++) {
          members[pairing](j).forEach((own, member) => {
            columns[head + own] = head + members.half(j)[member]!;
          });
        }
      }
      const order = np.array(Int32Array.from(columns));
      const { blocks, ...rest } = params();
      const ordered = blocks.map((block) => ({
        ...block,
        attention: {
          ...block.attention,
          wq: block.attention.wq.slice([], order.ref),
          wk: block.attention.wk.slice([], order.ref),
        },
      }));
      order.dispose();
      const config = resolveTransformerConfig({
        ...options,
        placePositions: grid,
        allocation,
        ropePairing: pairing,
      });
      const own = transformer({ ...rest, blocks: ordered }, tokens(), config).dataSync();
      // Sums in another order.
      assert.ok(largest(own, expected) < 1e-4, `${allocation.kind}, ${pairing}: ${largest(own, expected)}`);
      if (pairing !== "half") {
        const other = logits({ placePositions: grid, allocation, ropePairing: pairing });
        assert.ok(largest(other, expected) > 1e-2, `${allocation.kind}, ${pairing}: no difference`);
      }
    }
    return expected;
  });
  results.forEach((own, i) => {
    // The last frequency is 1/1000: where it alone has another axis, logits move by 1/1000.
    for (const other of results.slice(0, i)) assert.ok(largest(own, other) > 5e-4);
  });
});

test("positions that don't fit are refused", () => {
  const resolve = (extra: Partial<TransformerOptions>) => () =>
    resolveTransformerConfig({ ...options, ...extra });
  assert.throws(
    resolve({ placePositions: grid, position: "alibi" }),
    /expected position "rope" as well, not "alibi"/,
  );
  for (const placePositions of [[], [[]], [[1, 2], [1]], [[Number.NaN]]])
    assert.throws(resolve({ placePositions }), ConfigError);
  assert.throws(
    resolve({ ropePairing: "quarter" as never }),
    /pairing "quarter": expected half, interleaved, half-per-axis/,
  );
  assert.throws(
    resolve({ placePositions: grid, rotaryDim: 6, ropePairing: "half-per-axis" }),
    /half-per-axis: 6 components that turn: expected a multiple of 4 for 2 axes/,
  );
  assert.throws(
    resolve({ placePositions: grid, allocation: { kind: "sections", sections: [2, 1] } }),
    /sections 2,1: add up to 3, expected 4/,
  );
  const config = resolveTransformerConfig({ ...options, placePositions: grid.slice(0, 5) });
  const own = params();
  const given = tokens();
  assert.throws(
    () => transformer(own, given, config),
    (error: Error) => {
      return (
        error instanceof ShapeError &&
        /7 tokens: expected at most 5, as many as placePositions/.test(error.message)
      );
    },
  );
  assert.throws(() => initCache(config, 1, 6), ShapeError);
  given.dispose();
  tree.dispose(own);
});

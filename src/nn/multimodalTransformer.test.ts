import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile, compileStep } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  advance,
  applyRotary,
  type FrequencyAllocation,
  type Layout,
  layoutPositions,
  layouts,
  positionDelta,
  rotaryTables,
  startCursor,
} from "../position/index.ts";
import {
  documentOf,
  type Heads,
  initMultimodalCache,
  initMultimodalTransformer,
  type MixedDocument,
  type MultimodalBatch,
  type MultimodalBatchOptions,
  type MultimodalCache,
  type MultimodalConfig,
  type MultimodalInputs,
  type MultimodalOptions,
  type MultimodalOutputs,
  type MultimodalParams,
  multimodalBatch,
  multimodalDecode,
  multimodalLoss,
  multimodalLosses,
  multimodalTransformer,
  resolveMultimodalConfig,
  transformer,
  transformerLoss,
  transformerMaxLogits,
} from "./index.ts";

/** float32 through two layers, sums in another order. */
const tolerance = 2e-5;

const options: MultimodalOptions = {
  vocabSize: 7,
  numLayers: 2,
  modelDim: 24,
  numHeads: 2,
  mlpDim: 16,
  initStd: 0.4,
  patch: { dim: 4, token: 6, predict: true },
  codeVocabSize: 5,
};

/** Layouts with the allocation that they were published with, for 6 pairs. */
const encodings: [layout: keyof typeof layouts, allocation: FrequencyAllocation][] = [
  ["flat", { kind: "cyclic" }],
  ["tie", { kind: "cyclic" }],
  ["tie-v2", { kind: "cyclic" }],
  ["tie-v2", { kind: "per-axis" }],
  ["tie-v2", { kind: "per-head", heads: [1, 1] }],
  ["mrope", { kind: "sections", sections: [2, 2, 2] }],
  ["mrope-interleaved", { kind: "interleaved-sections", sections: [2, 2, 2] }],
  ["streaming-3d", { kind: "cyclic" }],
];

const configOf = (layout: Layout, allocation: FrequencyAllocation, more: Partial<MultimodalOptions> = {}) =>
  resolveMultimodalConfig({ ...options, numAxes: layout.axes.length, allocation, ...more });

/** Numbers without a pattern. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * (i + 1) ** 2 + seed));

const documents: readonly MixedDocument[] = [
  [
    { tokens: [1, 2] },
    { segment: { kind: "image", height: 2, width: 3 }, patches: values(24, 1) },
    { tokens: [3, 0, 4] },
    { segment: { kind: "image", height: 1, width: 2 }, codes: [4, 1] },
    { tokens: [5] },
  ],
  [
    { tokens: [2] },
    { segment: { kind: "image", height: 2, width: 2 }, codes: [0, 3, 2, 3] },
    { tokens: [1] },
  ],
  [{ tokens: [4, 4, 1, 3] }],
];

const ref = <T>(root: T): T => tree.ref(root) as T;
const inputsOf = ({ weights, ...inputs }: MultimodalBatch): MultimodalInputs => {
  weights?.dispose();
  return inputs;
};
const batchOf = (
  layout: Layout,
  rows: readonly (readonly MixedDocument[])[],
  config: MultimodalConfig,
  batchOptions?: MultimodalBatchOptions,
) => inputsOf(multimodalBatch(layout, rows, config, batchOptions));

/** All that the model says of each place: `[row][place]` → numbers. */
function rowsOf({ logits, codeLogits, patches }: MultimodalOutputs): number[][][] {
  const parts = [logits, codeLogits, patches].flatMap((array) =>
    array === undefined ? [] : [array.js() as number[][][]],
  );
  return parts[0]!.map((row, b) => row.map((_, n) => parts.flatMap((part) => part[b]![n]!)));
}

function assertClose(
  actual: readonly number[],
  expected: readonly number[],
  what: string,
  limit = tolerance,
) {
  assert.equal(actual.length, expected.length, what);
  actual.forEach((value, i) => {
    assert.ok(
      Math.abs(value - expected[i]!) <= limit * (1 + Math.abs(expected[i]!)),
      `${what}[${i}]: ${value} instead of ${expected[i]}`,
    );
  });
}

test("text alone gives the logits and the loss of the text transformer", () => {
  const ids = [
    [1, 2, 3, 4, 5],
    [0, 5, 3, 3, 1],
  ];
  for (const [layout, allocation] of encodings.filter(([, { kind }]) => kind === "cyclic")) {
    const config = configOf(layouts[layout], allocation, { patch: null, codeVocabSize: null });
    const params = initMultimodalTransformer(random.key(2), config);
    const batch = multimodalBatch(
      layouts[layout],
      ids.map((tokens) => [[{ tokens }]]),
      config,
    );
    const tokens = () => np.array(ids).astype(np.int32);
    const expected = transformer(ref(params), tokens(), config).dataSync();
    const actual = multimodalTransformer(ref(params), inputsOf(ref(batch)), config).logits.dataSync();
    assertClose([...actual], [...expected], layout);
    const loss = transformerLoss(ref(params), tokens(), config).item();
    assertClose([multimodalLoss(params, batch, config).item()], [loss], `${layout}, loss`);
  }
});

test("a patch is a token with the embedding W·x + e, a code one of the second table", () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" });
  const params = initMultimodalTransformer(random.key(3), config);
  const grid = { kind: "image", height: 1, width: 2 } as const;
  const document = (image: MixedDocument[number]): MixedDocument => [
    { tokens: [1, 2] },
    image,
    { tokens: [3] },
  ];
  const run = (own: MultimodalParams, image: MixedDocument[number]) =>
    rowsOf(multimodalTransformer(own, batchOf(layout, [[document(image)]], config), config))[0]!;
  // W's rows are the table's rows 0 … 3 of codes less the patch token's: one-hot patches are those codes then.
  const codes = params.codes!.embedding;
  const token = params.embedding.ref.slice([6, 7]);
  const own: MultimodalParams = {
    ...ref(params),
    patches: { embedding: codes.ref.slice([0, 4]).sub(token), head: params.patches!.head!.ref },
  };
  const patches = run(own, { segment: grid, patches: [0, 0, 1, 0, 1, 0, 0, 0] });
  const asCodes = run(ref(params), { segment: grid, codes: [2, 0] });
  const others = run(ref(params), { segment: grid, codes: [2, 1] });
  patches.forEach((row, n) => {
    assertClose(row, asCodes[n]!, `place ${n}`);
  });
  assert.notDeepEqual(others.at(-1), asCodes.at(-1));
});

for (const [name, allocation] of encodings) {
  const layout = layouts[name];
  const config = configOf(layout, allocation);
  const label = `${name}, ${allocation.kind}`;

  test(`${label}: padded and packed documents give what each gives alone`, () => {
    const params = initMultimodalTransformer(random.key(5), config);
    const run = (rows: MixedDocument[][], batchOptions?: MultimodalBatchOptions) =>
      rowsOf(multimodalTransformer(ref(params), batchOf(layout, rows, config, batchOptions), config));
    const alone = documents.map((document) => run([[document]])[0]!);
    const check = (rows: number[][], what: string, document: number) => {
      rows.forEach((row, n) => {
        assertClose(row, alone[document]![n]!, `${what}, document ${document}, place ${n}`);
      });
    };
    const [a, b, c] = documents as [MixedDocument, MixedDocument, MixedDocument];
    for (const padding of ["left", "right"] as const) {
      const padded = run([[a], [b], [c]], { padding, length: 17 });
      alone.forEach((rows, d) => {
        const from = padding === "left" ? 17 - rows.length : 0;
        check(padded[d]!.slice(from, from + rows.length), padding, d);
      });
    }
    const [first, second] = run([[b, a], [c]]);
    check(first!.slice(0, 6), "packed", 1);
    check(first!.slice(6), "packed", 0);
    check(second!.slice(0, 4), "packed", 2);
  });

  test(`${label}: a cache gives what the whole gives, for a mixed prefix and rows of different length`, async () => {
    const params = initMultimodalTransformer(random.key(6), config);
    const generated = [
      [1, 5, 2],
      [3, 3, 0],
    ];
    const prefixes = documents.slice(0, 2);
    const whole = prefixes.map((prefix, row) => {
      const document: MixedDocument = [...prefix, { tokens: generated[row]! }];
      return rowsOf(multimodalTransformer(ref(params), batchOf(layout, [[document]], config), config))[0]!;
    });
    await using step = compile((p: MultimodalParams, c: MultimodalCache, i: MultimodalInputs, at: np.Array) =>
      multimodalDecode(p, c, i, at, config),
    );
    const prefix = batchOf(
      layout,
      prefixes.map((document) => [document]),
      config,
    );
    const length = prefix.tokens.shape[1]!;
    const place = (n: number) => np.array(n).astype(np.int32);
    let { cache, outputs } = multimodalDecode(
      ref(params),
      initMultimodalCache(config, 2, length + 4),
      prefix,
      place(0),
      config,
    );
    const seen = rowsOf(outputs);
    const cursors = prefixes.map((document) =>
      documentOf(document).reduce((cursor, segment) => advance(layout, cursor, segment).cursor, startCursor),
    );
    const found = prefixes.map((_, row) => seen[row]!.slice(0, cursors[row]!.tokens));
    for (let n = 0; n < 3; n++) {
      const positions = cursors.map((cursor, row) => {
        const next = advance(layout, cursor, { kind: "text", length: 1 });
        cursors[row] = next.cursor;
        // Text lies at its number plus the delta, on all axes.
        assert.ok(next.positions.values.every((value) => value === cursor.tokens + positionDelta(cursor)));
        return [[...next.positions.values]];
      });
      const inputs: MultimodalInputs = {
        tokens: np.array(generated.map((row) => [row[n]!])).astype(np.int32),
        positions: np.array(positions),
        patches: np.zeros([2, 1, 4]),
      };
      ({ cache, outputs } = await step(ref(params), cache, inputs, place(length + n)));
      rowsOf(outputs).forEach((row, b) => {
        found[b]!.push(row[0]!);
      });
    }
    tree.dispose(cache);
    found.forEach((rows, b) => {
      assert.equal(rows.length, whole[b]!.length);
      rows.forEach((row, n) => {
        assertClose(row, whole[b]![n]!, `row ${b}, place ${n}`);
      });
    });
  });

  test(`${label}: queries turn by the layout's positions in float64`, () => {
    const params = initMultimodalTransformer(random.key(7), config);
    const plain = resolveMultimodalConfig({ ...options, numAxes: config.numAxes, position: "none" });
    const first = (own: MultimodalConfig): Heads => {
      let heads: Heads | null = null;
      multimodalTransformer(ref(params), batchOf(layout, [[documents[0]!]], config), own, (seen) => {
        heads ??= { q: seen.q.ref, k: seen.k.ref, v: seen.v.ref };
      });
      return heads!;
    };
    const [turned, still] = [first(config), first(plain)];
    const tables = rotaryTables(layoutPositions(layout, documentOf(documents[0]!)), 12, {
      allocation,
      numHeads: 2,
    });
    assertClose([...turned.q.dataSync()], [...applyRotary(still.q, tables).dataSync()], "q");
    assertClose([...turned.v.dataSync()], [...still.v.dataSync()], "v");
  });
}

test("every choice of positions gives its own logits, and without positions none matters", () => {
  const grid: MixedDocument = [
    { tokens: [1] },
    { segment: { kind: "image", height: 2, width: 3 }, patches: values(24, 2) },
    { tokens: [2] },
  ];
  const last = (layout: Layout, more: Partial<MultimodalOptions>) => {
    const config = configOf(layout, { kind: "cyclic" }, more);
    const params = initMultimodalTransformer(random.key(8), config);
    const rows = rowsOf(multimodalTransformer(params, batchOf(layout, [[grid]], config), config));
    return rows[0]!
      .at(-1)!
      .map((value) => value.toFixed(3))
      .join();
  };
  const results = [
    ...encodings.map(([name, allocation]) => last(layouts[name], { allocation })),
    last(layouts["tie-v2"], { ropeBase: 100 }),
    last(layouts["tie-v2"], { ropePairing: "interleaved" }),
    last(layouts["tie-v2"], { ropePairing: "half-per-axis" }),
    last(layouts["tie-v2"], { rotaryDim: 6 }),
    last(layouts["tie-v2"], { ropeScaling: { kind: "linear", factor: 3 } }),
    last(layouts["tie-v2"], { position: "none" }),
  ];
  assert.equal(new Set(results).size, results.length);
  assert.equal(last(layouts.tie, { position: "none" }), results.at(-1));
});

test("grouped queries attend within documents too, and their largest logits are those of the text model", () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" }, { numHeads: 4, headDim: 6, numKvHeads: 2 });
  const params = initMultimodalTransformer(random.key(9), config);
  const run = (rows: MixedDocument[][]) =>
    rowsOf(multimodalTransformer(ref(params), batchOf(layout, rows, config), config));
  const [packed] = run([[documents[2]!, documents[1]!]]);
  const [alone] = run([[documents[1]!]]);
  packed!.slice(4).forEach((row, n) => {
    assertClose(row, alone![n]!, `place ${n}`);
  });
  assert.deepEqual(
    transformerMaxLogits(params, np.array([[1, 2, 3]]).astype(np.int32), config).shape,
    [2, 4],
  );
});

test("losses are weighted means in float64 over the places of each kind, within documents", () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" });
  const params = initMultimodalTransformer(random.key(10), config);
  const weighted: MixedDocument = documents[0]!.map((part, i) => {
    const count = "segment" in part ? part.segment.height * part.segment.width : part.tokens.length;
    return { ...part, weights: values(count, i).map((value) => Math.max(0, value)) };
  });
  const rows = [[weighted, documents[1]!], [documents[2]!]];
  const batch = multimodalBatch(layout, rows, config);
  const said = rowsOf(multimodalTransformer(ref(params), inputsOf(ref(batch)), config));
  const sums = { text: [0, 0], codes: [0, 0], patches: [0, 0] };
  const nll = (logits: number[], target: number) =>
    Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[target]!;
  rows.forEach((row, r) => {
    let place = 0;
    for (const document of row) {
      let isFirst = true;
      for (const part of document) {
        const count = "segment" in part ? part.segment.height * part.segment.width : part.tokens.length;
        for (let i = 0; i < count; i++, place++) {
          const weight = part.weights === undefined ? 1 : Math.fround(part.weights[i]!);
          if (!isFirst) {
            const before = said[r]![place - 1]!;
            let [kind, loss]: [keyof typeof sums, number] = ["text", 0];
            if ("tokens" in part) loss = nll(before.slice(0, 7), part.tokens[i]!);
            else if ("codes" in part) [kind, loss] = ["codes", nll(before.slice(7, 12), part.codes[i]!)];
            else {
              const squares = before.slice(12).map((value, j) => (value - part.patches[4 * i + j]!) ** 2);
              [kind, loss] = ["patches", squares.reduce((a, b) => a + b, 0) / 4];
            }
            sums[kind][0]! += weight * loss;
            sums[kind][1]! += weight;
          }
          isFirst = false;
        }
      }
    }
  });
  const expected = Object.values(sums).map(([loss, weight]) => loss! / weight!);
  const losses = multimodalLosses(ref(params), ref(batch), config);
  const found = [losses.text, losses.codes!, losses.patches!].map((loss) => loss.item());
  assertClose(found, expected, "text, codes, patches");
  const scaled = multimodalLoss(params, batch, config, { text: 2, codes: 3, patches: 5 }).item();
  assertClose([scaled], [2 * expected[0]! + 3 * expected[1]! + 5 * expected[2]!], "scaled");
});

test("without a place that counts a loss is 0, and padding can't make it NaN", () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" });
  const params = initMultimodalTransformer(random.key(11), config);
  const batch = multimodalBatch(layout, [[[{ tokens: [1, 2], weights: [1, 0] }]]], config, { length: 5 });
  const [loss, gradients] = valueAndGrad((p: MultimodalParams) => multimodalLoss(p, batch, config))(
    params,
  ) as [np.Array, MultimodalParams];
  assert.equal(loss.item(), 0);
  for (const leaf of tree.leaves(gradients) as unknown as np.Array[])
    assert.ok((leaf.dataSync() as Float32Array).every((value) => value === 0));
});

test("gradients are those of finite differences", () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" }, { numLayers: 1, initStd: 0.2 });
  const params = initMultimodalTransformer(random.key(12), config);
  const batch = multimodalBatch(layout, [[documents[0]!, documents[1]!], [documents[2]!]], config);
  const loss = (p: MultimodalParams) => multimodalLoss(p, ref(batch), config);
  const gradients = (valueAndGrad(loss)(ref(params)) as [np.Array, MultimodalParams])[1];
  for (const [name, of] of [
    ["text", (p: MultimodalParams) => p.embedding],
    ["patches", (p: MultimodalParams) => p.patches!.embedding],
    ["patch head", (p: MultimodalParams) => p.patches!.head!],
    ["codes", (p: MultimodalParams) => p.codes!.embedding],
    ["wq", (p: MultimodalParams) => p.blocks[0]!.attention.wq],
  ] as const) {
    const array = of(params);
    const direction = values(array.size, 3);
    const size = Math.sqrt(array.size);
    const moved = (step: number) => {
      const delta = np.array(
        direction.map((value) => (value * step) / size),
        { shape: [...array.shape] },
      );
      const leaves = tree.leaves(ref(params)) as unknown as np.Array[];
      const index = (tree.leaves(params) as unknown as np.Array[]).indexOf(array);
      leaves[index] = leaves[index]!.add(delta);
      return loss(tree.unflatten(tree.structure(params as never), leaves as never) as never).item();
    };
    const slope = (moved(0.05) - moved(-0.05)) / 0.1;
    const gradient = of(gradients).dataSync() as Float32Array;
    const expected = gradient.reduce((sum, value, i) => sum + (value * direction[i]!) / size, 0);
    // Third-order error of central differences and rounding of a float32 loss over a step of 0.1.
    assert.ok(
      Math.abs(slope - expected) < 2e-3 + 0.02 * Math.abs(expected),
      `${name}: ${expected}, ${slope}`,
    );
    assert.ok(Math.abs(expected) > 1e-4, name);
  }
});

test("three compiled steps of training are the eager ones", async () => {
  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" }, { initStd: 0.2 });
  const sgd = (p: MultimodalParams, batch: MultimodalBatch): [MultimodalParams, np.Array] => {
    const [loss, gradients] = valueAndGrad((own: MultimodalParams) => multimodalLoss(own, batch, config))(
      ref(p),
    ) as [np.Array, MultimodalParams];
    const updated = tree.map((w: np.Array, g: np.Array) => w.sub(g.mul(0.1)), p as never, gradients as never);
    return [updated as MultimodalParams, loss];
  };
  const batches = [0, 1, 2].map((i) =>
    multimodalBatch(layout, [[documents[i]!], [documents[(i + 1) % 3]!]], config, { length: 14 }),
  );
  await using compiled = compileStep(sgd);
  let params = initMultimodalTransformer(random.key(13), config);
  using state = await compiled.init(ref(params));
  for (const batch of batches) {
    let loss: np.Array;
    [params, loss] = sgd(params, ref(batch));
    assertClose([(await compiled(state, batch)).item()], [loss.item()], "loss", 1e-4);
  }
});

test("what doesn't fit is named, and arrays survive", () => {
  const refuses = (more: object, message: RegExp) =>
    assert.throws(
      () => resolveMultimodalConfig({ ...options, ...more }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      },
    );
  refuses({ position: "learned" }, /position "learned": expected rope or none/);
  refuses({ patch: { dim: 0, token: 1 } }, /patch.dim 0: expected a positive integer/);
  refuses({ patch: { dim: 4, token: 7 } }, /patch.token 7: expected a token id below vocabSize 7/);
  refuses({ codeVocabSize: 0 }, /codeVocabSize 0/);
  refuses({ allocation: { kind: "sections", sections: [1, 2] } }, /sections 1,2: add up to 3, expected 6/);

  const layout = layouts["tie-v2"];
  const config = configOf(layout, { kind: "cyclic" });
  const builds = (document: MixedDocument, message: RegExp, own: MultimodalConfig = config) =>
    assert.throws(
      () => multimodalBatch(layout, [[document]], own, { length: 8 }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      },
    );
  const segment = { kind: "image", height: 1, width: 2 } as const;
  builds([{ tokens: [7] }], /text token 7: expected 0 to 6/);
  builds([{ tokens: [6] }], /text token 6: is the patch token/);
  builds([{ tokens: [1], weights: [1, 1] }], /weights: 2 of them, expected 1/);
  builds([{ segment, codes: [0, 5] }], /code 5: expected 0 to 4/);
  builds([{ segment, codes: [0] }], /codes: 1 of them for a grid of 2 tokens/);
  builds([{ segment, patches: [0] }], /patches: 1 numbers for a grid of 2 tokens, expected 8/);
  builds([{ tokens: Array(9).fill(1) }], /a row has 9 tokens, expected at most length 8/);
  builds([], /has no tokens/);
  const textOnly = configOf(layout, { kind: "cyclic" }, { patch: null, codeVocabSize: null });
  builds([{ segment, patches: values(8, 1) }], /patches: the model has none/, textOnly);
  builds([{ segment, codes: [0, 1] }], /codes: the model has none/, textOnly);
  builds([{ tokens: [1] }], /layout tie-v2: has 2 axes, the model expects numAxes 3/, {
    ...config,
    numAxes: 3,
  });

  const params = initMultimodalTransformer(random.key(1), config);
  const batch = batchOf(layout, [[documents[0]!]], config);
  const wrong: [Partial<MultimodalInputs>, RegExp][] = [
    [{ tokens: np.zeros([14], { dtype: np.int32 }) }, /tokens is int32\[14\], expected int32\[B, L\]/],
    [{ positions: np.zeros([1, 14]) }, /positions is float32\[1,14\], expected \[B=1, L=14, 2\]/],
    [{ documents: np.zeros([1, 13]) }, /documents is float32\[1,13\]/],
    [{ patches: np.zeros([1, 14, 3]) }, /patches is float32\[1,14,3\], expected /],
  ];
  for (const [change, message] of wrong) {
    const inputs = { ...batch, ...change };
    assert.throws(() => multimodalTransformer(params, inputs, config), message);
    assert.throws(() => multimodalLoss(params, inputs, config), ShapeError);
    for (const array of Object.values(inputs)) assert.equal((array as np.Array).refCount, 1);
  }
  const { patches, ...without } = batch;
  assert.throws(() => multimodalTransformer(params, without, config), /patches are missing/);
  assert.throws(() => multimodalTransformer(params, batch, textOnly), /the model has none/);
  const weights = np.ones([2, 14]);
  assert.throws(() => multimodalLoss(params, { ...batch, weights }, config), /weights is float32\[2,14\]/);
  for (const array of [...Object.values(without), patches!]) assert.equal(array.refCount, 1);
});

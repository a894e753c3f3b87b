import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  countParameters,
  crossEntropy,
  type DecodeCache,
  decode,
  flopsPerToken,
  initCache,
  initTransformer,
  linear,
  norm,
  type PositionKind,
  positionKinds,
  resolveMultimodalConfig,
  resolveTransformerConfig,
  type TransformerOptions,
  type TransformerParams,
  transformer,
  transformerLoss,
} from "./index.ts";

interface ReferenceCase {
  name: string;
  config: TransformerOptions;
  logits: number[];
  loss: number;
  gradients: Record<string, { norm: number; first: number[] }>;
  paths: string[];
  shapes: number[][];
}

const reference = JSON.parse(readFileSync(new URL("./nn.reference.json", import.meta.url), "utf8")) as {
  tokens: number[][];
  cases: ReferenceCase[];
};

/** The numbers of scripts/references/nn.py. */
function referenceParams({ paths, shapes }: ReferenceCase): TransformerParams {
  let state = 1;
  const root: Record<string, unknown> = {};
  paths.forEach((path, i) => {
    const shape = shapes[i]!;
    const isNormWeight = path.endsWith("weight");
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
      state = Number((1103515245n * BigInt(state) + 12345n) % 2147483648n);
      return (isNormWeight ? 1 : 0) + 0.3 * (state / 2 ** 30 - 1);
    });
    const keys = path.split(".");
    let node = root as Record<string, Record<string, unknown>>;
    keys.slice(0, -1).forEach((key, j) => {
      node[key] ??= (/^\d+$/.test(keys[j + 1]!) ? [] : {}) as Record<string, unknown>;
      node = node[key] as Record<string, Record<string, unknown>>;
    });
    node[keys.at(-1)!] = np.array(data, { shape }) as never;
  });
  return root as unknown as TransformerParams;
}

function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    assert.ok(
      error <= tolerance * (1 + Math.abs(expected[i]!)),
      `${what}[${i}]: ${actual[i]} instead of ${expected[i]}`,
    );
  }
}

for (const item of reference.cases) {
  const config = resolveTransformerConfig(item.config);
  const tokens = () => np.array(reference.tokens).astype(np.int32);

  test(`logits, loss and gradients are PyTorch's: ${item.name}`, () => {
    const length = reference.tokens[0]!.length - 1;
    const logits = transformer(referenceParams(item), tokens().slice([], [0, length]), config);
    // float32 (with the polynomial exp of jax-js on WebAssembly) against float64, through two layers.
    assertClose(logits.dataSync(), item.logits, 5e-5, "logits");
    const [loss, gradients] = valueAndGrad((p: TransformerParams) => transformerLoss(p, tokens(), config))(
      referenceParams(item),
    ) as [np.Array, TransformerParams];
    assertClose([loss.item()], [item.loss], 1e-5, "loss");
    const flat = tree.leaves(gradients) as unknown as np.Array[];
    assert.equal(flat.length, item.paths.length);
    item.paths.forEach((path, i) => {
      const expected = item.gradients[path]!;
      const data = flat[i]!.dataSync() as Float32Array;
      assertClose(data.slice(0, 4), expected.first, 5e-5, path);
      assertClose([Math.hypot(...data)], [expected.norm], 5e-5, `norm of ${path}`);
    });
  });

  test(`decoding with a cache gives the logits of the whole sequence: ${item.name}`, () => {
    const params = referenceParams(item);
    const batch = reference.tokens.map((row) => row.slice(0, 6));
    const whole = transformer(tree.ref(params), np.array(batch).astype(np.int32), config);
    let cache = initCache(config, 2, 9);
    const parts: number[][] = [[], []];
    for (const [start, end] of [
      [0, 3],
      [3, 4],
      [4, 6],
    ] as const) {
      const piece = np.array(batch.map((row) => row.slice(start, end))).astype(np.int32);
      const position = np.array(start).astype(np.int32);
      const result = decode(tree.ref(params), cache, piece, position, config);
      cache = result.cache;
      (result.logits.js() as number[][][]).forEach((rows, b) => {
        parts[b]!.push(...rows.flat());
      });
    }
    tree.dispose(cache);
    tree.dispose(params);
    assertClose(parts.flat(), whole.dataSync(), 1e-5, "logits");
  });
}

test("a later token leaves earlier logits unchanged", () => {
  const item = reference.cases[1]!;
  const config = resolveTransformerConfig(item.config);
  const params = referenceParams(item);
  const run = (tokens: number[]) =>
    transformer(tree.ref(params), np.array([tokens]).astype(np.int32), config).js() as number[][][];
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 5, maxLength: 5 }),
      fc.nat({ max: 3 }),
      fc.integer({ min: 1, max: 10 }),
      (tokens, place, shift) => {
        const changed = tokens.map((token, i) => (i > place ? (token + shift) % 11 : token));
        const [before, after] = [run(tokens)[0]!, run(changed)[0]!];
        assert.deepEqual(before.slice(0, place + 1), after.slice(0, place + 1));
        assert.notDeepEqual(before.at(-1), after.at(-1));
      },
    ),
    { seed: 1, numRuns: 10 },
  );
});

const encodings: [name: string, position: PositionKind, options: Partial<TransformerOptions>][] = [
  ...positionKinds.map((kind): [string, PositionKind, object] => [kind, kind, {}]),
  ["rope, base 100", "rope", { ropeBase: 100 }],
  ["rope, YaRN", "rope", { ropeScaling: { kind: "yarn", factor: 4, originalMaxLength: 20 } }],
  ["rope, half of the head", "rope", { rotaryDim: 2, ropePairing: "interleaved" }],
];
const seen = new Set<string>();
for (const [name, position, options] of encodings) {
  test(`${name}: beyond the trained length, eagerly, compiled and with a cache`, async () => {
    // Longer than T5's buckets reach, 128, where the encoding can go on.
    const [length, maxLength] = position === "learned" ? [40, 40] : [140, 20];
    const config = resolveTransformerConfig({
      vocabSize: 7,
      numLayers: 1,
      modelDim: 12,
      numHeads: 3,
      mlpDim: 8,
      initStd: 0.4,
      position,
      maxLength,
      ...options,
    });
    const params = () => initTransformer(random.key(1), config);
    const ids = Array.from({ length }, (_, n) => (5 * n + (n >> 2)) % 7);
    const tokens = (from: number, to: number) => np.array([ids.slice(from, to)]).astype(np.int32);
    const whole = transformer(params(), tokens(0, length), config).dataSync();
    // Every option changes the result.
    const result = [...whole.slice(-7)].map((value) => value.toFixed(3)).join();
    assert.ok(!seen.has(result));
    seen.add(result);
    await using compiled = compile((p: TransformerParams, t: np.Array) => transformer(p, t, config));
    // float32 through one layer, and sums of 140 terms in another order.
    assertClose((await compiled(params(), tokens(0, length))).dataSync(), whole, 2e-5, "compiled");
    await using step = compile((p: TransformerParams, c: DecodeCache, t: np.Array, at: np.Array) =>
      decode(p, c, t, at, config),
    );
    let cache = initCache(config, 1, length);
    const parts: number[] = [];
    for (const [from, to] of [
      [0, length - 5],
      [length - 5, length - 4],
      [length - 4, length],
    ] as const) {
      const start = np.array(from).astype(np.int32);
      const result =
        from === 0
          ? decode(params(), cache, tokens(from, to), start, config)
          : await step(params(), cache, tokens(from, to), start);
      cache = result.cache;
      parts.push(...result.logits.dataSync());
    }
    tree.dispose(cache);
    assertClose(parts, whole, 2e-5, "with a cache");
    // One layer without positions sees its past as a bag of tokens.
    const near = [...ids];
    [near[length - 2], near[length - 3]] = [ids[length - 3]!, ids[length - 2]!];
    assert.notDeepEqual(near, ids);
    const other = transformer(params(), np.array([near]).astype(np.int32), config).dataSync();
    const moved = Math.max(...other.slice(-7).map((value, i) => Math.abs(value - whole.at(i - 7)!)));
    assert.ok(position === "none" ? moved < 2e-5 : moved > 1e-3, `moved by ${moved}`);
    if (position !== "learned") return;
    const long = np.zeros([1, length + 1], { dtype: np.int32 });
    const owned = params();
    assert.throws(() => transformer(owned, long, config), /41 tokens: expected at most maxLength 40/);
    assert.equal(long.refCount, 1);
    long.dispose();
    tree.dispose(owned);
  });
}

test("the observed states are the embeddings and what each block makes of them; the last one gives the logits", () => {
  const config = resolveTransformerConfig({
    vocabSize: 11,
    numLayers: 2,
    modelDim: 8,
    numHeads: 2,
    position: "none",
  });
  const params = initTransformer(random.key(4), config);
  const tokens = np.array([[3, 1, 4, 1, 5]], { dtype: np.int32 });
  const states: np.Array[] = [];
  const logits = transformer(tree.ref(params) as TransformerParams, tokens.ref, config, undefined, (state) =>
    states.push(state.ref),
  );
  assert.equal(states.length, 3);
  const [embedded, middle, last] = states as [np.Array, np.Array, np.Array];
  assert.deepEqual(embedded.js(), params.embedding.ref.slice(tokens).js());
  const [own, final] = [middle.dataSync(), last.ref.dataSync()];
  assert.ok(own.some((value, i) => value !== final[i]));
  const expected = linear(norm(last, params.norm!, config.normEps), params.head!);
  assert.deepEqual(logits.js(), expected.js());
  tree.dispose([params.embedding, params.blocks]);
});

test("cross-entropy is the float64 formula, also under a mask and for large logits", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.double({ min: -80, max: 80, noNaN: true }), { minLength: 5, maxLength: 5 }), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.infiniteStream(fc.nat({ max: 4 })),
      fc.infiniteStream(fc.boolean()),
      (rows, targetStream, maskStream) => {
        const targets = rows.map(() => targetStream.next().value as number);
        const mask = rows.map(() => maskStream.next().value as boolean);
        const exact = rows.map((row, i) => {
          const single = row.map(Math.fround);
          const top = Math.max(...single);
          return top + Math.log(single.reduce((sum, v) => sum + Math.exp(v - top), 0)) - single[targets[i]!]!;
        });
        const logits = () => np.array(rows);
        const mean = exact.reduce((a, b) => a + b, 0) / rows.length;
        assertClose(
          [crossEntropy(logits(), np.array(targets).astype(np.int32)).item()],
          [mean],
          2e-5,
          "mean",
        );
        const counted = exact.filter((_, i) => mask[i]);
        const masked = counted.length === 0 ? 0 : counted.reduce((a, b) => a + b, 0) / counted.length;
        const result = crossEntropy(logits(), np.array(targets).astype(np.int32), np.array(mask));
        assertClose([result.item()], [masked], 2e-5, "masked mean");
      },
    ),
    { seed: 2, numRuns: 30 },
  );
});

test("parameter counts are those of the parameters, and FLOPs six times the matrices plus attention", () => {
  for (const item of reference.cases) {
    const config = resolveTransformerConfig(item.config);
    const params = initTransformer(random.key(0), config);
    const sizes = (tree.leaves(params) as unknown as np.Array[]).map((leaf) => leaf.size);
    assert.equal(
      countParameters(config).total,
      sizes.reduce((a, b) => a + b, 0),
    );
    tree.dispose(params);
  }
  const config = resolveTransformerConfig({
    vocabSize: 10,
    numLayers: 3,
    modelDim: 8,
    numHeads: 2,
    qkNorm: false,
  });
  const matrices = 3 * (4 * 64 + 2 * 8 * 32) + 80;
  assert.equal(flopsPerToken(config, 5), 6 * matrices + 12 * 3 * 5 * 8);
});

test("initial parameters have the standard deviations of the rule and repeat for a key", () => {
  const config = resolveTransformerConfig({
    vocabSize: 64,
    numLayers: 8,
    modelDim: 64,
    numHeads: 2,
    initStd: 0.05,
  });
  const [a, b] = [0, 0].map(() => initTransformer(random.key(3), config)) as [
    TransformerParams,
    TransformerParams,
  ];
  const std = (x: np.Array) => Math.sqrt(np.mean(x.ref.mul(x)).item());
  const up = a.blocks[2]!.mlp.up.js();
  assert.deepEqual(up, b.blocks[2]!.mlp.up.js());
  assertClose(
    [std(a.embedding), std(a.blocks[0]!.mlp.down), std(a.blocks[1]!.attention.wo)],
    [0.05, 0.0125, 0.0125],
    2e-3,
    "std",
  );
});

test("impossible configurations and inputs are named, and inputs survive", () => {
  const base = { vocabSize: 8, numLayers: 1, modelDim: 12, numHeads: 4 };
  const refuses = (options: Partial<TransformerOptions>, message: RegExp) =>
    assert.throws(
      () => resolveTransformerConfig({ ...base, ...options }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        return true;
      },
    );
  refuses({}, /headDim 3: expected a positive even integer/);
  refuses({ numHeads: 5 }, /modelDim 12: expected a multiple of numHeads 5/);
  refuses({ headDim: 4, numKvHeads: 3 }, /numKvHeads 3: expected a divisor of numHeads 4/);
  refuses({ headDim: 4, numLayers: 0 }, /numLayers 0/);
  refuses({ headDim: 4, ropeBase: 1 }, /ropeBase 1/);
  refuses({ headDim: 4, rotaryDim: 6 }, /rotaryDim 6: expected a positive even integer up to headDim 4/);
  refuses({ headDim: 4, ropeScaling: { kind: "ntk", factor: -1 } }, /rope scaling: factor -1: expected/);
  refuses({ headDim: 4, position: "absolute" as never }, /position "absolute": expected rope, none, alibi/);
  refuses({ modelDim: 13, headDim: 4, position: "sinusoidal" }, /modelDim 13: expected an even size/);
  const even = { headDim: 4, numLayers: 2 };
  refuses({ ...even, mlp: "glu" as never }, /mlp "glu": expected gelu, gelu-tanh, swiglu/);
  refuses({ ...even, normGain: "two" as never }, /normGain "two": expected weight, zero-centered, none/);
  refuses({ ...even, attentionSoftcap: 0 }, /attentionSoftcap 0: expected a positive number/);
  refuses({ ...even, embeddingScale: Number.NaN }, /embeddingScale NaN: expected a positive number/);
  refuses({ ...even, qkNorm: false, qkNormOver: "projection" }, /qkNormOver "projection": has no effect/);
  refuses(
    { ...even, parallelBlock: true, normPlacement: "sandwich" },
    /parallelBlock: expected normPlacement/,
  );
  refuses({ ...even, slidingWindow: 0 }, /slidingWindow 0: expected a positive integer/);
  refuses({ ...even, slidingLayers: [0] }, /slidingLayers: has no effect without slidingWindow/);
  refuses({ ...even, slidingRopeBase: 100 }, /slidingRopeBase: has no effect without slidingWindow/);
  refuses({ ...even, slidingWindow: 2, slidingLayers: [2] }, /slidingLayers 2: expected layers from 0 to 1/);
  refuses({ ...even, nopeLayers: [1, 1] }, /nopeLayers 1: expected layers from 0 to 1, each once/);
  refuses({ ...even, position: "alibi", nopeLayers: [1] }, /nopeLayers: has no effect with position "alibi"/);
  assert.throws(
    () => resolveMultimodalConfig({ ...base, headDim: 4, logitSoftcap: 15 }),
    /logitSoftcap 15: expected none for text with images/,
  );
  const config = resolveTransformerConfig({ ...base, headDim: 4, maxLength: 4, position: "learned" });
  assert.throws(() => initCache(config, 1, 5), ShapeError);
  const params = initTransformer(random.key(0), config);
  const tokens = np.zeros([1, 5], { dtype: np.int32 });
  assert.throws(() => transformer(params, tokens, config), ShapeError);
  assert.equal(tokens.refCount, 1);
  tokens.dispose();
  tree.dispose(params);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import {
  applyRotary,
  batchPositions,
  generatedPositions,
  type Layout,
  layoutTokens,
  modelDocument,
  modelLayout,
  type PositionModel,
  parseDocument,
  positionModels,
  rotaryTables,
  type Segment,
} from "../position/index.ts";
import { documentOf, type MixedDocument, multimodalBatch } from "./multimodalBatch.ts";
import { type MultimodalConfig, resolveMultimodalConfig } from "./multimodalConfig.ts";
import { initMultimodalCache, multimodalDecode } from "./multimodalDecode.ts";
import { initMultimodalTransformer, multimodalTransformer } from "./multimodalTransformer.ts";
import { publishedPositions } from "./publishedPositions.ts";

const patchDim = 3;
const decoders = Object.entries(positionModels as Record<string, PositionModel>).filter(
  ([, { part }]) => part === "decoder",
);

/** What each row has a rule for: images, and videos longer than wide where it takes them. */
function words(name: string, { rule, spatialMergeSize: m }: PositionModel): string {
  const image = `image:${2 * m}x${m}`;
  if (rule.kind === "xdrope" || name === "glm_image") return `text:2 ${image} text:3`;
  const frames = name === "ernie4_5_vl_moe" ? 10 : 5;
  return `text:2 ${image} text:2 video:${frames}x${m}x${m}@1.5 text:2`;
}

/** Tokens by number, patches without a pattern. */
function mixed(layout: Layout, segments: readonly Segment[]): MixedDocument {
  return segments.map((segment, s) => {
    if (segment.kind === "text") {
      return { tokens: Array.from({ length: segment.length }, (_, n) => (n + s) % 5) };
    }
    const count = layoutTokens(layout, segment) * patchDim;
    return {
      segment,
      patches: Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * (i + 1) ** 2 + s)),
    };
  });
}

function configOf(name: string): MultimodalConfig {
  return resolveMultimodalConfig({
    vocabSize: 7,
    numLayers: 2,
    modelDim: 16,
    numHeads: 1,
    mlpDim: 16,
    initStd: 0.3,
    ...publishedPositions(name, { numLayers: 2 }),
    patch: { dim: patchDim, token: 6 },
  });
}

const ref = <T>(root: T): T => tree.ref(root) as T;
const place = (n: number) => np.array(n).astype(np.int32);

for (const [name, row] of decoders) {
  test(`${name}: a model generates token by token at the places of the model's own code`, () => {
    const layout = modelLayout(name);
    const config = configOf(name);
    const segments = modelDocument(name, parseDocument(words(name, row)));
    const prompt = mixed(layout, segments);
    const params = initMultimodalTransformer(random.key(1), config);
    const generated = [3, 1, 4];
    const { weights, ...inputs } = multimodalBatch(layout, [[prompt]], config);
    weights.dispose();
    const length = inputs.tokens.shape[1]!;
    const { cursors } = batchPositions(layout, [documentOf(prompt)]);
    const images = name === "glm_image" ? [{ height: 1, width: 2 }] : [];
    const { values, numAxes } = generatedPositions(layout, cursors[0]!, generated.length, images);

    // The whole at once, with the positions of what is made behind those of the prompt.
    const whole = {
      tokens: np.concatenate([inputs.tokens.ref, np.array([generated]).astype(np.int32)], 1),
      positions: np.concatenate(
        [
          inputs.positions.ref,
          np.array(Float32Array.from(values), { shape: [1, generated.length, numAxes] }),
        ],
        1,
      ),
      patches: np.concatenate([inputs.patches!.ref, np.zeros([1, generated.length, patchDim])], 1),
    };
    const expected = multimodalTransformer(ref(params), whole, config).logits.js() as number[][][];

    let { cache, outputs } = multimodalDecode(
      ref(params),
      initMultimodalCache(config, 1, length + generated.length),
      inputs,
      place(0),
      config,
    );
    const found = (outputs.logits.js() as number[][][])[0]!;
    generated.forEach((token, n) => {
      const next = {
        tokens: np.array([[token]]).astype(np.int32),
        positions: np.array(Float32Array.from(values.subarray(n * numAxes, (n + 1) * numAxes)), {
          shape: [1, 1, numAxes],
        }),
        patches: np.zeros([1, 1, patchDim]),
      };
      ({ cache, outputs } = multimodalDecode(ref(params), cache, next, place(length + n), config));
      found.push((outputs.logits.js() as number[][][])[0]![0]!);
    });
    tree.dispose(cache);
    tree.dispose(params);
    found.forEach((logits, n) => {
      logits.forEach((value, i) => {
        const wanted = expected[0]![n]![i]!;
        assert.ok(
          Math.abs(value - wanted) <= 1e-4 * (1 + Math.abs(wanted)),
          `place ${n}: ${value} for ${wanted}`,
        );
      });
    });
  });
}

test("layers of different kinds turn differently, and one without rotation not at all", () => {
  const options = {
    vocabSize: 7,
    numLayers: 2,
    modelDim: 16,
    numHeads: 1,
    patch: { dim: patchDim, token: 6 },
  };
  const kinds = ["sliding_attention", "full_attention"];
  const config = resolveMultimodalConfig({
    ...options,
    ...publishedPositions("cohere_compass", { numLayers: 2, layerKinds: kinds }),
  });
  assert.deepEqual(
    config.layerRotary!.map((own) => own === null),
    [false, true],
  );
  const layout = modelLayout("cohere_compass");
  const prompt = mixed(layout, modelDocument("cohere_compass", parseDocument("text:2 image:4x4 text:2")));
  const heads = (own: MultimodalConfig) => {
    const seen: { q: number[]; shape: number[] }[] = [];
    const params = initMultimodalTransformer(random.key(2), own);
    const { weights, ...inputs } = multimodalBatch(layout, [[prompt]], own);
    weights.dispose();
    const outputs = multimodalTransformer(params, inputs, own, ({ q }) => {
      seen.push({ q: [...q.ref.dataSync()], shape: [...q.shape] });
    });
    outputs.logits.dispose();
    return seen;
  };
  const [turned, still] = [heads(config), heads({ ...config, layerRotary: [null, null] })];
  const { values } = batchPositions(layout, [documentOf(prompt)]);
  const tables = rotaryTables({ values, numAxes: 3 }, 128, config.layerRotary![0]!);
  const expected = applyRotary(np.array(Float32Array.from(still[0]!.q), { shape: still[0]!.shape }), tables);
  const own = expected.dataSync();
  turned[0]!.q.forEach((value, i) => {
    assert.ok(Math.abs(value - own[i]!) <= 1e-5, `${value} for ${own[i]}`);
  });
  assert.notDeepEqual(turned[0]!.q, still[0]!.q);
});

test("kinds of layers that don't fit are named", () => {
  assert.throws(() => publishedPositions("qwen3_5", { numLayers: 3, layerKinds: ["full_attention"] }), {
    name: "ConfigError",
    message: "model qwen3_5: 1 kinds of layers, expected 3",
  });
  assert.throws(() => publishedPositions("qwen3_5", { numLayers: 1, layerKinds: ["sliding"] }), {
    message: 'model qwen3_5: layer kind "sliding": expected full_attention, linear_attention',
  });
  assert.throws(() => publishedPositions("qwen3_vl", { numLayers: 1, sections: [24, 20, 10] }), {
    message: "interleaved sections 24,20,10: expected 3 numbers, one per axis, that add up to 64",
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { toEngine } from "../compile/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { initTransformer, resolveTransformerConfig, transformer } from "../nn/index.ts";
import { CodeSampler } from "./codeSampler.ts";
import { codesToTokens, codeVocabSize, startToken } from "./codeTokens.ts";

const vocabulary = { codebookSizes: [5, 3], numClasses: 2 };
const model = resolveTransformerConfig({
  vocabSize: codeVocabSize(vocabulary),
  numLayers: 2,
  modelDim: 16,
  numHeads: 2,
  maxLength: 12,
  // Large, so that logits differ.
  initStd: 1.5,
});

test("codes become tokens with ids of their own", () => {
  assert.equal(codeVocabSize(vocabulary), 10);
  assert.equal(codeVocabSize({ ...vocabulary, numClasses: 0 }), 9);
  assert.deepEqual([...codesToTokens(vocabulary, Int32Array.of(4, 0, 1, 2), 1)], [9, 4, 5, 1, 7]);
  assert.equal(startToken({ ...vocabulary, numClasses: 0 }, null), 8);
  for (const label of [2, -1, 0.5, null]) assert.throws(() => startToken(vocabulary, label), DataError);
  assert.throws(
    () => startToken({ ...vocabulary, numClasses: 0 }, 0),
    /class 0: the model was trained without classes/,
  );
});

test("the likeliest codes are those of the whole model, of the codebook whose turn it is", async () => {
  const params = initTransformer(random.key(1), model);
  const sampler = new CodeSampler(model, vocabulary, 12, { threads: 1 });
  const engine = await toEngine(tree.ref(params));
  const classes = [0, 1, 1];
  const codes = await sampler.sample(engine, { classes, seed: 0, temperature: 0 });
  assert.equal(codes.length, 36);
  for (const [image, label] of classes.entries()) {
    const own = codes.slice(12 * image, 12 * image + 12);
    const tokens = codesToTokens(vocabulary, own, label).subarray(0, 12);
    const logits = transformer(
      tree.ref(params),
      np.array(Int32Array.from(tokens), { shape: [1, 12] }),
      model,
    ).dataSync();
    own.forEach((code, place) => {
      const [offset, size] = place % 2 === 0 ? [0, 5] : [5, 3];
      const allowed = [...logits.subarray(place * 10 + offset, place * 10 + offset + size)];
      assert.equal(code, allowed.indexOf(Math.max(...allowed)), `image ${image}, place ${place}`);
    });
  }
  assert.notDeepEqual(codes.slice(0, 12), codes.slice(12, 24));
  assert.deepEqual(codes.slice(12, 24), codes.slice(24));
  tree.dispose(params);
  await sampler.dispose();
});

test("an image is decided by seed, number and class, whatever is drawn beside it", async () => {
  const params = await toEngine(initTransformer(random.key(1), model));
  const sampler = new CodeSampler(model, vocabulary, 12, { threads: 1 });
  const classes = Array.from({ length: 70 }, (_, i) => i % 2);
  const many = await sampler.sample(params, { classes, seed: 3 });
  const few = await sampler.sample(params, { classes: classes.slice(0, 5), seed: 3 });
  // Batches of 64 and 5: probabilities may differ in their last bits, which draws of 60 codes don't meet here.
  assert.deepEqual(few, many.slice(0, 60));
  assert.notDeepEqual(await sampler.sample(params, { classes: classes.slice(0, 5), seed: 4 }), few);
  assert.ok(many.every((code, i) => code >= 0 && code < (i % 2 === 0 ? 5 : 3)));
  // Past the first batch images go on being drawn: the last ones aren't zeros, nor all alike.
  assert.ok(new Set(many.slice(64 * 12)).size > 1);
  const cold = await sampler.sample(params, { classes: [0], seed: 3, topK: 1 });
  assert.deepEqual(cold, await sampler.sample(params, { classes: [0], seed: 9, temperature: 0 }));
  await assert.rejects(sampler.sample(params, { classes: [2], seed: 0 }), DataError);
  await assert.rejects(sampler.sample(params, { classes: [0], seed: 0, temperature: -1 }), ConfigError);
  await sampler.dispose();
});

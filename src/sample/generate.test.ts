import assert from "node:assert/strict";
import test from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { toEngine } from "../compile/index.ts";
import { byteTokenizer } from "../data/index.ts";
import { initTransformer, resolveTransformerConfig, transformer } from "../nn/index.ts";
import { Generator } from "./generate.ts";

test("a long prompt goes through the model in blocks, and is continued as the whole sequence at once says", async () => {
  const tokenizer = byteTokenizer();
  const config = resolveTransformerConfig({
    vocabSize: tokenizer.vocabSize,
    numLayers: 2,
    modelDim: 16,
    numHeads: 2,
    maxLength: 96,
    initStd: 0.5,
  });
  const params = initTransformer(random.key(3), config);
  // Two blocks, and some tokens beside them.
  const prompt = "The sea was calm, and the ship lay at anchor: nobody spoke a word till noon.";
  const ids = tokenizer.encode(prompt);
  assert.equal(ids.length, 76);
  const likeliest = async (sequence: readonly number[]) => {
    const tokens = np.array([[...sequence]], { dtype: np.int32 });
    const logits = transformer(tree.ref(params), tokens, config).slice(0, sequence.length - 1);
    const values = (await logits.data()) as Float32Array;
    return values.indexOf(Math.max(...values));
  };
  const expected: number[] = [];
  while (expected.length < 6) expected.push(await likeliest([...ids, ...expected]));
  const generator = new Generator(config, tokenizer, { threads: 1 });
  const made = await generator.text(await toEngine(params), {
    prompt,
    numTokens: 6,
    seed: 0,
    temperature: 0,
  });
  await generator.dispose();
  assert.equal(made, Buffer.from(expected).toString("utf8"));
});

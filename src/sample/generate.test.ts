import assert from "node:assert/strict";
import test from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { toEngine } from "../compile/index.ts";
import { byteTokenizer } from "../data/index.ts";
import { initTransformer, resolveTransformerConfig, transformer } from "../nn/index.ts";
import { Generator } from "./generate.ts";

// Blocks of 32 and of 128 tokens that don't fit: the last of them begins inside of the one before.
for (const repeats of [1, 2])
  test(`a prompt of ${76 * repeats} tokens goes through the model in blocks, and is continued as the whole sequence at once says`, async () => {
    const tokenizer = byteTokenizer();
    const config = resolveTransformerConfig({
      vocabSize: tokenizer.vocabSize,
      numLayers: 2,
      modelDim: 16,
      numHeads: 2,
      maxLength: 96 * repeats,
      initStd: 0.5,
    });
    const params = initTransformer(random.key(3), config);
    const prompt = "The sea was calm, and the ship lay at anchor: nobody spoke a word till noon.".repeat(
      repeats,
    );
    const ids = tokenizer.encode(prompt);
    assert.equal(ids.length, 76 * repeats);
    const whole = async (sequence: readonly number[]) => {
      const tokens = np.array([[...sequence]], { dtype: np.int32 });
      const logits = transformer(tree.ref(params), tokens, config).slice(0, sequence.length - 1);
      return (await logits.data()) as Float32Array;
    };
    const expected: number[] = [];
    const logitsOf: Float32Array[] = [];
    while (expected.length < 6) {
      const values = await whole([...ids, ...expected]);
      logitsOf.push(values);
      expected.push(values.indexOf(Math.max(...values)));
    }
    const stored = await toEngine(params);
    const generator = new Generator(config, tokenizer, { threads: 1 });
    const made = await generator.text(stored, {
      prompt,
      numTokens: 6,
      seed: 0,
      temperature: 0,
    });
    // Each with the logits that it was drawn from: the likeliest, at temperature 0.
    const draws = generator.draws(stored, { ids, numTokens: 2, seed: 0, temperature: 0 });
    for (const place of [0, 1]) {
      const { token, logits } = (await draws.next()).value!;
      assert.equal(token, expected[place]);
      // Sums in float32, in another order.
      assert.ok(logitsOf[place]!.every((value, id) => Math.abs(value - logits[id]!) < 1e-3));
    }
    assert.equal((await draws.next()).done, true);
    await generator.dispose();
    assert.equal(made, Buffer.from(expected).toString("utf8"));
  });

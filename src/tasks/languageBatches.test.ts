import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import type { EngineArray, EngineTree } from "../compile/index.ts";
import { parseLanguageConfig, resolveModel } from "../config/index.ts";
import { byteTokenizer, openExampleDataset } from "../data/index.ts";
import { initTransformer, transformerMaxLogits } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import { exampleNoise, exampleSteps } from "./languageBatches.ts";

const arrays = (batch: EngineTree<Tree>): Record<string, np.Array> =>
  Object.fromEntries(
    Object.entries(batch as unknown as Record<string, EngineArray>).map(([name, { data, shape }]) => [
      name,
      np.array(data as Float32Array<ArrayBuffer>, {
        shape: [...shape],
        dtype: data instanceof Int32Array ? np.int32 : np.float32,
      }),
    ]),
  );

test("of packed rows, largest logits are those of the documents alone, and the noise scale's two losses are the step's", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-batches-"));
  try {
    const source = path.join(folder, "pairs.jsonl");
    const pairs = Array.from({ length: 30 }, (_, i) => ({
      prompt: `${i}?`,
      completion: "xyz".slice(0, 1 + (i % 3)),
    }));
    writeFileSync(source, pairs.map((pair) => JSON.stringify(pair)).join("\n"));
    const config = parseLanguageConfig({
      model: { numLayers: 2, modelDim: 16, numHeads: 2, maxLength: 32, initStd: 0.5, qkNorm: false },
      data: { source, examples: "prompt-completion" },
      optimizer: { kind: "adamw" },
      // Rows of 17 places end with padding.
      training: { steps: 1, batchSize: 4, length: 17 },
    });
    using data = await openExampleDataset({
      source,
      examples: "prompt-completion",
      tokenizer: byteTokenizer(),
      template: null,
      length: 17,
      validationFraction: 0.1,
      seed: 0,
      cacheDirectory: folder,
    });
    const model = resolveModel(config, byteTokenizer().vocabSize);
    const params = initTransformer(random.key(3), model);
    const steps = exampleSteps(model, data, config.training);
    const batch = arrays(steps.batch(0) as EngineTree<Tree>);
    const { inputs, segments } = batch as { inputs: np.Array; segments: np.Array };
    const [ids, documents] = [inputs.ref, segments.ref].map((array) => Array.from(array.dataSync()));
    const { loss, observed } = steps.loss(tree.ref(params), {} as never, batch as never, "maxLogits") as {
      loss: np.Array;
      observed: { maxLogits: np.Array };
    };
    const expected = new Array<number>(4).fill(Number.NEGATIVE_INFINITY);
    let numDocuments = 0;
    for (let at = 0; at < ids!.length; ) {
      let end = at + 1;
      while (end % 17 !== 0 && documents![end] === documents![at]) end++;
      if (documents![at] !== 0) {
        numDocuments++;
        const alone = np.array([ids!.slice(at, end)], { dtype: np.int32 });
        transformerMaxLogits(tree.ref(params), alone, model)
          .dataSync()
          .forEach((value, i) => {
            expected[i] = Math.max(expected[i]!, value);
          });
      }
      at = end;
    }
    assert.ok(numDocuments > 4 && documents!.includes(0), "rows of several documents, with padding");
    const found = observed.maxLogits.dataSync();
    // In float32, by two ways through the same model.
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs(found[i]! - value) < 1e-4 * (1 + Math.abs(value)), `${i}: ${found[i]}, ${value}`);

    const noise = exampleNoise(model, data, config.training);
    assert.equal(noise.size, 2);
    const losses = noise
      .pair(0)
      .map((half) => noise.loss(tree.ref(params), arrays(half) as never).dataSync()[0]!);
    const step = loss.dataSync()[0]!;
    assert.ok(Math.abs((losses[0]! + losses[1]!) / 2 - step) < 1e-4 * step);
    assert.notEqual(losses[0], losses[1]);
    tree.dispose(params);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

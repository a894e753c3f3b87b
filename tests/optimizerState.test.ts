import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readSafetensors, type StoredTensor } from "../src/checkpoint/index.ts";
import { BatchSampler, openTokenDataset } from "../src/data/index.ts";
import { exportHuggingFace, importRun, optimizerFile } from "../src/exchange/index.ts";
import { tokenizerPath } from "../src/exchange/testing/modelFolder.ts";
import { RunStore } from "../src/runs/index.ts";
import { continuedConfig, trainRun } from "../src/train/index.ts";

const references = fileURLToPath(new URL("../src/exchange/testing/optimizers", import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "rotor-pytorch-"));
after(() => rmSync(home, { recursive: true }));

interface Expected {
  readonly begun: number;
  readonly batch: number;
  readonly length: number;
  readonly batches: readonly (readonly number[])[];
  /** Losses of going on in PyTorch, by the element type of Newton–Schulz iterations. */
  readonly losses: Readonly<Record<string, readonly number[]>>;
  /** Those after as many steps in Rotor. */
  readonly lossesBack: Readonly<Record<string, readonly number[]>>;
}

/** Relative differences of losses: sums in other orders, and what forty steps make of them. 2e-7 and 4e-5 were seen. */
const bounds: Readonly<Record<string, number>> = { float32: 2e-5, bfloat16: 1e-3 };

for (const name of ["adamw", "muon"])
  test(`what PyTorch's ${name} began goes on here with the same losses, and there again after as many steps`, async () => {
    const folder = path.join(home, name);
    cpSync(path.join(references, name), folder, { recursive: true });
    cpSync(tokenizerPath, path.join(folder, "tokenizer.json"));
    const expected = JSON.parse(readFileSync(path.join(folder, "expected.json"), "utf8")) as Expected;
    const { begun, batch, length, batches } = expected;
    const source = path.join(references, "text.txt");
    {
      const cacheDirectory = path.join(home, "cache");
      const options = { source, tokenizer: tokenizerPath, validationFraction: 0.05, seed: 0 };
      using data = await openTokenDataset({ ...options, cacheDirectory });
      const sampler = new BatchSampler({ source: data.train, batchSize: batch, length, seed: 0 });
      const own = batches.map((_, i) => [...sampler.batch(begun + i)]);
      assert.deepEqual(own, batches, "these aren't the batches that PyTorch saw");
    }

    const state = path.join(folder, optimizerFile);
    const { run, step } = importRun(folder, { home, name, optimizer: state });
    assert.equal(step, begun);
    // It goes out as it came.
    const out = path.join(home, `${name}-out`);
    await exportHuggingFace(run.id, out, { home, optimizer: true });
    const before = readSafetensors(state).tensors;
    const again = readSafetensors(path.join(out, optimizerFile)).tensors;
    assert.deepEqual([...again.keys()].sort(), [...before.keys()].sort());
    for (const [own, tensor] of before) checkEqual(own, again.get(own)!, tensor);

    const overrides = {
      "data.source": source,
      "training.batchSize": batch,
      "training.length": length,
      "training.evalBatches": 1,
      "training.sampleTokens": 0,
      "training.threads": 1,
    };
    const config = continuedConfig({ run: run.id, steps: batches.length, overrides, home });
    const { run: more } = await trainRun({ config, home });
    using store = new RunStore(home, { readOnly: true });
    const losses = store.metric(more.id, "loss").map(({ value }) => value);
    for (const [type, there] of Object.entries(expected.losses)) {
      const both = [...there, ...expected.lossesBack[type]!];
      assert.equal(losses.length, both.length);
      const largest = Math.max(...both.map((loss, i) => Math.abs(losses[i]! - loss) / loss));
      assert.ok(largest < bounds[type]!, `${type}: losses differ by ${largest}`);
    }
  });

/** Muon's momentum is multiplied and divided again: by a rounding each. */
function checkEqual(name: string, found: StoredTensor, expected: StoredTensor): void {
  assert.deepEqual(found.shape, expected.shape, name);
  for (const [i, value] of (expected.data as Float32Array).entries()) {
    const difference = Math.abs((found.data[i] as number) - value);
    const most = name.endsWith("momentum_buffer") ? 2 ** -22 * Math.abs(value) : 0;
    assert.ok(difference <= most, `${name}[${i}]: ${found.data[i]} instead of ${value}`);
  }
}

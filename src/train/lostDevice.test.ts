import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { DeviceLostError } from "../compile/index.ts";
import { OnnxLibrary } from "../compile/runtime/onnxLibrary.ts";
import { whyNoGpu } from "../compile/testing/gpu.ts";
import { parseConfig } from "../config/index.ts";
import { RunStore } from "../runs/index.ts";
import { trainRun } from "./index.ts";

test("a run that loses its device is interrupted, says its last checkpoint, and goes on elsewhere", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-lost-"));
  const { run } = OnnxLibrary.prototype;
  try {
    const source = path.join(folder, "text.txt");
    writeFileSync(source, "the whale and the sea. ".repeat(200));
    const home = path.join(folder, ".rotor");
    const config = parseConfig({
      model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 16 },
      data: { source, tokenizer: "bytes" },
      optimizer: { kind: "sgd", learningRate: 0.1 },
      training: { steps: 6, batchSize: 1, length: 8, checkpointEvery: 2, evalEvery: 0, sampleTokens: 0 },
    });
    // As the runtime says it, at the step after the second checkpoint.
    const lose = () => {
      OnnxLibrary.prototype.run = () => {
        throw new Error("[Device] is lost.\n - While calling [Queue].Submit");
      };
    };
    const reporter = { checkpoint: (step: number) => step === 4 && lose() };
    await assert.rejects(
      trainRun({ config, home, device: "gpu", reporter }),
      (error) =>
        error instanceof DeviceLostError &&
        /^run \S+: is interrupted: device "gpu": is lost.*; its last checkpoint, of step 4, can be resumed/.test(
          error.message,
        ) &&
        !error.message.includes("\n"),
    );
    OnnxLibrary.prototype.run = run;
    {
      using store = new RunStore(home, { readOnly: true });
      const { status, message } = store.getRun("latest");
      assert.equal(status, "interrupted");
      assert.match(message!, /is lost/);
    }
    const resumed = await trainRun({ resume: "latest", home, device: "cpu" });
    assert.equal(resumed.status, "finished");
    assert.equal(resumed.step, 6);
  } finally {
    OnnxLibrary.prototype.run = run;
    rmSync(folder, { recursive: true, force: true });
  }
});

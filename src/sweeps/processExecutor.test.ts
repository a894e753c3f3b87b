import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { onnxLibrary } from "../compile/runtime/onnxLibrary.ts";
import { parseConfig } from "../config/index.ts";
import { ProcessExecutor } from "./processExecutor.ts";
import type { Claim } from "./trialStore.ts";

test("a process whose device is lost gives its trial back, and the next attempt has a new one", async (t) => {
  if (onnxLibrary() === null) return t.skip("the shared library of ONNX Runtime can't be called here");
  const home = mkdtempSync(path.join(tmpdir(), "rotor-executor-"));
  const options = process.env.NODE_OPTIONS;
  try {
    const source = path.join(home, "text.txt");
    writeFileSync(source, "the whale and the sea. ".repeat(200));
    // The first process loses its device with its first step; that device is the CPU, as any machine has one.
    const at = (file: string) => JSON.stringify(new URL(`../compile/${file}`, import.meta.url));
    const hook = path.join(home, "loseFirst.mjs");
    const mark = JSON.stringify(path.join(home, "lost"));
    writeFileSync(
      hook,
      `import { existsSync, writeFileSync } from "node:fs";
       import { DeviceLostError } from ${at("errors.ts")};
       import { OnnxLibrary } from ${at("runtime/onnxLibrary.ts")};
       if (!existsSync(${mark})) {
         writeFileSync(${mark}, "");
         OnnxLibrary.prototype.run = () => { throw new DeviceLostError("device: is lost"); };
       }`,
    );
    process.env.NODE_OPTIONS = `--import ${pathToFileURL(hook)}`;
    const config = parseConfig({
      model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 16 },
      data: { source, tokenizer: "bytes" },
      optimizer: { kind: "sgd", learningRate: 0.1 },
      training: { steps: 2, batchSize: 1, length: 8, evalBatches: 1, sampleTokens: 0 },
    });
    const claim = { trial: { id: "t-1", config }, definition: { earlyStop: null }, fence: 1 };
    await using executor = new ProcessExecutor({ home, threads: 1, device: "cpu", shared: null });
    const attempt = () => executor.run(claim as unknown as Claim, () => {}, new AbortController().signal);
    const first = await attempt();
    assert.ok(first.kind === "broken" && first.isSpent, JSON.stringify(first));
    assert.match(first.message, /^run \S+: is interrupted: device: is lost; [^\n]+$/);
    const second = await attempt();
    assert.ok(second.kind === "outcome", JSON.stringify(second));
    assert.equal(second.outcome.status, "finished");
  } finally {
    if (options === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = options;
    rmSync(home, { recursive: true, force: true });
  }
});

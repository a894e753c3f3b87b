import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { whyNoGpu } from "../src/compile/testing/gpu.ts";
import { loadConfig } from "../src/config/index.ts";
import { RunStore } from "../src/runs/index.ts";
import { trainRun } from "../src/train/index.ts";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

const steps = 4;
const overrides = [`training.steps=${steps}`, "training.logEvery=1", "training.checkpointEvery=2"];

describe("the command on a GPU", () => {
  let reason: string | null = null;
  before(async () => {
    reason = await whyNoGpu();
  });

  const losses = (home: string, run: string): number[] => {
    using store = new RunStore(home, { readOnly: true });
    return store.metric(store.getRun(run).id, "loss").map(({ value }) => value);
  };
  const assertNear = (actual: readonly number[], expected: readonly number[]) => {
    assert.equal(actual.length, expected.length);
    for (const [i, value] of actual.entries())
      assert.ok(Math.abs(value - expected[i]!) < 1e-4, `step ${i + 1}: ${value}, expected ${expected[i]}`);
  };

  test("trains, samples, and goes on with checkpoints of the other device", async (t) => {
    if (reason !== null) return t.skip(reason);
    using folder = temporaryFolder();
    const file = writeMicroConfig(folder.path);
    const home = path.join(folder.path, ".rotor");
    const set = [...overrides, `data.source=${path.join(folder.path, "text.txt")}`];
    const config = await loadConfig(file, set);
    const onCpu = await trainRun({ config, home });
    const expected = losses(home, onCpu.run.id);

    // The same on the GPU, through the command.
    const args = set.flatMap((each) => ["--set", each]);
    const trained = await rotor(folder.path, "train", file, ...args, "--device", "gpu", "--name", "gpu");
    assert.equal(trained.code, 0, trained.stderr);
    assertNear(losses(home, "gpu"), expected);

    // Interrupted on one device, continued on the other, both ways. What is stored says nothing of devices.
    for (const [first, second] of [
      ["cpu", "gpu"],
      ["gpu", "cpu"],
    ] as const) {
      const abort = new AbortController();
      const reporter = { step: ({ step }: { step: number }) => step === 2 && abort.abort() };
      const stopped = await trainRun({
        config,
        home,
        device: first,
        signal: abort.signal,
        reporter,
      });
      assert.equal(stopped.status, "interrupted");
      const { id, directory } = stopped.run;
      const resumed = await trainRun({ resume: id, home, device: second });
      assert.equal(resumed.status, "finished");
      assertNear(losses(home, id), expected);
      const sidecar = readFileSync(
        path.join(directory, "checkpoints", `step-${String(steps).padStart(8, "0")}.json`),
        "utf8",
      );
      assert.doesNotMatch(sidecar, /"device"/);
    }

    // A greedy continuation is the same wherever it is computed.
    const sample = (device: string) =>
      rotor(folder.path, "sample", "gpu", "--device", device, "--temperature", "0", "--tokens", "6");
    const [gpu, cpu] = [await sample("gpu"), await sample("cpu")];
    assert.equal(gpu.code, 0, gpu.stderr);
    assert.equal(gpu.stdout, cpu.stdout);
  });

  test("--device auto says what it takes and why, once, and trains and samples there", async () => {
    using folder = temporaryFolder();
    const file = writeMicroConfig(folder.path);
    const source = `data.source=${path.join(folder.path, "text.txt")}`;
    const set = ["--set", "training.steps=2", "--set", source];
    const line = /device auto: (cpu|gpu), as [^\n]+\n/g;
    for (const args of [
      ["train", file, ...set, "--device", "auto"],
      ["sample", "latest", "--device", "auto", "--tokens", "4"],
    ]) {
      const { code, stdout, stderr } = await rotor(folder.path, ...args);
      assert.equal(code, 0, stderr);
      assert.equal(`${stdout}${stderr}`.match(line)?.length, 1, stdout + stderr);
    }
    const resumed = await rotor(folder.path, "sweep", "--resume", "--device", "auto");
    assert.equal(resumed.code, 1);
    assert.match(resumed.stderr, /--resume: continues a sweep as it was begun; expected no file, .*--device/);
  });

  test("rotor devices names the GPU and what it reaches", async (t) => {
    if (reason !== null) return t.skip(reason);
    using folder = temporaryFolder();
    const { code, stdout, stderr } = await rotor(folder.path, "devices", "--json");
    assert.equal(code, 0, stderr);
    const { devices, gpu } = JSON.parse(stdout);
    assert.deepEqual([devices[0].device, devices[1].device], ["cpu", "gpu"]);
    assert.match(devices[1].name, /\w/);
    assert.ok(devices[1].maxBufferBytes >= 2 ** 27, String(devices[1].maxBufferBytes));
    assert.ok(gpu.matmulPeak > 1e6 && devices[0].speed.matmulPeak > 1e8);
  });
});

test("without a driver --device gpu is one line, and nothing is made", async (t) => {
  if (process.platform !== "linux") return t.skip("Vulkan's drivers are named by a variable on Linux");
  using folder = temporaryFolder();
  const file = writeMicroConfig(folder.path);
  const known = process.env.VK_DRIVER_FILES;
  process.env.VK_DRIVER_FILES = path.join(folder.path, "none.json");
  try {
    const { code, stderr } = await rotor(folder.path, "train", file, "--device", "gpu");
    assert.equal(code, 1);
    assert.match(stderr, /^rotor: device "gpu": [^\n]+ install the driver of the card[^\n]*\n$/);
    const usage = await rotor(folder.path, "train", file, "--device", "tpu");
    assert.equal(usage.code, 2);
  } finally {
    if (known === undefined) delete process.env.VK_DRIVER_FILES;
    else process.env.VK_DRIVER_FILES = known;
  }
});

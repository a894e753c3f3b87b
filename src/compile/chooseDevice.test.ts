import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, hardwareAmong, timeStep } from "./chooseDevice.ts";
import { type Adapter, chooseDevice, compile, EngineArray, EngineError } from "./index.ts";
import { whyNoGpu } from "./testing/gpu.ts";

const adapter = (name: string, kind: Adapter["kind"]): Adapter => ({
  name,
  kind,
  driver: "1.0",
  memoryBytes: 2 ** 32,
  maxBufferBytes: 2 ** 30,
  float16: false,
});

test("software adapters are no hardware, and what isn't there is said", () => {
  const none = (found: ReturnType<typeof hardwareAmong>) => ("none" in found ? found.none : "");
  assert.match(none(hardwareAmong(null, "linux")), /the Vulkan loader isn't installed/);
  assert.match(none(hardwareAmong([], "linux")), /Vulkan has no driver/);
  assert.match(
    none(hardwareAmong([adapter("SwiftShader Device (Subzero)", "software")], "linux")),
    /^the only adapter, SwiftShader Device \(Subzero\), is software$/,
  );
  assert.deepEqual(hardwareAmong([adapter("llvmpipe", "software"), adapter("Card A", "discrete")], "win32"), {
    names: ["Card A"],
  });
  assert.ok("names" in hardwareAmong(null, "darwin"));
});

test("the faster device is taken, with its times in one line; one that fails isn't", async () => {
  const times = (gpu: number, cpu: number) => async (device: string) => (device === "gpu" ? gpu : cpu);
  const found = { names: ["Card A"] };
  assert.deepEqual(await decide(found, times(2, 31.25)), {
    device: "gpu",
    reason: "device auto: gpu, as a timed step takes 2.00 ms on Card A and 31.3 ms on the CPU",
  });
  assert.deepEqual(await decide(found, times(40, 4)), {
    device: "cpu",
    reason: "device auto: cpu, as a timed step takes 40.0 ms on Card A and 4.00 ms on the CPU",
  });
  const broken = async (): Promise<number> => {
    throw new EngineError("no driver");
  };
  assert.deepEqual(await decide(found, broken), {
    device: "cpu",
    reason: "device auto: cpu, as Card A can't be used (no driver)",
  });
  // Without hardware nothing is timed.
  assert.deepEqual(await decide({ none: "there is none" }, broken), {
    device: "cpu",
    reason: "device auto: cpu, as there is none",
  });
  await assert.rejects(
    decide(found, async () => {
      throw new TypeError("a fault of ours");
    }),
    TypeError,
  );
});

test("a step is timed on each device", async (t) => {
  assert.ok((await timeStep("cpu", 16)) > 0);
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  assert.ok((await timeStep("gpu", 16)) > 0);
});

test("auto runs functions, on the CPU where the adapter is software", async () => {
  const hasSoftware = (await whyNoGpu()) === null;
  const { device, reason } = await chooseDevice();
  assert.match(reason, new RegExp(`^device auto: ${device}, as [^\\n]+$`));
  if (hasSoftware && process.env.VK_DRIVER_FILES?.includes("swiftshader")) {
    assert.equal(device, "cpu");
    assert.match(reason, /the only adapter, SwiftShader.*, is software/);
  }
  await using twice = compile((x: { mul(y: number): never }) => x.mul(2), {
    device: "auto",
    outputs: "engine",
  });
  const result = (await twice(EngineArray.from(Float32Array.of(1, 2), [2]) as never)) as EngineArray;
  assert.deepEqual(Array.from(await result.load()), [2, 4]);
});

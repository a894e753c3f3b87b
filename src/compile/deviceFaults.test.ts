import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { MemoryError } from "../errors.ts";
import { compile, DeviceLostError, EngineArray, EngineError } from "./index.ts";
import { checkSizes } from "./runtime/checkSizes.ts";
import { deviceFault } from "./runtime/deviceFault.ts";
import { OnnxLibrary } from "./runtime/onnxLibrary.ts";
import { whyNoGpu } from "./testing/gpu.ts";
import { lowerForGpu } from "./testing/loweredForGpu.ts";

/** Lets the runtime say something, as it does when a device fails, in place of its next run. */
function failNextRun(message: string): void {
  const { run } = OnnxLibrary.prototype;
  OnnxLibrary.prototype.run = () => {
    OnnxLibrary.prototype.run = run;
    throw new Error(message);
  };
}

test("what the runtime says of a device that is gone, or full, is told from other errors", () => {
  for (const message of [
    "[Device] is lost.",
    'Failed to run: [Device "WebGPU"] is lost.\n - While calling [Queue].Submit',
    "vkQueueSubmit failed with VK_ERROR_DEVICE_LOST",
    "WebGPU device lost (2): the driver was reset",
    "ID3D12Device::CreateCommittedResource failed with DXGI_ERROR_DEVICE_REMOVED (0x887A0005)",
  ])
    assert.ok(deviceFault(new Error(message)) instanceof DeviceLostError, message);
  for (const message of [
    // As ONNX Runtime 1.30 says it on SwiftShader when a buffer couldn't be made.
    'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error. - While validating entries[2] against { binding: 2 }. - While calling [Device].CreateBindGroup([BindGroupDescriptor ""Add""]).',
    "vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY",
    "ID3D12Device::CreateHeap failed with E_OUTOFMEMORY: out of memory",
  ])
    assert.ok(deviceFault(new Error(message)) instanceof MemoryError, message);
  for (const message of ["[ShapeInferenceError] Mismatch", "the session has been released", "a lost cause"])
    assert.equal(deviceFault(new Error(message)), null, message);
});

describe("a device that fails", () => {
  let reason: string | null = null;
  before(async () => {
    reason = await whyNoGpu();
  });
  const vector = (length: number) => EngineArray.from(new Float32Array(length), [length]);

  test("its errors have classes and one line, and what was on it can't be read", async (t) => {
    if (reason !== null) return t.skip(reason);
    await using twice = compile((x: np.Array) => x.mul(2), { device: "gpu", outputs: "engine" });
    const kept = await twice(vector(4) as never);
    failNextRun("vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY\n - While calling [Device]");
    await assert.rejects(
      twice(vector(4) as never),
      (error) =>
        error instanceof MemoryError &&
        /^device "gpu": is out of memory: a smaller batch.* or use "cpu"$/.test(error.message),
    );
    failNextRun("[Device] is lost.\n - While calling [Queue].Submit");
    await assert.rejects(
      twice(vector(4) as never),
      (error) =>
        error instanceof DeviceLostError &&
        error.code === "ROTOR_DEVICE_LOST" &&
        /^device "gpu": is lost, with what was in its memory \(\[Device\] is lost\.\); begin a new process$/.test(
          error.message,
        ),
    );
    failNextRun("[Device] is lost.");
    assert.throws(() => (kept as unknown as EngineArray).data, DeviceLostError);
  });

  test("an array on the way that is larger than its largest buffer is named, with what makes it", async (t) => {
    if (reason !== null) return t.skip(reason);
    // 40 GB: beyond all devices, and made nowhere.
    const outer = (x: np.Array) => np.exp(x.ref.reshape([-1, 1]).add(x)).sum();
    await using far = compile(outer, { device: "gpu" });
    await assert.rejects(
      far(vector(100_000) as never),
      (error) =>
        error instanceof EngineError &&
        /^device "gpu": float32\[100000,100000\], which "(exp|add)" makes, takes 38147 MiB: expected at most \d+ MiB, the largest buffer of the device; a smaller batch/.test(
          error.message,
        ),
    );
    // A table of 8 million words.
    const shape: [number, number] = [2 ** 23, 1024];
    const table = { dtype: "float32", shape, path: "0.params.embedding" };
    const program = { model: {} as never, aliveBytes: 0, inputs: [table], outputs: [], largest: null };
    assert.throws(
      () => checkSizes(program, 2 ** 30),
      (error) =>
        error instanceof EngineError &&
        error.message ===
          'device "gpu": float32[8388608,1024], argument 0.params.embedding, takes 32768 MiB: expected at most 1024 MiB, the largest buffer of the device; a smaller vocabulary or width takes less, or use "cpu"',
    );
    const params = (p: { readonly params: { readonly w: np.Array } }) => p.params.w.mul(2);
    const small = [{ params: { w: np.zeros([2]) } }] as const;
    const { inputs } = await lowerForGpu(params, small);
    assert.deepEqual(inputs, [{ dtype: "float32", shape: [2], path: "0.params.w" }]);
    small[0].params.w.dispose();
  });
});

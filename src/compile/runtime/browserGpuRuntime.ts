import type { InferenceSession, Tensor } from "#onnxruntime";
import { DeviceBuffer, type Elements, type EngineData } from "../elements.ts";
import { EngineError } from "../errors.ts";
import { sizeOf } from "../view.ts";
import { byteLengthOf, checkSizes } from "./checkSizes.ts";
import { anyPort, copyModel } from "./copyModel.ts";
import { deviceFull, deviceLost } from "./deviceFault.ts";
import { newBuffer } from "./newBuffer.ts";
import { type OnnxPackage, onnxPackage } from "./onnxPackage.ts";
import type { Port, RunnableModel, Runtime, RuntimeSession } from "./runtime.ts";

/** Kernels bind buffers in vectors of four numbers. */
const alignment = 16;

/** One after the other: the runtime's WebAssembly has one stack, which a run that waits for the device leaves as it is. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** The page's device, which ONNX Runtime makes with its first session and all sessions share. */
class PageDevice {
  readonly gpu: GPUDevice;
  /** Why it is gone, or null. */
  lost: string | null = null;
  /** What the device refused, out of any call's way; the next one to ask is told. */
  #refused: GPUError | null = null;
  readonly #collected = new FinalizationRegistry((buffer: GPUBuffer) => buffer.destroy());

  constructor(gpu: GPUDevice) {
    this.gpu = gpu;
    void gpu.lost.then(({ reason, message }) => {
      this.lost = message === "" ? reason : message;
    });
    gpu.addEventListener("uncapturederror", ({ error }) => {
      this.#refused ??= error;
    });
  }

  check(): void {
    if (this.lost !== null) throw deviceLost(this.lost, "reload the page");
    const refused = this.#refused;
    if (refused === null) return;
    this.#refused = null;
    if (refused instanceof GPUOutOfMemoryError) throw deviceFull(refused);
    throw new EngineError(`device "gpu": refused a command: ${refused.message}`, { cause: refused });
  }

  allocate(port: Port): PageTensor {
    const size = Math.ceil(byteLengthOf(port) / alignment) * alignment;
    const buffer = this.gpu.createBuffer({
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    const tensor = new PageTensor(this, port, buffer);
    this.#collected.register(tensor, buffer, tensor);
    return tensor;
  }

  free(tensor: PageTensor, buffer: GPUBuffer): void {
    this.#collected.unregister(tensor);
    buffer.destroy();
  }

  /** A copy of a buffer's elements. */
  async load(source: GPUBuffer, port: Port): Promise<EngineData> {
    this.check();
    const { size } = source;
    const target = this.gpu.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    try {
      const commands = this.gpu.createCommandEncoder();
      commands.copyBufferToBuffer(source, 0, target, 0, size);
      this.gpu.queue.submit([commands.finish()]);
      await target.mapAsync(GPUMapMode.READ);
      const elements = newBuffer(port);
      new Uint8Array(elements.buffer).set(new Uint8Array(target.getMappedRange(), 0, elements.byteLength));
      return elements;
    } catch (error) {
      this.check();
      throw error;
    } finally {
      target.destroy();
    }
  }
}

/** A tensor in the memory of the page's device. */
class PageTensor extends DeviceBuffer {
  readonly byteLength: number;
  readonly #device: PageDevice;
  readonly #port: Port;
  #buffer: GPUBuffer | null;

  constructor(device: PageDevice, port: Port, buffer: GPUBuffer) {
    super();
    this.#device = device;
    this.#port = port;
    this.#buffer = buffer;
    this.byteLength = byteLengthOf(port);
  }

  get buffer(): GPUBuffer {
    if (this.#buffer === null) throw new Error("a buffer on the device was used after it was given back");
    return this.#buffer;
  }

  read(): EngineData {
    throw new EngineError(
      "an array on the device can't be read at once in a browser: load() it, await the data of a result, or take EngineState.load()",
    );
  }

  load(): Promise<EngineData> {
    return this.#device.load(this.buffer, this.#port);
  }

  dispose(): void {
    if (this.#buffer !== null) this.#device.free(this, this.#buffer);
    this.#buffer = null;
  }
}

/** @throws EngineError where the browser has no WebGPU, or no adapter for it */
async function checkBrowser(): Promise<GPUAdapter> {
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  if (gpu === undefined)
    throw new EngineError(
      'device "gpu": this browser has no WebGPU, which needs https or localhost; use "cpu", or Chrome, Edge, Safari 26 or Firefox 141 and later',
    );
  const adapter = await gpu.requestAdapter();
  if (adapter === null)
    throw new EngineError(
      'device "gpu": the browser finds no adapter for WebGPU; switch on hardware acceleration, or use "cpu"',
    );
  return adapter;
}

interface Page {
  readonly ort: OnnxPackage;
  readonly device: PageDevice;
  readonly turns: Turns;
  /** Bytes of the largest buffer that a kernel takes. */
  readonly limit: number;
}

const webgpu = (hostNodes: readonly string[]): InferenceSession.SessionOptions => ({
  graphOptimizationLevel: "basic",
  executionMode: "sequential",
  enableMemPattern: false,
  // It warns of every operator that it leaves to the CPU.
  logSeverityLevel: 3,
  executionProviders: [
    {
      name: "webgpu",
      ...(hostNodes.length === 0 ? {} : { forceCpuNodeNames: [...hostNodes] }),
    } as InferenceSession.ExecutionProviderConfig,
  ],
  // Without int64 the arithmetic of indices would run on the CPU, with a copy there and back each time.
  extra: { ep: { webgpuexecutionprovider: { enableInt64: "1" } } },
});

async function openPage(): Promise<Page> {
  const { limits } = await checkBrowser();
  const ort = await onnxPackage();
  // ONNX Runtime makes its device for the first session and destroys it with the last: this one stays.
  await ort.InferenceSession.create(copyModel([anyPort("float32", 1)]).bytes, webgpu([]));
  const device = new PageDevice((await ort.env.webgpu.device) as GPUDevice);
  const limit = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  return { ort, device, turns: new Turns(), limit };
}

let opened: Promise<Page> | undefined;

/** ONNX Runtime on the GPU in a browser, through onnxruntime-web: what is kept stays in buffers of the page's device. */
export const browserGpuRuntime: Runtime = {
  async load(program: RunnableModel, options, { kept }): Promise<RuntimeSession> {
    if (options.profile !== undefined)
      throw new EngineError("profile: is written in Node only; leave it out in a browser");
    opened ??= openPage().catch((error) => {
      opened = undefined;
      throw error;
    });
    const { ort, device, turns, limit } = await opened;
    device.check();
    checkSizes(program, limit);
    const { model, inputs, outputs } = program;
    if (model.usesFloat16 && !device.gpu.features.has("shader-f16"))
      throw new EngineError(
        'device "gpu": has no float16, which this function computes with; use precision "float32", or the CPU',
      );
    const { inputNames, outputNames } = model;
    // What has no elements has no buffer either.
    const isKept = outputs.map(({ shape }, i) => i < kept && sizeOf(shape) > 0);
    const session = await turns.take(() =>
      ort.InferenceSession.create(model.bytes, {
        ...webgpu(model.hostNodes),
        preferredOutputLocation: Object.fromEntries(
          outputNames.map((name, i) => [name, isKept[i] ? "gpu-buffer" : "cpu"]),
        ),
      }),
    );
    const transferred = { up: 0, down: 0 };
    const onDevice = (tensor: PageTensor, { dtype, shape }: Port) =>
      ort.Tensor.fromGpuBuffer(tensor.buffer as never, { dataType: dtype as "float32", dims: [...shape] });
    return {
      fillsBuffers: true,
      // WebGPU lets no kernel read and write one buffer through two bindings.
      overwrites: false,
      transferred,
      async run(given, free) {
        device.check();
        const feeds: Record<string, Tensor> = {};
        for (const [i, name] of inputNames.entries()) {
          const [port, elements] = [inputs[i]!, given[i]!];
          if (elements instanceof PageTensor) {
            feeds[name] = onDevice(elements, port);
            continue;
          }
          const host = elements instanceof DeviceBuffer ? await elements.load() : elements;
          transferred.up += host.byteLength;
          feeds[name] = new ort.Tensor(
            port.dtype as "float32",
            host as Float32Array<ArrayBuffer>,
            port.shape,
          );
        }
        const filled = outputs.map((port, i) => {
          if (!isKept[i]) return null;
          const buffer = free[i] ?? null;
          return buffer instanceof PageTensor ? buffer : device.allocate(port);
        });
        const fetches = Object.fromEntries(
          outputNames.map((name, i) => {
            const tensor = filled[i] ?? null;
            return [name, tensor === null ? null : onDevice(tensor, outputs[i]!)];
          }),
        );
        try {
          const results = await turns.take(() => session.run(feeds, fetches));
          device.check();
          return outputNames.map((name, i): Elements => {
            const tensor = filled[i] ?? null;
            if (tensor !== null) return tensor;
            const data = (results[name] as Tensor).data as EngineData;
            transferred.down += data.byteLength;
            return data;
          });
        } catch (error) {
          // Buffers that are nobody's yet.
          for (const [i, tensor] of filled.entries()) if (tensor !== (free[i] ?? null)) tensor?.dispose();
          device.check();
          throw error;
        }
      },
      endProfile() {},
      release: () => turns.take(() => session.release()),
    };
  },
};

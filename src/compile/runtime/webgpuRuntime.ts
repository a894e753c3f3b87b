import { DeviceBuffer, type Elements, type EngineData } from "../elements.ts";
import { EngineError } from "../errors.ts";
import type { OnnxModel } from "../onnxModel.ts";
import { listAdapters } from "./adapters.ts";
import { byteLengthOf, checkSizes } from "./checkSizes.ts";
import { copyModel } from "./copyModel.ts";
import { deviceFault } from "./deviceFault.ts";
import { newBuffer } from "./newBuffer.ts";
import { type OnnxLibrary, onnxLibrary, type Provider, tick } from "./onnxLibrary.ts";
import type { Port, RunnableModel, Runtime, RuntimeSession } from "./runtime.ts";

/** Without int64 the arithmetic of indices would run on the CPU, with a copy there and back each time. */
const provider: Provider = { name: "WebGPU", entries: { "ep.webgpuexecutionprovider.enableInt64": "1" } };
const hostNodesEntry = "ep.webgpuexecutionprovider.forceCpuNodeNames";
/** ONNX Runtime's name of the memory that this provider allocates. */
const memoryName = "WebGPU_Buf";

/**
 * The memory of the device. Sessions share it, and an array may outlive the session that made it; so all of it comes from the
 * allocator of a session that stays.
 */
class DeviceMemory {
  readonly #library: OnnxLibrary;
  readonly #allocator: bigint;
  readonly #copies = new Map<string, (source: bigint, target: EngineData, port: Port) => void>();
  readonly #collected: FinalizationRegistry<bigint>;

  constructor(library: OnnxLibrary) {
    this.#library = library;
    this.#collected = new FinalizationRegistry((handle) => library.releaseTensor(handle));
    const session = library.createSession(copyModel("float32", 1).bytes, {}, provider);
    this.#allocator = library.deviceAllocator(session, memoryName);
  }

  allocate(port: Port): DeviceTensor {
    const tensor = new DeviceTensor(this, port, this.#library.allocateTensor(this.#allocator, port));
    this.#collected.register(tensor, tensor.handle, tensor);
    return tensor;
  }

  free(tensor: DeviceTensor, handle: bigint): void {
    this.#collected.unregister(tensor);
    this.#library.releaseTensor(handle);
  }

  read(source: bigint, port: Port): EngineData {
    const target = newBuffer(port);
    guarded(() => this.#copyFor(port)(source, target, port));
    return target;
  }

  /** Sessions of a type and a number of axes, made when they are first needed. */
  #copyFor({ dtype, shape }: Port) {
    const key = `${dtype} ${shape.length}`;
    const known = this.#copies.get(key);
    if (known !== undefined) return known;
    const library = this.#library;
    const model = copyModel(dtype, shape.length);
    const session = library.createSession(model.bytes, {}, provider);
    const [inputNames, outputNames] = [library.names(model.inputNames), library.names(model.outputNames)];
    const copy = (source: bigint, target: EngineData, port: Port) =>
      library.run(
        session,
        inputNames.addresses,
        BigUint64Array.of(source),
        outputNames.addresses,
        BigUint64Array.of(library.tensor(target, port)),
      );
    this.#copies.set(key, copy);
    return copy;
  }
}

/** @throws what an error says of the device, or the error */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw deviceFault(error) ?? error;
  }
}

/** A tensor in the device's memory. */
class DeviceTensor extends DeviceBuffer {
  readonly byteLength: number;
  readonly #memory: DeviceMemory;
  readonly #port: Port;
  #handle: bigint | null;

  constructor(memory: DeviceMemory, port: Port, handle: bigint) {
    super();
    this.#memory = memory;
    this.#port = port;
    this.#handle = handle;
    this.byteLength = byteLengthOf(port);
  }

  get handle(): bigint {
    if (this.#handle === null) throw new Error("a buffer on the device was used after it was given back");
    return this.#handle;
  }

  read(): EngineData {
    return this.#memory.read(this.handle, this.#port);
  }

  async load(): Promise<EngineData> {
    return this.read();
  }

  dispose(): void {
    if (this.#handle !== null) this.#memory.free(this, this.#handle);
    this.#handle = null;
  }
}

/** @throws EngineError where a model needs float16 and a GPU lacks it */
function checkFloat16({ usesFloat16 }: OnnxModel): void {
  const lacking = usesFloat16 ? listAdapters()?.find(({ float16 }) => !float16) : undefined;
  if (lacking === undefined) return;
  throw new EngineError(
    `device "gpu": ${lacking.name} has no float16, which this function computes with; use precision "float32" (training.precision), or the CPU`,
  );
}

/**
 * Asks for GPUs before ONNX Runtime does, which prints what it doesn't find.
 *
 * @returns the bytes of the largest buffer that all of them take
 */
function checkAdapters(): number {
  const adapters = listAdapters();
  if (adapters === null) return Number.POSITIVE_INFINITY;
  if (adapters.length > 0) return Math.max(...adapters.map(({ maxBufferBytes }) => maxBufferBytes));
  throw new EngineError(
    'device "gpu": Vulkan has no driver for one; install the driver of the card, or use "cpu"',
  );
}

/** The first session finds the device, or none. */
function firstUse(library: OnnxLibrary): DeviceMemory {
  try {
    return new DeviceMemory(library);
  } catch (error) {
    if (!/WebGPU adapter|webgpu_context/.test((error as Error).message)) throw error;
    throw new EngineError(
      'device "gpu": ONNX Runtime finds none; install the driver of the card (on Linux the Vulkan loader, libvulkan1, too), or use "cpu"',
      { cause: error },
    );
  }
}

function runtimeOf(library: OnnxLibrary): Runtime {
  let memory: DeviceMemory | null = null;
  let limit: number | null = null;
  return {
    async load(program: RunnableModel, options, kept): Promise<RuntimeSession> {
      await tick();
      limit ??= checkAdapters();
      checkSizes(program, limit);
      const { model, inputs, outputs } = program;
      checkFloat16(model);
      memory ??= firstUse(library);
      const device = memory;
      const own =
        model.hostNodes.length === 0
          ? provider
          : { ...provider, entries: { ...provider.entries, [hostNodesEntry]: model.hostNodes.join("\n") } };
      let handle: bigint | null = guarded(() => library.createSession(model.bytes, options, own));
      const session = (): bigint => {
        if (handle === null) throw new Error("the session has been released");
        return handle;
      };
      const [inputNames, outputNames] = [library.names(model.inputNames), library.names(model.outputNames)];
      const transferred = { up: 0, down: 0 };
      return {
        fillsBuffers: true,
        // WebGPU lets no kernel read and write one buffer through two bindings.
        overwrites: false,
        transferred,
        async run(given, free) {
          await tick();
          const filled = outputs.map((port, i): Elements => {
            const buffer = free[i] ?? null;
            if (i < kept)
              return buffer instanceof DeviceTensor ? buffer : guarded(() => device.allocate(port));
            return buffer === null || buffer instanceof DeviceBuffer ? newBuffer(port) : buffer;
          });
          const tensorOf = (elements: Elements, port: Port, direction: "up" | "down"): bigint => {
            if (elements instanceof DeviceTensor) return elements.handle;
            const host = elements instanceof DeviceBuffer ? elements.read() : elements;
            transferred[direction] += host.byteLength;
            return library.tensor(host, port);
          };
          const from = BigUint64Array.from(given, (data, i) => tensorOf(data, inputs[i]!, "up"));
          const to = BigUint64Array.from(filled, (data, i) => tensorOf(data, outputs[i]!, "down"));
          guarded(() => library.run(session(), inputNames.addresses, from, outputNames.addresses, to));
          return filled;
        },
        endProfile: () => library.endProfile(session()),
        async release() {
          library.releaseSession(session());
          handle = null;
        },
      };
    },
  };
}

let made: Runtime | undefined;

/**
 * ONNX Runtime on a GPU, through its WebGPU execution provider and its C interface: state stays in the device's memory.
 *
 * @throws EngineError where the shared library can't be called
 */
export function webgpuRuntime(): Runtime {
  if (made !== undefined) return made;
  const library = onnxLibrary();
  if (library === null) {
    throw new EngineError(
      'device "gpu": the shared library of ONNX Runtime can\'t be called here; use "cpu"',
    );
  }
  made = runtimeOf(library);
  return made;
}

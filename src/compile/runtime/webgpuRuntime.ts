import { returnedTypes } from "../devices/returnedByKernels.ts";
import { DeviceBuffer, type Elements, type EngineData } from "../elements.ts";
import { EngineError } from "../errors.ts";
import type { OnnxModel } from "../onnxModel.ts";
import { listAdapters } from "./adapters.ts";
import { byteLengthOf, checkSizes } from "./checkSizes.ts";
import { anyPort, copyModel } from "./copyModel.ts";
import { deviceFault } from "./deviceFault.ts";
import { newBuffer } from "./newBuffer.ts";
import { type OnnxLibrary, onnxLibrary, type Provider, tick } from "./onnxLibrary.ts";
import { digest, Recorder } from "./recorder.ts";
import type { EngineOptions, Port, Residence, RunnableModel, Runtime, RuntimeSession } from "./runtime.ts";

/** Without int64 the arithmetic of indices would run on the CPU, with a copy there and back each time. */
const provider: Provider = { name: "WebGPU", entries: { "ep.webgpuexecutionprovider.enableInt64": "1" } };
const hostNodesEntry = "ep.webgpuexecutionprovider.forceCpuNodeNames";
const recordingEntry = "ep.webgpuexecutionprovider.enableGraphCapture";
/**
 * Bytes alive in a run up to which it is recorded. Each recording has buffers of its own for what lies between (two of them, as a state has two sets
 * of buffers); where that is much, kernels are long, and what the host does for each of them is little beside.
 */
const mostRecorded = 2 ** 28;
/** Of a run: the number of its recording, or −1 for none. */
const recordingId = "gpu_graph_id";
/** ONNX Runtime's name of the memory that this provider allocates. */
const memoryName = "WebGPU_Buf";

/**
 * The memory of the device. Sessions share it, and an array may outlive the session that made it; so all of it comes from the
 * allocator of a session that stays.
 */
class DeviceMemory {
  readonly #library: OnnxLibrary;
  readonly #allocator: bigint;
  readonly #copies = new Map<string, (from: BigUint64Array, to: BigUint64Array) => void>();
  readonly #collected: FinalizationRegistry<bigint>;

  constructor(library: OnnxLibrary) {
    this.#library = library;
    this.#collected = new FinalizationRegistry((handle) => library.releaseTensor(handle));
    const session = library.createSession(copyModel([anyPort("float32", 1)]).bytes, {}, provider);
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
    this.copy([port], BigUint64Array.of(source), BigUint64Array.of(this.#library.tensor(target, port)));
    return target;
  }

  /** Copies tensors, from host memory, to it, or on the device, in sessions of their types and numbers of axes that are made when first needed. */
  copy(ports: readonly Port[], from: BigUint64Array, to: BigUint64Array): void {
    const key = ports.map(({ dtype, shape }) => `${dtype} ${shape.length}`).join();
    let copy = this.#copies.get(key);
    if (copy === undefined) {
      const library = this.#library;
      const model = copyModel(ports.map(({ dtype, shape }) => anyPort(dtype, shape.length)));
      const session = library.createSession(model.bytes, {}, provider);
      const [inputNames, outputNames] = [library.names(model.inputNames), library.names(model.outputNames)];
      copy = (source, target) =>
        library.run(session, inputNames.addresses, source, outputNames.addresses, target);
      this.#copies.set(key, copy);
    }
    const made = copy;
    guarded(() => made(from, to));
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
  static #numMade = 0;
  /** No other tensor has it or will have it, as it is with an address. */
  readonly id = DeviceTensor.#numMade++;
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

/** The buffers on the device that a run goes between. */
function routeOf(given: readonly Elements[], filled: readonly Elements[]): string {
  const ids = (elements: readonly Elements[]) =>
    elements.map((each) => (each instanceof DeviceTensor ? each.id : "")).join();
  return `${ids(given)} ${ids(filled)}`;
}

/** A graph on the GPU. */
class GpuSession implements RuntimeSession {
  readonly fillsBuffers = true;
  /** WebGPU lets no kernel read and write one buffer through two bindings. */
  readonly overwrites = false;
  readonly transferred = { up: 0, down: 0 };
  readonly #library: OnnxLibrary;
  readonly #memory: DeviceMemory;
  readonly #program: RunnableModel;
  readonly #options: EngineOptions;
  readonly #kept: number;
  readonly #inputNames: ReturnType<OnnxLibrary["names"]>;
  readonly #outputNames: ReturnType<OnnxLibrary["names"]>;
  readonly #recorder: Recorder | null;
  /** Buffers on the device for what comes from the host and goes to it, by place: a recording needs them where they are. */
  readonly #slots = new Map<string, DeviceTensor>();
  #session: bigint | null;

  constructor(
    library: OnnxLibrary,
    memory: DeviceMemory,
    program: RunnableModel,
    options: EngineOptions,
    { kept, repeats }: Residence,
  ) {
    this.#library = library;
    this.#memory = memory;
    this.#program = program;
    this.#options = options;
    this.#kept = kept;
    const { model } = program;
    this.#inputNames = library.names(model.inputNames);
    this.#outputNames = library.names(model.outputNames);
    // What the CPU does can't be recorded, nor what is copied to an output, and a profile is of what was done as usual.
    const mayRecord =
      repeats &&
      program.outputs.every(({ dtype }) => returnedTypes.has(dtype)) &&
      model.hostNodes.length === 0 &&
      options.profile === undefined &&
      program.aliveBytes <= mostRecorded;
    this.#session = mayRecord ? this.#loadRecording() : null;
    this.#recorder =
      this.#session === null
        ? null
        : new Recorder((records) => {
            library.releaseSession(this.#handle());
            // None is left if a new one can't be made, as on a device that is lost.
            this.#session = null;
            this.#session = this.#load(records);
          });
    this.#session ??= this.#load();
  }

  #load(records = false): bigint {
    const { bytes, hostNodes } = this.#program.model;
    const entries = {
      ...provider.entries,
      ...(hostNodes.length > 0 && { [hostNodesEntry]: hostNodes.join("\n") }),
      ...(records && { [recordingEntry]: "1" }),
    };
    return guarded(() => this.#library.createSession(bytes, this.#options, { name: provider.name, entries }));
  }

  /** A session that may record, or null where some of its operators run on the CPU. */
  #loadRecording(): bigint | null {
    try {
      return this.#load(true);
    } catch (error) {
      if (/graph capture/.test((error as Error).message)) return null;
      throw error;
    }
  }

  #handle(): bigint {
    if (this.#session === null) throw new Error("the session has been released");
    return this.#session;
  }

  async run(given: readonly Elements[], free: readonly (Elements | null)[]): Promise<Elements[]> {
    await tick();
    const filled = this.#program.outputs.map((port, i): Elements => {
      const buffer = free[i] ?? null;
      if (i < this.#kept)
        return buffer instanceof DeviceTensor ? buffer : guarded(() => this.#memory.allocate(port));
      return buffer === null || buffer instanceof DeviceBuffer ? newBuffer(port) : buffer;
    });
    const host = given.map((elements) =>
      elements instanceof DeviceBuffer && !(elements instanceof DeviceTensor) ? elements.read() : elements,
    );
    const route = routeOf(host, filled);
    const { mode, id } = this.#recorder?.next(route) ?? { mode: "plain", id: 0 };
    try {
      if (mode === "plain") this.#compute(this.#tensors(host, "up"), this.#tensors(filled, "down"));
      else this.#throughSlots(host, filled, id, mode === "check");
    } catch (error) {
      this.#recorder?.failed(route);
      throw error;
    }
    return filled;
  }

  /** Runs with everything on the device, under the number of a recording. */
  #throughSlots(
    given: readonly Elements[],
    filled: readonly Elements[],
    id: number,
    isChecked: boolean,
  ): void {
    const [from, to] = [this.#onDevice(given, "up"), this.#onDevice(filled, "down")];
    this.#copySlots(given, from, "up");
    this.#compute(from, to, id);
    if (isChecked) {
      const recorded = this.#outcome(filled, to);
      this.#compute(from, to);
      this.#recorder?.judge(this.#outcome(filled, to) === recorded);
    } else this.#copySlots(filled, to, "down");
  }

  /** What a run has made, host memory included. */
  #outcome(filled: readonly Elements[], to: BigUint64Array): number {
    this.#copySlots(filled, to, "down");
    return digest(filled);
  }

  /** @param id - of a recording; by default nothing is recorded */
  #compute(from: BigUint64Array, to: BigUint64Array, id = -1): void {
    const library = this.#library;
    const [inputs, outputs] = [this.#inputNames.addresses, this.#outputNames.addresses];
    guarded(() => {
      if (this.#recorder === null) return library.run(this.#handle(), inputs, from, outputs, to);
      const options = library.runOptions({ [recordingId]: String(id) });
      try {
        library.run(this.#handle(), inputs, from, outputs, to, options);
      } finally {
        library.releaseRunOptions(options);
      }
    });
  }

  #ports(direction: "up" | "down"): readonly Port[] {
    return direction === "up" ? this.#program.inputs : this.#program.outputs;
  }

  /** Tensors of elements where they are. */
  #tensors(elements: readonly Elements[], direction: "up" | "down"): BigUint64Array {
    return BigUint64Array.from(elements, (each, i) =>
      each instanceof DeviceTensor ? each.handle : this.#hostTensor(each as EngineData, i, direction),
    );
  }

  /** The tensor of elements in host memory, which are copied. */
  #hostTensor(data: EngineData, place: number, direction: "up" | "down"): bigint {
    this.transferred[direction] += data.byteLength;
    return this.#library.tensor(data, this.#ports(direction)[place]!);
  }

  /** Tensors on the device, of slots for what is in host memory. */
  #onDevice(elements: readonly Elements[], direction: "up" | "down"): BigUint64Array {
    const ports = this.#ports(direction);
    return BigUint64Array.from(elements, (each, i) => {
      if (each instanceof DeviceTensor) return each.handle;
      const key = `${direction} ${i}`;
      const slot = this.#slots.get(key) ?? guarded(() => this.#memory.allocate(ports[i]!));
      this.#slots.set(key, slot);
      return slot.handle;
    });
  }

  /** Copies what is in host memory to its slots, or back. */
  #copySlots(elements: readonly Elements[], slots: BigUint64Array, direction: "up" | "down"): void {
    const places = elements.flatMap((each, i) => (each instanceof DeviceTensor ? [] : [i]));
    if (places.length === 0) return;
    const ports = places.map((i) => this.#ports(direction)[i]!);
    const host = BigUint64Array.from(places, (i) =>
      this.#hostTensor(elements[i] as EngineData, i, direction),
    );
    const there = BigUint64Array.from(places, (i) => slots[i]!);
    const [from, to] = direction === "up" ? [host, there] : [there, host];
    this.#memory.copy(ports, from, to);
  }

  endProfile(): void {
    this.#library.endProfile(this.#handle());
  }

  async release(): Promise<void> {
    if (this.#session !== null) this.#library.releaseSession(this.#session);
    this.#session = null;
    for (const slot of this.#slots.values()) slot.dispose();
  }
}

function runtimeOf(library: OnnxLibrary): Runtime {
  let memory: DeviceMemory | null = null;
  let limit: number | null = null;
  return {
    async load(program, options, residence): Promise<RuntimeSession> {
      await tick();
      limit ??= checkAdapters();
      checkSizes(program, limit);
      checkFloat16(program.model);
      memory ??= firstUse(library);
      return new GpuSession(library, memory, program, options, residence);
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

import type koffi from "koffi";
import type { EngineData } from "../elements.ts";
import { onnxTypeNumber, type TensorType } from "../graph.ts";
import { usableThreads } from "../usableThreads.ts";
import { sizeOf } from "../view.ts";
import type { EngineOptions, Port } from "./runtime.ts";

/**
 * Places in OrtApi, the table of functions of onnxruntime_c_api.h, with their parameters. The table only grows: places known for one
 * version hold for all later ones. Handles and pointers to pointers are addresses; a result is the address of an error, or 0.
 */
const apiVersion = 21;
const apiFunctions = {
  createEnv: [3, "int level, const char *id, void *env"],
  createSession: [8, "uintptr_t env, void *model, size_t length, uintptr_t options, void *session"],
  run: [
    9,
    "uintptr_t session, uintptr_t options, void *inputNames, void *inputs, size_t numInputs, void *outputNames, size_t numOutputs, void *outputs",
  ],
  createSessionOptions: [10, "void *options"],
  createRunOptions: [39, "void *options"],
  addRunConfigEntry: [165, "uintptr_t options, const char *key, const char *value"],
  enableProfiling: [14, "uintptr_t options, const char *prefix"],
  enableProfilingWide: [14, "uintptr_t options, const char16_t *prefix"],
  disableMemoryPattern: [17, "uintptr_t options"],
  setOptimizationLevel: [23, "uintptr_t options, int level"],
  setLogSeverity: [22, "uintptr_t options, int level"],
  setThreads: [24, "uintptr_t options, int threads"],
  allocateTensor: [48, "uintptr_t allocator, void *shape, size_t rank, int type, void *tensor"],
  createTensor: [
    49,
    "uintptr_t memory, void *data, size_t length, void *shape, size_t rank, int type, void *tensor",
  ],
  createNamedMemoryInfo: [68, "const char *name, int allocator, int id, int type, void *memory"],
  createMemoryInfo: [69, "int allocator, int type, void *memory"],
  allocatorFree: [76, "uintptr_t allocator, uintptr_t memory"],
  defaultAllocator: [78, "void *allocator"],
  addConfigEntry: [130, "uintptr_t options, const char *key, const char *value"],
  createAllocator: [131, "uintptr_t session, uintptr_t memory, void *allocator"],
  createArenaConfig: [
    156,
    "size_t maxMemory, int extendStrategy, int initialChunk, int maxDeadBytes, void *config",
  ],
  registerAllocator: [144, "uintptr_t env, uintptr_t memory, uintptr_t config"],
  appendProvider: [216, "uintptr_t options, const char *name, void *keys, void *values, size_t numKeys"],
  endProfiling: [110, "uintptr_t session, uintptr_t allocator, void *path"],
} as const;
/** Functions that release a handle and return nothing. */
const releaseFunctions = {
  status: 93,
  session: 95,
  tensor: 96,
  runOptions: 97,
  sessionOptions: 100,
  arenaConfig: 157,
} as const;
const messagePlace = 2;
const tableLength = 217;

const errorLevel = 3;
const fatalLevel = 4;
const basicOptimization = 1;
const deviceAllocator = 0;
const arenaAllocator = 1;
const growAsRequested = 1;
const byDefault = -1;
const cpuMemory = 0;

type Call = (...args: unknown[]) => void;

/** An execution provider by the name that ONNX Runtime gives it, with entries of the session's configuration. */
export interface Provider {
  readonly name: string;
  readonly entries: Readonly<Record<string, string>>;
}

/** The C interface of the runtime's shared library. */
export class OnnxLibrary {
  readonly #koffi: typeof koffi;
  /** Collected, it would be unloaded, and what is called here no longer be there. */
  readonly #library: ReturnType<typeof koffi.load>;
  readonly #functions: Readonly<Record<keyof typeof apiFunctions, Call>>;
  readonly #release: Readonly<Record<keyof typeof releaseFunctions, (handle: bigint) => void>>;
  readonly #env: bigint;
  readonly #memory: bigint;
  readonly #isWindows: boolean;
  /** The runtime's view of a buffer, for as long as the buffer is alive: those of a state are made once. */
  readonly #tensors = new WeakMap<EngineData, { readonly type: string; readonly handle: bigint }>();
  readonly #collected: FinalizationRegistry<bigint>;

  constructor(ffi: typeof koffi, path: string, isWindows: boolean) {
    this.#koffi = ffi;
    this.#isWindows = isWindows;
    this.#library = ffi.load(path);
    const base = this.#library.func("void *OrtGetApiBase()")() as bigint;
    const [getApi] = ffi.decode(base, ffi.array("void *", 1)) as bigint[];
    const api = (
      ffi.decode(getApi, ffi.proto("void *(uint32_t version)")) as (version: number) => bigint | null
    )(apiVersion);
    if (!api) throw new Error(`ONNX Runtime: ${path} has no version ${apiVersion} of the C interface`);
    const table = ffi.decode(api, ffi.array("void *", tableLength)) as bigint[];
    const at = (place: number, prototype: string) =>
      ffi.decode(table[place], ffi.proto(prototype)) as (...args: unknown[]) => unknown;
    const message = at(messagePlace, "const char *(uintptr_t status)");
    this.#release = Object.fromEntries(
      Object.entries(releaseFunctions).map(([name, place]) => [name, at(place, "void (uintptr_t handle)")]),
    ) as never;
    const checked = (place: number, parameters: string): Call => {
      const call = at(place, `uintptr_t (${parameters})`);
      return (...args) => {
        const status = BigInt(call(...args) as bigint);
        if (status === 0n) return;
        const text = message(status) as string;
        this.#release.status(status);
        throw new Error(text);
      };
    };
    this.#functions = Object.fromEntries(
      Object.entries(apiFunctions).map(([name, [place, parameters]]) => [name, checked(place, parameters)]),
    ) as never;
    // What goes wrong comes back as an error; a GPU's part would print its own beside it, in several lines.
    this.#env = this.#make("createEnv", fatalLevel, "rotor");
    this.#memory = this.#make("createMemoryInfo", deviceAllocator, cpuMemory);
    this.#shareArena();
    this.#collected = new FinalizationRegistry((handle) => this.#release.tensor(handle));
  }

  /** Calls a function whose last parameter receives a handle. */
  #make(name: keyof typeof apiFunctions, ...args: unknown[]): bigint {
    const handle = new BigUint64Array(1);
    this.#functions[name](...args, handle);
    return handle[0]!;
  }

  /**
   * One arena for all sessions of the process, which grows by what is asked for. A session's own would double each time: that took
   * 800 MiB more for 12 layers of width 768 (6.2 instead of 5.5 GiB at most).
   */
  #shareArena(): void {
    const config = this.#make("createArenaConfig", 0, growAsRequested, byDefault, byDefault);
    try {
      const memory = this.#make("createMemoryInfo", arenaAllocator, cpuMemory);
      this.#functions.registerAllocator(this.#env, memory, config);
    } catch {
      // Another thread of this process has registered it.
    } finally {
      this.#release.arenaConfig(config);
    }
  }

  createSession(bytes: Uint8Array, options: EngineOptions, provider?: Provider): bigint {
    const sessionOptions = this.#make("createSessionOptions");
    try {
      // The arena stays: without it, every large intermediate result is mapped and cleared anew in every step
      // (docs/architecture.md).
      this.#functions.disableMemoryPattern(sessionOptions);
      this.#functions.addConfigEntry(sessionOptions, "session.use_env_allocators", "1");
      this.#functions.setOptimizationLevel(sessionOptions, basicOptimization);
      if (options.threads !== undefined)
        this.#functions.setThreads(sessionOptions, usableThreads(options.threads));
      if (provider !== undefined) {
        // It warns of every operator that it leaves to the CPU.
        this.#functions.setLogSeverity(sessionOptions, errorLevel);
        // Before the provider is made: it reads them then.
        for (const [key, value] of Object.entries(provider.entries))
          this.#functions.addConfigEntry(sessionOptions, key, value);
        this.#functions.appendProvider(sessionOptions, provider.name, null, null, 0);
      }
      if (options.profile !== undefined) {
        const enable = this.#isWindows ? "enableProfilingWide" : "enableProfiling";
        this.#functions[enable](sessionOptions, options.profile);
      }
      return this.#make("createSession", this.#env, bytes, bytes.length, sessionOptions);
    } finally {
      this.#release.sessionOptions(sessionOptions);
    }
  }

  tensor(data: EngineData, { dtype, shape }: Port): bigint {
    const type = `${dtype}[${shape.join()}]`;
    // A buffer that was given back leaves an address behind, which must not be read.
    if (data.length !== sizeOf(shape)) throw new Error(`a buffer of ${type} has ${data.length} elements`);
    const known = this.#tensors.get(data);
    if (known?.type === type) return known.handle;
    const dimensions = BigInt64Array.from(shape, BigInt);
    const number = onnxTypeNumber[dtype as TensorType];
    const { byteLength } = data;
    const handle = this.#make(
      "createTensor",
      this.#memory,
      data,
      byteLength,
      dimensions,
      shape.length,
      number,
    );
    this.#tensors.set(data, { type, handle });
    this.#collected.register(data, handle);
    return handle;
  }

  /** The allocator of a device's memory, by the name that ONNX Runtime gives that memory; it is the session's, and goes with it. */
  deviceAllocator(session: bigint, memoryName: string): bigint {
    const memory = this.#make("createNamedMemoryInfo", memoryName, deviceAllocator, 0, cpuMemory);
    return this.#make("createAllocator", session, memory);
  }

  /** A tensor in an allocator's memory, for {@link releaseTensor}. */
  allocateTensor(allocator: bigint, { dtype, shape }: Port): bigint {
    const dimensions = BigInt64Array.from(shape, BigInt);
    return this.#make(
      "allocateTensor",
      allocator,
      dimensions,
      shape.length,
      onnxTypeNumber[dtype as TensorType],
    );
  }

  releaseTensor(handle: bigint): void {
    this.#release.tensor(handle);
  }

  /** Names as C wants them: an array of addresses, and the buffer that they point into. */
  names(names: readonly string[]): { readonly addresses: BigUint64Array; readonly text: Uint8Array } {
    const encoder = new TextEncoder();
    const encoded = names.map((name) => encoder.encode(`${name}\0`));
    const text = new Uint8Array(new ArrayBuffer(encoded.reduce((sum, { length }) => sum + length, 0)));
    const start = text.length === 0 ? 0n : BigInt(this.#koffi.address(text));
    let offset = 0;
    const addresses = BigUint64Array.from(encoded, (bytes) => {
      text.set(bytes, offset);
      offset += bytes.length;
      return start + BigInt(offset - bytes.length);
    });
    return { addresses, text };
  }

  /** @param options - of this run, made by {@link runOptions}; 0 for none */
  run(
    session: bigint,
    inputNames: BigUint64Array,
    inputs: BigUint64Array,
    outputNames: BigUint64Array,
    outputs: BigUint64Array,
    options = 0n,
  ): void {
    const { length } = outputs;
    this.#functions.run(session, options, inputNames, inputs, inputs.length, outputNames, length, outputs);
  }

  /** Options of a run, for {@link releaseRunOptions}. */
  runOptions(entries: Readonly<Record<string, string>>): bigint {
    const options = this.#make("createRunOptions");
    for (const [key, value] of Object.entries(entries))
      this.#functions.addRunConfigEntry(options, key, value);
    return options;
  }

  releaseRunOptions(options: bigint): void {
    this.#release.runOptions(options);
  }

  endProfile(session: bigint): void {
    const allocator = this.#make("defaultAllocator");
    this.#functions.allocatorFree(allocator, this.#make("endProfiling", session, allocator));
  }

  releaseSession(session: bigint): void {
    this.#release.session(session);
  }
}

/** One tick of the event loop, so that timers, signals and reports aren't starved by steps that follow one another. */
export const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The file name of the shared library that onnxruntime-node brings, on Linux, macOS and Windows. */
const libraryFile = /^(libonnxruntime\.so\.\d+|libonnxruntime\.[\d.]*dylib|onnxruntime\.dll)$/;

let loaded: OnnxLibrary | null | undefined;

/**
 * The C interface of the shared library in onnxruntime-node, with koffi; null in a browser and where one of the two can't be loaded.
 */
export function onnxLibrary(): OnnxLibrary | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  const node = (globalThis as { process?: NodeJS.Process }).process;
  if (node?.versions?.node === undefined) return null;
  try {
    const { createRequire } = node.getBuiltinModule("node:module");
    const { readdirSync } = node.getBuiltinModule("node:fs");
    const path = node.getBuiltinModule("node:path");
    const require = createRequire(import.meta.url);
    const bin = path.join(path.dirname(require.resolve("onnxruntime-node/package.json")), "bin");
    for (const version of readdirSync(bin)) {
      const folder = path.join(bin, version, node.platform, node.arch);
      const file = readdirSync(folder).find((name) => libraryFile.test(name));
      if (file === undefined) continue;
      loaded = new OnnxLibrary(require("koffi"), path.join(folder, file), node.platform === "win32");
    }
  } catch {
    // No koffi or no library for this platform: the binding does the same work with more copies.
  }
  return loaded;
}

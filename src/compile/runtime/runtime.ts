import type { Elements } from "../elements.ts";
import type { OnnxModel } from "../onnxModel.ts";

/** Devices that a graph can be run on, and the choice of one by what there is and how fast it is. */
export const devices = ["cpu", "gpu", "auto"] as const;
export type Device = (typeof devices)[number];
/** A device that was chosen. */
export type PlacedDevice = Exclude<Device, "auto">;

/** How ONNX Runtime runs a graph. */
export interface EngineOptions {
  /**
   * Where to run: `"cpu"` (the default), or `"gpu"`, through WebGPU, in Node as in browsers; the state of a step then stays in the
   * device's memory. `"auto"` is the GPU if it is hardware and a timed step on it is faster than the CPU's (`chooseDevice`).
   */
  readonly device?: Device;
  /** Threads of one operator; by default, and at most, as many as there are cores. */
  readonly threads?: number;
  /** Execution providers of ONNX Runtime in order of preference; by default its CPU kernels (WebAssembly in a browser). */
  readonly executionProviders?: readonly string[];
  /** Writes a profile in Chrome's trace format to a file with this prefix (Node only). */
  readonly profile?: string;
  /**
   * How the runtime is called: `"library"`, through the C interface of its shared library, which fills given buffers, or `"binding"`,
   * through its JavaScript package, which copies every output. By default the library in Node where it can be loaded and no execution
   * providers are named.
   */
  readonly runtime?: "library" | "binding";
}

/** Where and with how many threads a graph runs. */
export type EnginePlacement = Pick<EngineOptions, "threads" | "device">;

/**
 * What of some options says where to run.
 *
 * @example
 * ```ts
 * placementOf({ threads: 2, device: undefined }); // => { threads: 2 }
 * ```
 */
export function placementOf({
  threads,
  device,
}: {
  readonly threads?: number | undefined;
  readonly device?: Device | undefined;
}): EnginePlacement {
  return { ...(threads !== undefined && { threads }), ...(device !== undefined && { device }) };
}

/** Element type and shape of an input or output. */
export interface Port {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where it is among the arguments: `0.params.embedding`, say. */
  readonly path?: string;
}

/** A model with the types of its inputs and outputs. */
export interface RunnableModel {
  readonly model: OnnxModel;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Bytes that are alive at most during a run, inputs and outputs among them. */
  readonly aliveBytes: number;
  /** The largest array that a node makes, with the primitive that it stands for; null for graphs without nodes. */
  readonly largest: { readonly port: Port; readonly origin: string } | null;
}

/** Bytes that a session has copied to its device and back. */
export interface Transferred {
  readonly up: number;
  readonly down: number;
}

/** A model loaded into ONNX Runtime. Errors are the runtime's own. */
export interface RuntimeSession {
  /** Whether {@link run} fills the buffers that it is given; else all results are new. */
  readonly fillsBuffers: boolean;
  /** Whether the buffer of an output may be that of an input. */
  readonly overwrites: boolean;
  /**
   * Runs the model.
   *
   * @param inputs - the elements of each input
   * @param free - buffers for the first outputs, or null; those that the session can't fill are left alone
   * @returns the elements of each output
   */
  run(inputs: readonly Elements[], free: readonly (Elements | null)[]): Promise<Elements[]>;
  /** All bytes copied so far, where there is a device to copy to. */
  readonly transferred?: Transferred;
  endProfile(): void;
  release(): Promise<void>;
}

/** What becomes of the results of a session's runs. */
export interface Residence {
  /** How many of the first outputs stay where the session runs; the rest comes back to host memory. */
  readonly kept: number;
  /** Whether runs take turns between the same buffers, as a step does between those of its state. */
  readonly repeats: boolean;
}

/** A way to call ONNX Runtime. */
export interface Runtime {
  load(program: RunnableModel, options: EngineOptions, residence: Residence): Promise<RuntimeSession>;
}

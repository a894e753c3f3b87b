import type { EngineData } from "../engineArray.ts";
import type { OnnxModel } from "../onnxModel.ts";

/** How ONNX Runtime runs a graph. */
export interface EngineOptions {
  /** Threads of one operator; by default as many as there are cores. */
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

/** Element type and shape of an input or output. */
export interface Port {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** A model with the types of its inputs and outputs. */
export interface RunnableModel {
  readonly model: OnnxModel;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** A model loaded into ONNX Runtime. Errors are the runtime's own. */
export interface RuntimeSession {
  /** Whether {@link run} fills the buffers that it is given; else all results are new. */
  readonly fillsBuffers: boolean;
  /**
   * Runs the model.
   *
   * @param inputs - the elements of each input
   * @param free - buffers for the first outputs, or null
   * @returns the elements of each output
   */
  run(inputs: readonly EngineData[], free: readonly (EngineData | null)[]): Promise<EngineData[]>;
  endProfile(): void;
  release(): Promise<void>;
}

/** A way to call ONNX Runtime. */
export interface Runtime {
  load(program: RunnableModel, options: EngineOptions): Promise<RuntimeSession>;
}

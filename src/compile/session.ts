import * as ort from "#onnxruntime";
import type { EngineData } from "./engineArray.ts";
import { EngineError, UnsupportedPrimitiveError } from "./errors.ts";
import type { OnnxModel } from "./onnxModel.ts";

/** How ONNX Runtime runs a graph. */
export interface EngineOptions {
  /** Threads of one operator; by default as many as there are cores. */
  readonly threads?: number;
  /** Execution providers of ONNX Runtime in order of preference; by default its CPU kernels (WebAssembly in a browser). */
  readonly executionProviders?: readonly string[];
  /** Writes a profile in Chrome's trace format to a file with this prefix (Node only). */
  readonly profile?: string;
}

/** Element type and shape of an input or output. */
export interface Port {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Wraps elements for the runtime, without a copy. */
export function runtimeTensor(data: EngineData, { dtype, shape }: Port): ort.Tensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array<ArrayBuffer>, shape);
}

/**
 * A graph loaded into ONNX Runtime.
 */
export class EngineSession {
  readonly #session: ort.InferenceSession;
  readonly #model: OnnxModel;

  private constructor(session: ort.InferenceSession, model: OnnxModel) {
    this.#session = session;
    this.#model = model;
  }

  static async load(model: OnnxModel, options: EngineOptions): Promise<EngineSession> {
    try {
      const session = await ort.InferenceSession.create(model.bytes, {
        graphOptimizationLevel: "basic",
        executionMode: "sequential",
        // The runtime's arena and its memory pattern take up to twice the memory of what is alive, and no less time than the
        // allocator of the system: measured in bench/README.md.
        enableCpuMemArena: false,
        enableMemPattern: false,
        ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
        ...(options.executionProviders === undefined
          ? {}
          : { executionProviders: [...options.executionProviders] }),
        ...(options.profile === undefined
          ? {}
          : { enableProfiling: true, profileFilePrefix: options.profile }),
      });
      return new EngineSession(session, model);
    } catch (error) {
      throw loadError(error);
    }
  }

  /**
   * Runs the graph.
   *
   * Outputs are new buffers. Giving the runtime buffers to fill is slower: its Node binding copies every output all the same, out of
   * the given buffer into a new one (measured in docs/architecture.md).
   *
   * @param inputs - one tensor per input
   * @returns the elements of each output
   */
  async run(inputs: readonly ort.Tensor[]): Promise<EngineData[]> {
    const { inputNames, outputNames } = this.#model;
    const feeds = Object.fromEntries(inputNames.map((name, i) => [name, inputs[i]!]));
    try {
      const results = await this.#session.run(feeds, [...outputNames]);
      return outputNames.map((name) => (results[name] as ort.Tensor).data as EngineData);
    } catch (error) {
      throw new EngineError(`ONNX Runtime could not run the compiled function: ${oneLine(error)}`, {
        cause: error,
      });
    }
  }

  endProfile(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
}

/** Turns a missing kernel into an error that names the primitive: nodes are named after the primitive that made them. */
function loadError(error: unknown): Error {
  const message = oneLine(error);
  const missing =
    /(?:Could not find an implementation for|NOT_IMPLEMENTED).*?(\w+)\(\d+\) node with name '([^/']*)\//.exec(
      message,
    );
  const invalid = /Type Error:.*?\((\w+)\).*?node \(([^/)]*)\//.exec(message);
  const [, operator, origin] = missing ?? invalid ?? [];
  if (operator !== undefined && origin !== undefined) {
    return new UnsupportedPrimitiveError(
      origin.split(" ")[0]!,
      origin.split(" ").slice(1).join(" "),
      `ONNX Runtime has no kernel of ${operator} for this element type; cast to float32 or int32 first`,
      { cause: error },
    );
  }
  return new EngineError(`ONNX Runtime refused the compiled graph: ${message}`, { cause: error });
}

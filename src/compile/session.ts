import type { EngineData } from "./engineArray.ts";
import { EngineError, UnsupportedPrimitiveError } from "./errors.ts";
import { bindingRuntime } from "./runtime/bindingRuntime.ts";
import { libraryRuntime } from "./runtime/libraryRuntime.ts";
import type { EngineOptions, RunnableModel, Runtime, RuntimeSession } from "./runtime/runtime.ts";

function runtimeFor({ runtime, executionProviders }: EngineOptions): Runtime {
  if (runtime === "binding") return bindingRuntime;
  if (executionProviders !== undefined) {
    if (runtime === undefined) return bindingRuntime;
    throw new EngineError(
      'runtime "library": runs on the CPU; leave it out to name execution providers, or name none',
    );
  }
  const library = libraryRuntime();
  if (library !== null) return library;
  if (runtime === undefined) return bindingRuntime;
  throw new EngineError(
    'runtime "library": the shared library of ONNX Runtime can\'t be called here; expected "binding"',
  );
}

/** What runs a function that returns no arrays: ONNX Runtime takes no graph without outputs. */
const nothing: RuntimeSession = {
  fillsBuffers: false,
  run: async () => [],
  endProfile() {},
  async release() {},
};

/**
 * A graph loaded into ONNX Runtime.
 */
export class EngineSession {
  readonly #session: RuntimeSession;

  private constructor(session: RuntimeSession) {
    this.#session = session;
  }

  static async load(program: RunnableModel, options: EngineOptions): Promise<EngineSession> {
    const runtime = runtimeFor(options);
    if (program.outputs.length === 0) return new EngineSession(nothing);
    try {
      return new EngineSession(await runtime.load(program, options));
    } catch (error) {
      throw loadError(error);
    }
  }

  /** Whether the runtime fills the buffers that are given to {@link run}. */
  get fillsBuffers(): boolean {
    return this.#session.fillsBuffers;
  }

  /**
   * Runs the graph.
   *
   * @param inputs - the elements of each input
   * @param free - buffers for the first outputs, or null, that the runtime may fill
   * @returns the elements of each output, in the buffer given for it where the runtime can fill buffers
   */
  async run(inputs: readonly EngineData[], free: readonly (EngineData | null)[] = []): Promise<EngineData[]> {
    try {
      return await this.#session.run(inputs, free);
    } catch (error) {
      throw new EngineError(`ONNX Runtime could not run the compiled function: ${oneLine(error)}`, {
        cause: error,
      });
    }
  }

  endProfile(): void {
    this.#session.endProfile();
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

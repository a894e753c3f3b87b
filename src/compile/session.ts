import { DataError, RotorError } from "../errors.ts";
import type { Elements } from "./elements.ts";
import { EngineError, UnsupportedPrimitiveError } from "./errors.ts";
import type { Program } from "./program.ts";
import { withRepeated } from "./repeatedOutputs.ts";
import { bindingRuntime } from "./runtime/bindingRuntime.ts";
import { browserGpuRuntime } from "./runtime/browserGpuRuntime.ts";
import { libraryRuntime } from "./runtime/libraryRuntime.ts";
import { isNode } from "./runtime/onnxPackage.ts";
import type {
  EngineOptions,
  Residence,
  RunnableModel,
  Runtime,
  RuntimeSession,
  Transferred,
} from "./runtime/runtime.ts";
import { webgpuRuntime } from "./runtime/webgpuRuntime.ts";

function runtimeFor({ device = "cpu", runtime, executionProviders }: EngineOptions): Runtime {
  if (device === "gpu") {
    const other =
      runtime !== undefined ? "runtime" : executionProviders !== undefined ? "executionProviders" : null;
    if (other !== null) throw new EngineError(`device "gpu": decides ${other} itself; leave it out`);
    return isNode ? webgpuRuntime() : browserGpuRuntime;
  }
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
  overwrites: false,
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

  static async load(
    program: RunnableModel & Pick<Program, "repeated">,
    options: EngineOptions,
    { kept, repeats }: Residence,
  ): Promise<EngineSession> {
    const runtime = runtimeFor(options);
    const { repeated } = program;
    const isMade = (_: unknown, i: number) => repeated[i] === null;
    const outputs = program.outputs.filter(isMade);
    if (outputs.length === 0) return new EngineSession(withRepeated(nothing, program.outputs, repeated));
    try {
      const keptOnes = repeated.slice(0, kept).filter(isMade).length;
      const session = await runtime.load({ ...program, outputs }, options, { kept: keptOnes, repeats });
      return new EngineSession(withRepeated(session, program.outputs, repeated));
    } catch (error) {
      throw error instanceof RotorError ? error : loadError(error);
    }
  }

  /** Whether the runtime fills the buffers that are given to {@link run}. */
  get fillsBuffers(): boolean {
    return this.#session.fillsBuffers;
  }

  /** Whether the buffer of an output may be that of an input. */
  get overwrites(): boolean {
    return this.#session.overwrites;
  }

  /** Bytes copied to the device and back so far. */
  get transferred(): Transferred {
    return this.#session.transferred ?? { up: 0, down: 0 };
  }

  /**
   * Runs the graph.
   *
   * @param inputs - the elements of each input
   * @param free - buffers for the first outputs, or null, that the runtime may fill
   * @returns the elements of each output, in the buffer given for it where the runtime can fill buffers
   */
  async run(inputs: readonly Elements[], free: readonly (Elements | null)[] = []): Promise<Elements[]> {
    try {
      return await this.#session.run(inputs, free);
    } catch (error) {
      if (error instanceof RotorError) throw error;
      const message = oneLine(error);
      throw (
        gatherError(message, error) ??
        new EngineError(`ONNX Runtime could not run the compiled function: ${message}`, {
          cause: error,
        })
      );
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

/**
 * An index out of range, which the rule of the primitive `gather` marks as described there: an error of the data, not of the engine.
 */
function gatherError(message: string, cause: unknown): DataError | null {
  const found =
    /Name:'gather (\w+\[[\d,]*\]), ([^'/]*)\/.*idx=(-?\d+) must be within the inclusive range \[-(\d+),/.exec(
      message,
    );
  if (found === null) return null;
  const [, table, indices, idx, total] = found;
  const value = Number(idx) < 0 ? Number(idx) + Number(total) : Number(idx) - Number(total);
  const single = indices!.match(/\w+\[/g)!.length === 1;
  const range = single ? `[0, ${total})` : "the axis that it picks from";
  return new DataError(
    `compiled function: index ${value} into ${table} by ${indices}: expected an integer in ${range}, as tokens, labels, codes and positions must be`,
    { cause },
  );
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

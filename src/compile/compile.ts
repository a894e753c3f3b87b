import type { DType } from "@jax-js/jax";
import { tree } from "@jax-js/jax";
import { OwnershipError } from "../errors.ts";
import { type FlatArguments, flattenArguments, leafElements } from "./arguments.ts";
import { placedDevice } from "./chooseDevice.ts";
import { DeviceBuffer, type Elements } from "./elements.ts";
import { arrayFromData, EngineArray, type EngineLeaves, type IsAny } from "./engineArray.ts";
import type { Precision } from "./halfProducts.ts";
import { buildProgram, type Program } from "./program.ts";
import type { GraphRewrite } from "./rewrites/index.ts";
import type { EngineOptions, Residence } from "./runtime/runtime.ts";
import { EngineSession } from "./session.ts";

export interface CompileOptions extends EngineOptions {
  /** Name of the ONNX graph; by default the function's. */
  readonly name?: string;
  /** Leaves of the result: arrays of jax-js (the default), or arrays that stay in the engine. */
  readonly outputs?: "arrays" | "engine";
  /** Rewrites of the graph to do; by default all. Fewer are of use to measure one, or to find the cause of a difference. */
  readonly rewrites?: readonly GraphRewrite[];
  /**
   * `"mixed"`: matrix products take operands of float16 and give float16, all else is float32. A GPU must have float16 for it; on the CPU, which has no
   * such kernels, operands and results are rounded to float16, which shows what it does to numbers and saves no time. Default `"float32"`.
   */
  readonly precision?: Precision;
  /**
   * Whether the backward pass makes the activations of the forward pass again, from one of each residual branch, instead of keeping them all: less
   * memory for the time of another forward pass at most, and the same results. The forward pass is known by its loss, an output of one number.
   * Default false.
   */
  readonly recompute?: boolean;
}

/** A tree whose arrays may also be arrays of the engine or plain numbers. */
export type EngineTree<T> =
  IsAny<T> extends true
    ? T
    : T extends readonly unknown[]
      ? { [K in keyof T]: EngineTree<T[K]> }
      : T extends { readonly ref: unknown; readonly shape: number[] }
        ? T | EngineArray | number | boolean
        : T extends object
          ? { [K in keyof T]: EngineTree<T[K]> }
          : T;

/** A function that ONNX Runtime runs. */
export interface CompiledFunction<Args extends readonly unknown[], Out> {
  /** Runs the function. Consumes the jax-js arrays among the arguments, as `jit` does; arrays of the engine stay. */
  (...args: EngineTree<Args> extends infer A extends readonly unknown[] ? A : never): Promise<Out>;
  /** The model file (a serialized ONNX `ModelProto`) for arguments of these shapes, which are not consumed. */
  toOnnx(
    ...args: EngineTree<Args> extends infer A extends readonly unknown[] ? A : never
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** What the function became: equations of the jaxpr, nodes per ONNX operator. The arguments are not consumed. */
  inspect(
    ...args: EngineTree<Args> extends infer A extends readonly unknown[] ? A : never
  ): Promise<Program["statistics"]>;
  /** Releases the sessions of the runtime; the function can't be called afterwards. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Loaded {
  readonly program: Program;
  readonly session: EngineSession;
}

/** Programs of one function, one per combination of argument types. */
export class ProgramCache {
  readonly #fn: (...args: never[]) => unknown;
  readonly #options: CompileOptions;
  readonly #loaded = new Map<string, Promise<Loaded>>();
  #disposed = false;

  constructor(fn: (...args: never[]) => unknown, options: CompileOptions) {
    this.#fn = fn;
    this.#options = options;
  }

  /** @param leavesOutRepeated - as {@link buildProgram} takes it */
  async build({ types, structure }: FlatArguments, leavesOutRepeated = false): Promise<Program> {
    const { name = this.#fn.name || "function", rewrites, precision, recompute } = this.#options;
    const device = await placedDevice(this.#options.device);
    // What a GPU's session makes stays in its memory.
    const leavesOut = leavesOutRepeated && device === "cpu";
    return buildProgram(this.#fn, types, structure, name, rewrites, device, precision, leavesOut, recompute);
  }

  load(args: FlatArguments, residence: Residence): Promise<Loaded> {
    if (this.#disposed) throw new OwnershipError("compile: the compiled function was called after dispose()");
    const known = this.#loaded.get(args.key);
    if (known !== undefined) return known;
    const loading = this.build(args, true).then(async (program) => ({
      program,
      session: await EngineSession.load(
        program,
        { ...this.#options, device: await placedDevice(this.#options.device) },
        residence,
      ),
    }));
    this.#loaded.set(args.key, loading);
    // A failed attempt is not kept: the next call reports its own error.
    loading.catch(() => this.#loaded.delete(args.key));
    return loading;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    const loaded = [...this.#loaded.values()];
    this.#loaded.clear();
    for (const attempt of loaded) {
      const result = await attempt.catch(() => null);
      await result?.session.release();
    }
  }
}

/** Rebuilds the tree of results from their elements. */
export async function unflattenOutputs(
  program: Program,
  from: number,
  structure: tree.JsTreeDef,
  data: readonly Elements[],
  kind: "arrays" | "engine",
): Promise<unknown> {
  const leaves: unknown[] = [];
  for (const [i, elements] of data.entries()) {
    const { dtype, shape } = program.outputs[from + i]!;
    if (kind === "engine") leaves.push(new EngineArray(dtype as DType, shape, elements));
    else {
      const host = elements instanceof DeviceBuffer ? await elements.load() : elements;
      leaves.push(arrayFromData(host, shape, dtype as DType));
    }
  }
  return tree.unflatten(structure, leaves);
}

/**
 * Compiles a function of jax-js arrays for ONNX Runtime: the counterpart of `jit`, with the same trees in and out.
 *
 * The function is traced once per combination of argument shapes and dtypes. Its whole computation (forward, backward and
 * optimizer, if they are in it) becomes one ONNX graph, which one session of ONNX Runtime runs with native kernels.
 * Calls are asynchronous.
 *
 * @param fn - a pure function over trees of arrays; it must not read values (`.js()`, `.item()`)
 * @throws UnsupportedPrimitiveError (from the call) if a primitive can't be lowered; the arguments then still belong to the
 *   caller
 *
 * @example
 * ```ts
 * await using product = compile((w: np.Array, x: np.Array) => np.matmul(x, w).sum());
 * await product(np.array([[1], [2]]), np.array([[3, 4]])); // => 11
 * ```
 */
export function compile<Args extends readonly unknown[], Out>(
  fn: (...args: Args) => Out,
  options: CompileOptions & { readonly outputs: "engine" },
): CompiledFunction<Args, EngineLeaves<Out>>;
export function compile<Args extends readonly unknown[], Out>(
  fn: (...args: Args) => Out,
  options?: CompileOptions,
): CompiledFunction<Args, Out>;
export function compile<Args extends readonly unknown[], Out>(
  fn: (...args: Args) => Out,
  options: CompileOptions = {},
): CompiledFunction<Args, Out> {
  const programs = new ProgramCache(fn as (...args: never[]) => unknown, options);
  const call = async (...args: unknown[]): Promise<unknown> => {
    const flat = flattenArguments(args);
    const kept = options.outputs === "engine" ? Number.POSITIVE_INFINITY : 0;
    const { program, session } = await programs.load(flat, { kept, repeats: false });
    const data = await Promise.all(flat.leaves.map(leafElements));
    const results = await session.run(data);
    return unflattenOutputs(program, 0, program.outputTree, results, options.outputs ?? "arrays");
  };
  const dispose = () => programs.dispose();
  return Object.assign(call, {
    toOnnx: async (...args: unknown[]) => (await programs.build(flattenArguments(args))).model.bytes,
    inspect: async (...args: unknown[]) => (await programs.build(flattenArguments(args))).statistics,
    dispose,
    [Symbol.asyncDispose]: dispose,
  }) as unknown as CompiledFunction<Args, Out>;
}

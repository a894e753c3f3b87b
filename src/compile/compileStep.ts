import { type DType, tree } from "@jax-js/jax";
import { OwnershipError, ShapeError } from "../errors.ts";
import { ArgumentType, type FlatArguments, flattenArguments, type Leaf, leafElements } from "./arguments.ts";
import { type CompileOptions, type EngineTree, ProgramCache, unflattenOutputs } from "./compile.ts";
import { DeviceBuffer, type Elements, hostData } from "./elements.ts";
import { arrayFromData, EngineArray, type EngineLeaves } from "./engineArray.ts";
import type { Program } from "./program.ts";
import type { Transferred } from "./runtime/runtime.ts";
import type { EngineSession } from "./session.ts";

/** The elements of one leaf of a state. */
interface Buffer {
  readonly data: Elements;
  /** Whether nobody else can hold the memory. */
  readonly isOurs: boolean;
}

/**
 * State that stays in the engine between steps (parameters and optimizer state, say). A step reads one set of buffers and fills
 * another; then they change places. Leaves that nothing reads any more when their new value is made (the moments of an optimizer, say)
 * have one buffer, which is overwritten. Where the runtime makes buffers of its own, the old ones are freed at once, not when the
 * garbage collector finds them.
 *
 * @example
 * ```ts
 * await using step = compileStep((w: np.Array, x: np.Array) => [w.ref.add(x), w.sum()]);
 * using state = await step.init(np.array([1, 2]));
 * state.byteLength; // => 8
 * (await step(state, np.array([10, 20]))).dispose();
 * state.read(); // => [11, 22]
 * ```
 */
export class EngineState<S> {
  readonly #structure: tree.JsTreeDef;
  readonly #types: readonly ArgumentType[];
  #current: readonly Buffer[] | null;
  /** The buffers that the next step may fill. */
  #free: readonly (Elements | null)[] = [];
  #generation = 0;
  #busy = false;
  /** Whether a step failed that may have overwritten a part. */
  #isLost = false;
  /** @internal */
  readonly key: string;

  /** @internal Made by {@link CompiledStep.init}. */
  constructor(structure: tree.JsTreeDef, types: readonly ArgumentType[], buffers: Buffer[]) {
    this.#structure = structure;
    this.#types = types;
    this.#current = buffers;
    this.key = `${structure.toString()} ${types.join(" ")}`;
  }

  #held(): readonly Buffer[] {
    if (this.#current === null) throw new OwnershipError("EngineState: used after dispose()");
    return this.#current;
  }

  #buffers(): readonly Buffer[] {
    const buffers = this.#held();
    if (this.#isLost) {
      throw new OwnershipError(
        "EngineState: a step failed while it was overwriting the state; write() a whole one, or start from a checkpoint",
      );
    }
    return buffers;
  }

  get types(): readonly ArgumentType[] {
    return this.#types;
  }

  get structure(): tree.JsTreeDef {
    return this.#structure;
  }

  /** Bytes of the state (one set of buffers). */
  get byteLength(): number {
    return this.#buffers().reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /**
   * The current state without a copy, for passing to compiled functions or writing to a file. The arrays may be used until
   * the next step; then they throw {@link OwnershipError}.
   */
  leaves(): EngineLeaves<S> {
    const buffers = this.#buffers();
    const generation = this.#generation;
    const isAlive = () => this.#current !== null && this.#generation === generation;
    const arrays = buffers.map(({ data }, i) => {
      const { dtype, shape } = this.#types[i]!;
      return new EngineArray(dtype, shape, data, isAlive);
    });
    return tree.unflatten(this.#structure, arrays) as unknown as EngineLeaves<S>;
  }

  /**
   * A copy of the current state as arrays of jax-js.
   *
   * @throws EngineError in a browser if it is on a device: {@link load} waits for it
   */
  read(): S {
    const arrays = this.#buffers().map(({ data }, i) =>
      arrayFromData(hostData(data), this.#types[i]!.shape, this.#types[i]!.dtype),
    );
    return tree.unflatten(this.#structure, arrays) as unknown as S;
  }

  /**
   * A copy of the current state in host memory, wherever it is; no step may run meanwhile.
   *
   * @throws OwnershipError if one is under way
   */
  async load(): Promise<EngineLeaves<S>> {
    using _hold = this.hold();
    const arrays: EngineArray[] = [];
    for (const [i, { data }] of this.#buffers().entries()) {
      const { dtype, shape } = this.#types[i]!;
      const copy = data instanceof DeviceBuffer ? await data.load() : data.slice();
      arrays.push(new EngineArray(dtype, shape, copy));
    }
    return tree.unflatten(this.#structure, arrays) as unknown as EngineLeaves<S>;
  }

  /**
   * Overwrites the state; consumes the jax-js arrays of the tree.
   *
   * @throws ShapeError if the tree, a shape or a dtype differs, OwnershipError if a step is under way; nothing is consumed or written then
   */
  async write(state: EngineTree<S>): Promise<void> {
    this.#held();
    const { leaves, types, structure } = flattenArguments([state]);
    checkSameTypes(
      this.#structure,
      this.#types,
      structure.childTreedefs[0]!,
      types,
      "EngineState.write: the new state",
    );
    using _hold = this.hold();
    const incoming = await Promise.all(
      leaves.map(async (leaf) => {
        const elements = await leafElements(leaf);
        return elements instanceof DeviceBuffer ? elements.load() : elements;
      }),
    );
    const buffers = this.#held();
    const own = new Set(buffers.map(({ data }) => memoryOf(data)));
    // Parts of the state itself may change places, and memory that others hold is only read.
    const given = incoming.map((elements) => (own.has(elements.buffer) ? elements.slice() : elements));
    this.#current = buffers.map(({ data, isOurs }, i) => {
      // What was on a device goes there again with the next step.
      if (data instanceof DeviceBuffer && isOurs) data.dispose();
      if (data instanceof DeviceBuffer || !isOurs)
        return { data: given[i]!.slice() as Elements, isOurs: true };
      (data as Float32Array).set(given[i]! as Float32Array);
      return { data, isOurs };
    });
    this.#isLost = false;
    this.#generation++;
  }

  /**
   * Keeps other steps and writes away until disposed of.
   *
   * @throws OwnershipError if one is under way
   * @internal
   */
  hold(): Disposable {
    if (this.#busy)
      throw new OwnershipError("EngineState: a step is still running on this state; await it first");
    this.#busy = true;
    return {
      [Symbol.dispose]: () => {
        this.#busy = false;
      },
    };
  }

  /**
   * Runs a step, during a {@link hold}, and, if it succeeds, makes what it returned the current state.
   *
   * @param run - the step, given the current elements and buffers that it may fill (null: it makes new ones)
   * @param session - what runs it
   * @param overwritable - whether a leaf's own buffer may be filled, where the session does that
   * @param inputs - what else the step reads
   * @internal
   */
  async advance(
    run: (current: readonly Elements[], free: readonly (Elements | null)[]) => Promise<Elements[]>,
    { fillsBuffers, overwrites }: EngineSession,
    overwritable: readonly boolean[],
    inputs: readonly Elements[],
  ): Promise<void> {
    const current = this.#buffers();
    const read = new Set(inputs.map(memoryOf));
    const isOverwritten = current.map(
      ({ data, isOurs }, i) => overwrites && overwritable[i] === true && isOurs && !read.has(memoryOf(data)),
    );
    try {
      const written = await run(
        current.map(({ data }) => data),
        current.map(({ data }, i) => (isOverwritten[i] ? data : (this.#free[i] ?? null))),
      );
      if (this.#current === null) return;
      this.#current = written.map((data) => ({ data, isOurs: true }));
      this.#generation++;
      const old = ownedBuffers(current);
      if (!fillsBuffers) return release(old);
      // Buffers of another device than the step's are of no use to the next one.
      const isOfUse = (data: Elements | null, i: number) =>
        data instanceof DeviceBuffer === written[i] instanceof DeviceBuffer;
      release(old.filter((data, i) => !isOverwritten[i] && !isOfUse(data, i)));
      this.#free = old.map((data, i) => {
        if (isOverwritten[i]) return this.#free[i] ?? null;
        return isOfUse(data, i) ? data : null;
      });
    } catch (error) {
      if (isOverwritten.includes(true)) {
        this.#isLost = true;
        this.#generation++;
      }
      throw error;
    }
  }

  /** Frees the buffers; arrays from {@link leaves} throw afterwards. */
  dispose(): void {
    if (this.#current !== null && !this.#busy) {
      release(ownedBuffers(this.#current));
      release(this.#free);
    }
    this.#current = null;
    this.#free = [];
    this.#generation++;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Gives the memory back without waiting for the garbage collector. */
function release(buffers: readonly (Elements | null)[]): void {
  for (const data of buffers) {
    if (data instanceof DeviceBuffer) data.dispose();
    else data?.buffer.transfer(0);
  }
}

/** What two arrays share where one is written into the other. */
const memoryOf = (data: Elements): object => (data instanceof DeviceBuffer ? data : data.buffer);

function ownedBuffers(buffers: readonly Buffer[]): (Elements | null)[] {
  return buffers.map(({ data, isOurs }) => (isOurs ? data : null));
}

/** A step that advances a state held by the engine. */
export interface CompiledStep<S, Inputs extends readonly unknown[], Out> {
  /** Runs one step: the state moves on inside the engine, the outputs are returned. Consumes jax-js arrays among the inputs. */
  (
    state: EngineState<S>,
    ...inputs: EngineTree<Inputs> extends infer I extends readonly unknown[] ? I : never
  ): Promise<Out>;
  /** Puts a state into the engine. Consumes the arrays of the tree, those of the engine too; leaves of another state are copied. */
  init(state: EngineTree<S>): Promise<EngineState<S>>;
  /** The model file for a state and inputs of these shapes: inputs are the leaves of both, outputs the new state's and then the others. */
  toOnnx(
    state: EngineState<S>,
    ...inputs: EngineTree<Inputs> extends infer I extends readonly unknown[] ? I : never
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Traces, lowers and loads the step for inputs of these shapes, so that the first call doesn't have to. Nothing is consumed. */
  prepare(
    state: EngineState<S>,
    ...inputs: EngineTree<Inputs> extends infer I extends readonly unknown[] ? I : never
  ): Promise<void>;
  inspect(
    state: EngineState<S>,
    ...inputs: EngineTree<Inputs> extends infer I extends readonly unknown[] ? I : never
  ): Promise<Program["statistics"]>;
  /** Bytes that all steps so far have copied to the device and back; none on the CPU. */
  transferred(): Transferred;
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function checkSameTypes(
  structure: tree.JsTreeDef,
  types: readonly { shape: readonly number[]; dtype: string }[],
  otherStructure: tree.JsTreeDef,
  others: readonly { shape: readonly number[]; dtype: string }[],
  what: string,
): void {
  if (!structure.equals(otherStructure)) {
    throw new ShapeError(`${what} has the tree ${otherStructure}, expected ${structure}`);
  }
  types.forEach((type, i) => {
    const other = others[i]!;
    if (type.dtype !== other.dtype || type.shape.join() !== other.shape.join()) {
      throw new ShapeError(
        `${what} has ${other.dtype}[${other.shape.join()}] at leaf ${i}, expected ${type.dtype}[${type.shape.join()}]`,
      );
    }
  });
}

/**
 * Compiles a step `(state, ...inputs) => [newState, outputs]` whose state stays in the engine: a training loop copies no
 * parameters and allocates nothing that grows. The new state must have the tree, shapes and dtypes of the old one.
 *
 * @example
 * ```ts
 * await using step = compileStep((w: np.Array, x: np.Array) => {
 *   const loss = (v: np.Array) => np.square(v.sub(x)).sum();
 *   const [value, gradient] = valueAndGrad(loss)(w.ref);
 *   return [w.sub(gradient.mul(0.25)), value];
 * });
 * using state = await step.init(np.array([4]));
 * await step(state, np.array([2])); // => 4
 * await step(state, np.array([2])); // => 1
 * state.read(); // => [2.5]
 * ```
 */
export function compileStep<S, Inputs extends readonly unknown[], Out>(
  fn: (state: S, ...inputs: Inputs) => readonly [S, Out],
  options: CompileOptions & { readonly outputs: "engine" },
): CompiledStep<S, Inputs, EngineLeaves<Out>>;
export function compileStep<S, Inputs extends readonly unknown[], Out>(
  fn: (state: S, ...inputs: Inputs) => readonly [S, Out],
  options?: CompileOptions,
): CompiledStep<S, Inputs, Out>;
export function compileStep<S, Inputs extends readonly unknown[], Out>(
  fn: (state: S, ...inputs: Inputs) => readonly [S, Out],
  options: CompileOptions = {},
): CompiledStep<S, Inputs, Out> {
  const programs = new ProgramCache(fn as unknown as (...args: never[]) => unknown, {
    ...options,
    name: options.name ?? (fn.name || "step"),
  });

  function combine(state: EngineState<S>, inputs: FlatArguments): FlatArguments {
    const placeholder = tree.unflatten(state.structure, [...state.types]);
    const inputTree = tree.unflatten(inputs.structure, [...inputs.types]) as unknown as unknown[];
    const structure = tree.structure([placeholder, ...inputTree]) as tree.JsTreeDef;
    return {
      leaves: inputs.leaves,
      types: [...state.types, ...inputs.types],
      structure,
      key: `${state.key} | ${inputs.key}`,
    };
  }

  function outputStructure(program: Program, state: EngineState<S>): tree.JsTreeDef {
    const [newState, rest] = program.outputTree.childTreedefs;
    if (program.outputTree.nodeType !== "Array" || newState === undefined || rest === undefined) {
      throw new ShapeError(
        `compileStep: the step must return [newState, outputs], got the tree ${program.outputTree}`,
      );
    }
    checkSameTypes(
      state.structure,
      state.types,
      newState,
      program.outputs.slice(0, newState.size),
      "compileStep: the new state",
    );
    return rest;
  }

  const sessions = new Set<EngineSession>();
  const checked = new WeakMap<Program, tree.JsTreeDef>();
  const call = async (state: EngineState<S>, ...inputs: unknown[]): Promise<unknown> => {
    const flat = combine(state, flattenArguments(inputs));
    using _hold = state.hold();
    const numState = state.types.length;
    const { program, session } = await programs.load(flat, { kept: numState, repeats: true });
    sessions.add(session);
    let structure = checked.get(program);
    if (structure === undefined) {
      structure = outputStructure(program, state);
      checked.set(program, structure);
    }
    const data = await Promise.all(flat.leaves.map((leaf: Leaf) => leafElements(leaf)));
    let outputs: Elements[] = [];
    await state.advance(
      async (current, free) => {
        const results = await session.run([...current, ...data], free);
        outputs = results.slice(numState);
        return results.slice(0, numState);
      },
      session,
      program.overwritable,
      data,
    );
    return unflattenOutputs(program, numState, structure, outputs, options.outputs ?? "arrays");
  };
  const dispose = () => programs.dispose();
  return Object.assign(call, {
    init: async (state: unknown): Promise<EngineState<S>> => {
      const { leaves, types, structure } = flattenArguments([state]);
      const buffers: Buffer[] = [];
      // One after the other: jax-js computes an array when it is read, so that only one is in its memory at a time.
      for (const leaf of leaves) {
        buffers.push(
          leaf instanceof EngineArray ? await leaf.take() : { data: await leafElements(leaf), isOurs: true },
        );
      }
      const fixed = types.map(({ shape, dtype }) => new ArgumentType(shape, dtype as DType, false));
      return new EngineState<S>(structure.childTreedefs[0]!, fixed, buffers);
    },
    toOnnx: async (state: EngineState<S>, ...inputs: unknown[]) =>
      (await programs.build(combine(state, flattenArguments(inputs)))).model.bytes,
    prepare: async (state: EngineState<S>, ...inputs: unknown[]) => {
      const residence = { kept: state.types.length, repeats: true };
      await programs.load(combine(state, flattenArguments(inputs)), residence);
    },
    inspect: async (state: EngineState<S>, ...inputs: unknown[]) =>
      (await programs.build(combine(state, flattenArguments(inputs)))).statistics,
    transferred: () => {
      const all = [...sessions].map(({ transferred }) => transferred);
      return { up: sum(all.map(({ up }) => up)), down: sum(all.map(({ down }) => down)) };
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  }) as unknown as CompiledStep<S, Inputs, Out>;
}

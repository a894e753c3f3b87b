import { type DType, tree } from "@jax-js/jax";
import { OwnershipError, ShapeError } from "../errors.ts";
import { ArgumentType, type FlatArguments, flattenArguments, type Leaf, leafData } from "./arguments.ts";
import { type CompileOptions, type EngineTree, ProgramCache, unflattenOutputs } from "./compile.ts";
import { arrayFromData, EngineArray, type EngineData, type EngineLeaves } from "./engineArray.ts";
import type { Program } from "./program.ts";

/** The elements of one leaf of a state. */
interface Buffer {
  readonly data: EngineData;
  /** Whether nobody else can hold the memory. */
  readonly isOurs: boolean;
}

/**
 * State that stays in the engine between steps (parameters and optimizer state, say). A step reads one set of buffers and fills
 * another; then they change places. Leaves that nothing reads any more when their new value is made (the moments of an optimizer, say)
 * have one buffer, which is overwritten. Where the runtime makes buffers of its own, the old ones are freed at once, not when the
 * garbage collector finds them.
 */
export class EngineState<S> {
  readonly #structure: tree.JsTreeDef;
  readonly #types: readonly ArgumentType[];
  #current: readonly Buffer[] | null;
  /** The buffers that the next step may fill. */
  #free: readonly (EngineData | null)[] = [];
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
    return tree.unflatten(this.#structure, arrays as never) as unknown as EngineLeaves<S>;
  }

  /** A copy of the current state as arrays of jax-js. */
  read(): S {
    const arrays = this.#buffers().map(({ data }, i) =>
      arrayFromData(data, this.#types[i]!.shape, this.#types[i]!.dtype),
    );
    return tree.unflatten(this.#structure, arrays as never) as unknown as S;
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
    const incoming = await Promise.all(leaves.map(leafData));
    const buffers = this.#held();
    const own = new Set(buffers.map(({ data }) => data.buffer));
    // Parts of the state itself may change places, and memory that others hold is only read.
    const given = incoming.map((elements) => (own.has(elements.buffer) ? elements.slice() : elements));
    this.#current = buffers.map(({ data, isOurs }, i) => {
      if (!isOurs) return { data: given[i]!.slice() as EngineData, isOurs: true };
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
   * @param fillsBuffers - whether it fills them
   * @param overwritable - whether a leaf's own buffer may be filled
   * @param inputs - what else the step reads
   * @internal
   */
  async advance(
    run: (current: readonly EngineData[], free: readonly (EngineData | null)[]) => Promise<EngineData[]>,
    fillsBuffers: boolean,
    overwritable: readonly boolean[],
    inputs: readonly EngineData[],
  ): Promise<void> {
    const current = this.#buffers();
    const read = new Set(inputs.map(({ buffer }) => buffer));
    const isOverwritten = current.map(
      ({ data, isOurs }, i) => fillsBuffers && overwritable[i] === true && isOurs && !read.has(data.buffer),
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
      if (fillsBuffers)
        this.#free = old.map((data, i) => (isOverwritten[i] ? (this.#free[i] ?? null) : data));
      else release(old);
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
function release(buffers: readonly (EngineData | null)[]): void {
  for (const data of buffers) data?.buffer.transfer(0);
}

function ownedBuffers(buffers: readonly Buffer[]): (EngineData | null)[] {
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
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

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
 * const step = compileStep((w: np.Array, x: np.Array) => {
 *   const [loss, gradient] = valueAndGrad((w: np.Array) => np.matmul(x, w).sum())(w.ref);
 *   return [w.sub(gradient.mul(0.1)), loss];
 * });
 * using state = await step.init(w);
 * const loss = await step(state, x);
 */
export function compileStep<S, Inputs extends readonly unknown[], Out>(
  fn: (state: S, ...inputs: Inputs) => readonly [S, Out],
  options: CompileOptions = {},
): CompiledStep<S, Inputs, Out> {
  const programs = new ProgramCache(fn as unknown as (...args: never[]) => unknown, {
    ...options,
    name: options.name ?? (fn.name || "step"),
  });

  function combine(state: EngineState<S>, inputs: FlatArguments): FlatArguments {
    const placeholder = tree.unflatten(state.structure, [...state.types] as never);
    const inputTree = tree.unflatten(inputs.structure, [...inputs.types] as never) as unknown as unknown[];
    const structure = tree.structure([placeholder, ...inputTree] as never) as tree.JsTreeDef;
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

  const checked = new WeakMap<Program, tree.JsTreeDef>();
  const call = async (state: EngineState<S>, ...inputs: unknown[]): Promise<unknown> => {
    const flat = combine(state, flattenArguments(inputs));
    using _hold = state.hold();
    const { program, session } = await programs.load(flat);
    let structure = checked.get(program);
    if (structure === undefined) {
      structure = outputStructure(program, state);
      checked.set(program, structure);
    }
    const numState = state.types.length;
    const data = await Promise.all(flat.leaves.map((leaf: Leaf) => leafData(leaf)));
    let outputs: EngineData[] = [];
    await state.advance(
      async (current, free) => {
        const results = await session.run([...current, ...data], free);
        outputs = results.slice(numState);
        return results.slice(0, numState);
      },
      session.fillsBuffers,
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
          leaf instanceof EngineArray ? leaf.take() : { data: await leafData(leaf), isOurs: true },
        );
      }
      const fixed = types.map(({ shape, dtype }) => new ArgumentType(shape, dtype as DType, false));
      return new EngineState<S>(structure.childTreedefs[0]!, fixed, buffers);
    },
    toOnnx: async (state: EngineState<S>, ...inputs: unknown[]) =>
      (await programs.build(combine(state, flattenArguments(inputs)))).model.bytes,
    prepare: async (state: EngineState<S>, ...inputs: unknown[]) => {
      await programs.load(combine(state, flattenArguments(inputs)));
    },
    inspect: async (state: EngineState<S>, ...inputs: unknown[]) =>
      (await programs.build(combine(state, flattenArguments(inputs)))).statistics,
    dispose,
    [Symbol.asyncDispose]: dispose,
  }) as unknown as CompiledStep<S, Inputs, Out>;
}

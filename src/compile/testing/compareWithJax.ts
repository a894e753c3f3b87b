import { type Device, DType, defaultDevice, makeJaxpr, numpy as np, tree } from "@jax-js/jax";
import { type CompileOptions, compile } from "../index.ts";
import { arrayOf } from "./arrays.ts";

/** How far two floats may be apart: `|actual − expected| ≤ absolute + relative · |expected| + ofLargest · max |expected|`. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
  /** Relative to the largest finite element of the same array. Default 0. */
  readonly ofLargest?: number;
}

/**
 * For float32 arithmetic on values around 1: sums of some hundred terms in another order differ by about 10⁻⁶, and the
 * polynomials that stand for exp, log, sin … in the two libraries by about as much.
 */
export const roundingOfFloat32: Tolerance = { relative: 1e-5, absolute: 2e-6 };

/** For single operations whose result both libraries round once (or that move data): equal up to one unit in the last place. */
export const singleRounding: Tolerance = { relative: 1.2e-7, absolute: 0 };

// biome-ignore lint/suspicious/noExplicitAny: functions under test take and return any trees of arrays
export type AnyFunction = (...args: any[]) => any;

export interface CompareOptions {
  readonly tolerance?: Tolerance;
  readonly compileOptions?: CompileOptions;
  /** A name for the failure message. */
  readonly label?: string;
}

/** Elements of a result with what must be equal about it. */
export interface LeafValue {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** A result as plain data: the printed structure of its tree and its leaves. */
export interface TreeValue {
  readonly structure: string;
  readonly leaves: readonly LeafValue[];
}

/** Reads a tree of arrays; consumes them. Numbers and booleans stand for scalars, as in jax-js. */
export function readTree(value: unknown): TreeValue {
  const [leaves, structure] = tree.flatten(value) as [unknown[], tree.JsTreeDef];
  return {
    structure: structure.toString(),
    leaves: leaves.map((leaf) => {
      if (leaf instanceof np.Array) {
        const { dtype, shape } = leaf;
        return { dtype, shape, data: leaf.dataSync() };
      }
      const dtype = typeof leaf === "boolean" ? DType.Bool : DType.Float32;
      return { dtype, shape: [], data: [Number(leaf)] };
    }),
  };
}

function isFloat(dtype: DType): boolean {
  return dtype === DType.Float32 || dtype === DType.Float64 || dtype === DType.Float16;
}

function isClose(actual: number, expected: number, { relative, absolute }: Tolerance): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(actual);
  if (!Number.isFinite(expected) || !Number.isFinite(actual)) return actual === expected;
  return Math.abs(actual - expected) <= absolute + relative * Math.abs(expected);
}

/** The tolerance for one array, with what is relative to its largest element made absolute. */
function widened({ relative, absolute, ofLargest = 0 }: Tolerance, data: ArrayLike<number>): Tolerance {
  if (ofLargest === 0) return { relative, absolute };
  let largest = 0;
  for (let j = 0; j < data.length; j++) {
    const magnitude = Math.abs(data[j]!);
    if (Number.isFinite(magnitude) && magnitude > largest) largest = magnitude;
  }
  return { relative, absolute: absolute + ofLargest * largest };
}

/**
 * Says how two results differ, in a few lines, or returns null if they don't: structure, dtypes and shapes must be the same,
 * integers and booleans equal, NaNs and infinities at the same places, other floats within the tolerance.
 */
export function describeDifference(
  actual: TreeValue,
  expected: TreeValue,
  tolerance: Tolerance,
): string | null {
  if (actual.structure !== expected.structure) {
    return `tree ${actual.structure}, expected ${expected.structure}`;
  }
  const problems: string[] = [];
  expected.leaves.forEach((e, i) => {
    const a = actual.leaves[i]!;
    if (a.dtype !== e.dtype || a.shape.join() !== e.shape.join()) {
      problems.push(`leaf ${i}: ${a.dtype}[${a.shape.join()}], expected ${e.dtype}[${e.shape.join()}]`);
      return;
    }
    if (a.data.length !== e.data.length) {
      problems.push(`leaf ${i}: ${a.data.length} elements, expected ${e.data.length}`);
      return;
    }
    const limit = isFloat(e.dtype) ? widened(tolerance, e.data) : { relative: 0, absolute: 0 };
    const wrong: number[] = [];
    for (let j = 0; j < e.data.length; j++) {
      const [x, y] = [a.data[j]!, e.data[j]!];
      const same = e.dtype === DType.Bool ? (x !== 0) === (y !== 0) : isClose(x, y, limit);
      if (!same) wrong.push(j);
    }
    if (wrong.length === 0) return;
    const shown = wrong.slice(0, 4).map((j) => `[${j}] ${a.data[j]}, expected ${e.data[j]}`);
    problems.push(
      `leaf ${i} ${e.dtype}[${e.shape.join()}]: ${wrong.length} of ${e.data.length} elements differ: ${shown.join("; ")}`,
    );
  });
  return problems.length === 0 ? null : problems.join("\n");
}

/** jax-js's own printing of what `fn` computes for these arguments, which are not consumed. */
export function printJaxpr(fn: AnyFunction, args: readonly unknown[]): string {
  const { jaxpr } = (makeJaxpr as (f: AnyFunction) => AnyFunction)(fn)(...args);
  try {
    return jaxpr.jaxpr.flatten().simplify().toString();
  } finally {
    jaxpr.dispose();
  }
}

/** Names of the primitives that `fn` uses for these arguments, `jit` included; the arguments are not consumed. */
export function primitivesOf(fn: AnyFunction, args: readonly unknown[]): Set<string> {
  const { jaxpr } = (makeJaxpr as (f: AnyFunction) => AnyFunction)(fn)(...args);
  try {
    const names = (equations: readonly { primitive: string }[]) => equations.map((e) => e.primitive);
    return new Set([...names(jaxpr.jaxpr.eqns), ...names(jaxpr.jaxpr.flatten().eqns)]);
  } finally {
    jaxpr.dispose();
  }
}

/** Runs `fn` with jax-js, eagerly; the arguments are not consumed. */
export function runWithJax(fn: AnyFunction, args: readonly unknown[]): TreeValue {
  return readTree(fn(...(tree.ref(args) as unknown[])));
}

/** Runs a function while arrays are made on another device of jax-js. */
export async function withDevice<T>(device: Device, run: () => T | Promise<T>): Promise<T> {
  const previous = defaultDevice();
  defaultDevice(device);
  try {
    return await run();
  } finally {
    defaultDevice(previous);
  }
}

/** Runs `fn` with the backend of jax-js that interprets expressions in JavaScript; the arguments are not consumed. */
export function interpretWithJax(fn: AnyFunction, args: readonly unknown[]): Promise<TreeValue> {
  return withDevice("cpu", () => {
    const copies = tree.map((leaf: unknown) => {
      if (!(leaf instanceof np.Array)) return leaf as np.Array;
      const { dtype, shape } = leaf;
      return arrayOf(dtype, shape, leaf.ref.dataSync());
    }, args) as unknown as unknown[];
    return readTree(fn(...copies));
  });
}

/** Runs `fn` compiled; the arguments are not consumed. */
export async function runCompiled(
  fn: AnyFunction,
  args: readonly unknown[],
  options: CompileOptions = {},
): Promise<TreeValue> {
  // One thread: the arrays of tests are small, and pools of threads of many sessions would fight for the cores.
  const compiled = compile(fn as (...args: np.Array[]) => np.Array, { threads: 1, ...options });
  const leaves = (tree.leaves(args) as unknown[]).filter((leaf) => leaf instanceof np.Array);
  const counts = leaves.map((leaf) => leaf.refCount);
  try {
    return readTree(await compiled(...(tree.ref(args) as np.Array[])));
  } catch (error) {
    // A call that fails before it reads the arguments leaves them to the caller.
    leaves.forEach((leaf, i) => {
      while (leaf.refCount > counts[i]!) leaf.dispose();
    });
    throw error;
  } finally {
    await compiled.dispose();
  }
}

/**
 * Asserts that `fn` gives the same with jax-js, run eagerly, and compiled for ONNX Runtime.
 *
 * jax-js 0.1.25 computes some functions wrongly in WebAssembly (an inner product over one element of broadcast arrays, which
 * second derivatives of products contain, or a product over booleans). Where the two differ, jax-js's interpreter decides.
 *
 * @param args - example arguments (trees of arrays); consumed
 * @returns whether jax-js's WebAssembly agreed, or only its interpreter did
 * @throws Error with the differences, the argument types and the jaxpr
 */
export async function compareWithJax(
  fn: AnyFunction,
  args: readonly unknown[],
  { tolerance = roundingOfFloat32, compileOptions = {}, label = "" }: CompareOptions = {},
): Promise<"agree" | "only the interpreter agrees"> {
  try {
    const expected = runWithJax(fn, args);
    let difference: string | null;
    let cause: unknown;
    try {
      const actual = await runCompiled(fn, args, compileOptions);
      difference = describeDifference(actual, expected, tolerance);
      if (difference === null) return "agree";
      const interpreted = await interpretWithJax(fn, args);
      if (describeDifference(actual, interpreted, tolerance) === null) return "only the interpreter agrees";
    } catch (error) {
      difference = `compiling or running threw: ${error}`;
      cause = error;
    }
    throw new Error(`${label}\n${difference}\n${printJaxpr(fn, args)}`.trim(), { cause });
  } finally {
    tree.dispose(args);
  }
}

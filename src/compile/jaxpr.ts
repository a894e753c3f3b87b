import { type DType, makeJaxpr, type numpy as np, tree } from "@jax-js/jax";
import { sizeOf } from "./view.ts";

/** Shape and element type of a traced value. */
export interface AbstractValue {
  readonly shape: number[];
  readonly dtype: DType;
  readonly weakType: boolean;
}

/** A variable of a jaxpr (compared by identity). */
export interface Var {
  readonly id: number;
  readonly aval: AbstractValue;
}

/** A scalar written into a jaxpr. */
export interface Literal {
  readonly value: number;
  readonly aval: AbstractValue;
}

export type Atom = Var | Literal;

/** `outBinders = primitive[params](inputs)` */
export interface Equation {
  readonly primitive: string;
  readonly inputs: readonly Atom[];
  // biome-ignore lint/suspicious/noExplicitAny: jax-js types the parameters of primitives as any too
  readonly params: Readonly<Record<string, any>>;
  readonly outBinders: readonly Var[];
}

export function isLiteral(atom: Atom): atom is Literal {
  return "value" in atom;
}

/** A traced function without nested calls: constants first, then the arguments. */
export interface TracedFunction {
  readonly constants: readonly np.Array[];
  readonly constantVars: readonly Var[];
  readonly argumentVars: readonly Var[];
  readonly equations: readonly Equation[];
  readonly outputs: readonly Atom[];
  readonly outputTree: tree.JsTreeDef;
  /** jax-js's own printing of the jaxpr. */
  toString(): string;
  /** Frees the constants. */
  dispose(): void;
}

export function sizeOfAval(aval: AbstractValue): number {
  return sizeOf(aval.shape);
}

/**
 * Traces `fn` for arguments of the given types, with `jit` calls inlined and dead equations removed.
 *
 * @param avals - the flattened leaves of the arguments, in the order of `tree.flatten`
 * @param inputTree - the tree of the argument list
 */
export function traceFunction(
  fn: (...args: never[]) => unknown,
  avals: readonly AbstractValue[],
  inputTree: tree.JsTreeDef,
): TracedFunction {
  const abstractArguments = tree.unflatten(inputTree, [...avals]) as never[];
  const { jaxpr: closed, treedef } = (
    makeJaxpr as (f: unknown) => (...args: never[]) => ReturnType<ReturnType<typeof makeJaxpr>>
  )(fn)(...abstractArguments);
  const jaxpr = closed.jaxpr.flatten().simplify();
  const numConstants = closed.consts.length;
  return {
    constants: closed.consts as np.Array[],
    constantVars: jaxpr.inBinders.slice(0, numConstants) as Var[],
    argumentVars: jaxpr.inBinders.slice(numConstants) as Var[],
    equations: jaxpr.eqns as Equation[],
    outputs: jaxpr.outs as Atom[],
    outputTree: treedef,
    toString: () => jaxpr.toString(),
    dispose: () => closed.dispose(),
  };
}

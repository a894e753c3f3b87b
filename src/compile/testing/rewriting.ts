import assert from "node:assert/strict";
import { tree } from "@jax-js/jax";
import { compile, type GraphRewrite } from "../index.ts";
import { type AnyFunction, compareWithJax, type Tolerance } from "./compareWithJax.ts";

/** Nodes of each operator. */
export type Operators = Readonly<Record<string, number>>;

/** The operators of a function's graph with some of the rewrites; the arguments are not consumed. */
export async function operatorsOf(
  fn: AnyFunction,
  args: readonly unknown[],
  rewrites: readonly GraphRewrite[],
): Promise<Operators> {
  await using compiled = compile(fn, { rewrites });
  return (await compiled.inspect(...args)).operators;
}

export function numNodes(operators: Operators): number {
  return Object.values(operators).reduce((a, b) => a + b, 0);
}

/**
 * Asserts that a rewrite alone leaves a function's results those of jax-js.
 *
 * @param args - makes the arguments
 * @returns the operators without rewrites and with this one
 */
export async function rewritten(
  rewrite: GraphRewrite,
  fn: AnyFunction,
  args: () => readonly unknown[],
  tolerance?: Tolerance,
): Promise<{ readonly before: Operators; readonly after: Operators }> {
  const given = args();
  const before = await operatorsOf(fn, given, []);
  const after = await operatorsOf(fn, given, [rewrite]);
  tree.dispose(given);
  await compareWithJax(fn, args(), {
    compileOptions: { rewrites: [rewrite] },
    label: rewrite,
    ...(tolerance === undefined ? {} : { tolerance }),
  });
  return { before, after };
}

/** Asserts that a rewrite changes nothing of a function, which looks like its case but is none. */
export async function leftAlone(
  rewrite: GraphRewrite,
  fn: AnyFunction,
  args: () => readonly unknown[],
): Promise<void> {
  const { before, after } = await rewritten(rewrite, fn, args);
  assert.deepEqual(after, before);
}

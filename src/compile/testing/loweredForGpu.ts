import { type numpy as np, tree } from "@jax-js/jax";
import { flattenArguments, leafElements } from "../arguments.ts";
import { unflattenOutputs } from "../compile.ts";
import { buildProgram, type Program } from "../program.ts";
import { EngineSession } from "../session.ts";
import { type AnyFunction, readTree, type TreeValue } from "./compareWithJax.ts";

/** The graph that a function becomes for a GPU. Nothing is consumed. */
export function lowerForGpu(fn: AnyFunction, args: readonly unknown[]): Promise<Program> {
  const { types, structure } = flattenArguments(args);
  return buildProgram(fn as (...args: never[]) => unknown, types, structure, "lowered", undefined, "gpu");
}

/** Runs on the CPU what a function becomes for a GPU: where no device is, its lowering is checked all the same. Nothing is consumed. */
export async function runLoweredForGpu(fn: AnyFunction, args: readonly unknown[]): Promise<TreeValue> {
  const program = await lowerForGpu(fn, args);
  const session = await EngineSession.load(program, { threads: 1 }, { kept: 0, repeats: false });
  try {
    const { leaves } = flattenArguments(tree.ref(args) as unknown[]);
    const data = await Promise.all(leaves.map(leafElements));
    const results = await session.run(data);
    return readTree((await unflattenOutputs(program, 0, program.outputTree, results, "arrays")) as np.Array);
  } finally {
    await session.release();
  }
}

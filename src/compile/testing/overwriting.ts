import assert from "node:assert/strict";
import { type numpy as np, tree } from "@jax-js/jax";
import { compileStep, type EngineArray } from "../index.ts";
import { libraryRuntime } from "../runtime/libraryRuntime.ts";

/** Nothing is overwritten where the runtime's library can't be called: why tests of it are skipped, or false. */
export const overwritesNothing = libraryRuntime() === null && "the runtime's library can't be called here";

/** A step with its first state and its batches. */
export interface Stepped<State> {
  readonly initialState: () => State;
  readonly step: (state: State, ...batch: np.Array[]) => readonly [State, unknown];
  readonly batch: (step: number) => np.Array[];
}

function buffersOf(leaves: unknown): ArrayBuffer[] {
  return (tree.leaves(leaves) as EngineArray[]).map(({ data }) => data.buffer);
}

const numbersOf = (arrays: unknown) =>
  (tree.leaves(arrays) as np.Array[]).map((array) => [...array.dataSync()]);

/** Outputs and final state of some steps, and which leaves the last one wrote where their old values were. */
async function run<State>({ initialState, step: fn, batch }: Stepped<State>, runtime: "library" | "binding") {
  await using step = compileStep(fn, { threads: 1, runtime });
  using state = await step.init(initialState() as never);
  const outputs: number[][][] = [];
  let isOverwritten: boolean[] = [];
  for (let i = 0; i < 4; i++) {
    const before = buffersOf(state.leaves());
    outputs.push(numbersOf(await step(state, ...batch(i))));
    isOverwritten = buffersOf(state.leaves()).map((buffer, j) => buffer === before[j]);
  }
  return { results: { outputs, state: numbersOf(state.read()) }, isOverwritten };
}

/** Compares with the binding, which runs the same model and writes into nothing that exists; returns which leaves were overwritten. */
export async function holdsWith<State>(stepped: Stepped<State>, label: string): Promise<boolean[]> {
  const expected = await run(stepped, "binding");
  assert.ok(!expected.isOverwritten.includes(true));
  const { results, isOverwritten } = await run(stepped, "library");
  assert.deepEqual(results, expected.results, label);
  return isOverwritten;
}

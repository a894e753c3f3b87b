import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, jvp, type numpy as np, tree, vmap } from "@jax-js/jax";
import fc from "fast-check";
import { randomArray } from "./testing/arrays.ts";
import {
  type AnyFunction,
  compareWithJax,
  describeDifference,
  runCompiled,
  runWithJax,
} from "./testing/compareWithJax.ts";
import { whyNoGpu } from "./testing/gpu.ts";
import { runLoweredForGpu } from "./testing/loweredForGpu.ts";
import { programOperations } from "./testing/programOperations.ts";
import { type ProgramTape, RandomProgram } from "./testing/randomProgram.ts";

/** Raise it for a longer search: `ROTOR_FUZZ_RUNS=20 node --test src/compile/randomPrograms.test.ts` runs 20 times as many. */
const factor = Number(process.env.ROTOR_FUZZ_RUNS ?? "1");
const seed = Number(process.env.ROTOR_FUZZ_SEED ?? "20261123");

/**
 * Values are at most 32 in absolute value and slopes are bounded, so that float32 rounding (6·10⁻⁸ each) of a dozen operations
 * stays below 10⁻⁴ of the largest element, while a wrong element is off by about as much as it is large.
 */
const tolerance = { relative: 1e-3, absolute: 1e-5, ofLargest: 1e-4 };

const shape = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 });
const tapes: fc.Arbitrary<ProgramTape> = fc.record({
  inputs: fc.array(shape, { minLength: 1, maxLength: 3 }),
  instructions: fc.array(
    fc
      .tuple(fc.nat(programOperations.length - 1), fc.array(fc.nat(119), { maxLength: 12 }))
      .map(([op, rest]) => [op, ...rest]),
    { minLength: 1, maxLength: 12, size: "max" },
  ),
  seed: fc.nat(999),
});

interface Comparison {
  readonly fn: AnyFunction;
  readonly args: np.Array[];
}

/** Whether jax-js itself can run a function; the arguments are not consumed. */
function runs({ fn, args }: Comparison): boolean {
  try {
    runWithJax(fn, args);
    return true;
  } catch {
    return false;
  }
}

/**
 * Compares what `make` makes of random programs.
 *
 * @param options.maySkip - share of the programs that jax-js may refuse to run
 */
async function holds(
  numRuns: number,
  make: (program: RandomProgram) => Comparison,
  { maySkip = 0 }: { readonly maySkip?: number } = {},
): Promise<void> {
  let [numCompared, numSkipped, numInterpreted] = [0, 0, 0];
  const property = fc.asyncProperty(tapes, async (tape) => {
    const program = new RandomProgram(tape, programOperations);
    const comparison = make(program);
    if (maySkip > 0 && !runs(comparison)) {
      numSkipped++;
      return;
    }
    numCompared++;
    const { fn, args } = comparison;
    const result = await compareWithJax(fn, args, { tolerance, label: program.toString() });
    if (result !== "agree") numInterpreted++;
  });
  const result = await fc.check(property, { seed, numRuns: Math.ceil(numRuns * factor) });
  if (result.failed) {
    const [tape] = result.counterexample ?? [];
    assert.fail(
      `run ${result.numRuns} failed; smallest program ${JSON.stringify(tape)}:\n${result.errorInstance}`,
    );
  }
  assert.ok(
    numSkipped <= maySkip * (numSkipped + numCompared),
    `jax-js refused ${numSkipped} programs, ${numCompared} were compared`,
  );
  // Were it the rule that jax-js disagrees with itself, there would be no oracle.
  assert.ok(
    numInterpreted <= 0.1 * numCompared,
    `the interpreter decided ${numInterpreted} of ${numCompared}`,
  );
}

/** Indices of the inputs, as an option of `grad`. */
function argnums(program: RandomProgram): { argnums: number[] } {
  return { argnums: Array.from({ length: program.numInputs }, (_, i) => i) };
}

test("random programs give what jax-js gives", async () => {
  await holds(250, (program) => ({
    fn: (...args: np.Array[]) => program.evaluate(args),
    args: program.inputs(),
  }));
});

test("their gradients do", async () => {
  await holds(200, (program) => ({
    fn: grad((...args: np.Array[]) => program.weightedSum(args), argnums(program)),
    args: program.inputs(),
  }));
});

test("the gradients of a weighted sum of their gradients do", async () => {
  await holds(80, (program) => {
    const gradient = grad((...args: np.Array[]) => program.weightedSum(args), argnums(program));
    return {
      fn: grad((...args: np.Array[]) => {
        const parts = gradient(...args) as np.Array[];
        return parts.map((g, i) => g.mul(randomArray(i, g.shape)).sum()).reduce((a, b) => a.add(b));
      }, argnums(program)),
      args: program.inputs(),
    };
  });
});

test("the directional derivatives of their gradients do (Hessian-vector products)", async () => {
  await holds(80, (program) => {
    const gradient = grad((...args: np.Array[]) => program.weightedSum(args), argnums(program));
    return {
      fn: (...args: np.Array[]) =>
        jvp(
          gradient as AnyFunction,
          args,
          args.map((x, i) => randomArray(i, x.shape)),
        ),
      args: program.inputs(),
    };
  });
});

test("their batched forms do (vmap over a first axis)", async () => {
  const batched = (program: RandomProgram) => ({
    fn: vmap((...args: np.Array[]) => program.evaluate(args)) as AnyFunction,
    args: program.inputs([2]),
  });
  // jax-js 0.1.25 can't map its pools and some broadcasts.
  await holds(80, batched, { maySkip: 0.3 });
});

/** Compares a program and its gradient, run as `run` does, with the CPU, which the tests above hold to jax-js. */
async function agreesWithCpu(
  numRuns: number,
  run: (fn: AnyFunction, args: readonly np.Array[]) => ReturnType<typeof runCompiled>,
): Promise<void> {
  let numDifferentiated = 0;
  const property = fc.asyncProperty(tapes, async (tape) => {
    const program = new RandomProgram(tape, programOperations);
    const weighted = (...args: np.Array[]) => program.weightedSum(args);
    for (const fn of [
      (...args: np.Array[]) => program.evaluate(args),
      grad(weighted, argnums(program)) as AnyFunction,
    ]) {
      const args = program.inputs();
      try {
        const difference = describeDifference(await run(fn, args), await runCompiled(fn, args), tolerance);
        assert.equal(difference, null, program.toString());
      } finally {
        tree.dispose(args);
      }
      numDifferentiated++;
    }
  });
  await fc.assert(property, { seed, numRuns: Math.ceil(numRuns * factor) });
  assert.ok(numDifferentiated >= 2 * numRuns);
}

test("what is lowered for a GPU computes the same", async () => {
  await agreesWithCpu(120, runLoweredForGpu);
});

test("they and their gradients give the same on a GPU", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  await agreesWithCpu(6, (fn, args) => runCompiled(fn, args, { device: "gpu" }));
});

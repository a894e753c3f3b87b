import assert from "node:assert/strict";
import { test } from "node:test";
import { DType, jit, type numpy as np, tree } from "@jax-js/jax";
import { compile, compileStep } from "../compile/index.ts";
import { readTree, type TreeValue, withDevice } from "../compile/testing/compareWithJax.ts";
import { type TrainingModel, trainingModels } from "./testing/trainingModels.ts";

const numSteps = 50;
/** States are compared after these steps. */
const checkpoints = [1, 10, 50];

interface Trajectory {
  readonly losses: number[];
  /** By step. */
  readonly states: ReadonlyMap<number, TreeValue>;
}

type Advance = (batch: np.Array[]) => Promise<number>;

/** Trains for 50 steps; `advance` does one, `read` gives a copy of the state. */
async function follow(model: TrainingModel, advance: Advance, read: () => unknown): Promise<Trajectory> {
  const losses: number[] = [];
  const states = new Map<number, TreeValue>();
  for (let i = 0; i < numSteps; i++) {
    losses.push(await advance(model.batch(i)));
    if (checkpoints.includes(i + 1)) states.set(i + 1, readTree(read()));
  }
  return { losses, states };
}

async function withJit(model: TrainingModel): Promise<Trajectory> {
  const step = jit(model.step) as TrainingModel["step"];
  let state = model.initialState();
  const trajectory = await follow(
    model,
    async (batch) => {
      const [next, { loss }] = step(state, ...batch);
      state = next;
      return loss.item();
    },
    () => tree.ref(state),
  );
  tree.dispose(state);
  return trajectory;
}

async function withCompile(model: TrainingModel): Promise<Trajectory> {
  await using step = compile(model.step, { threads: 1 });
  let state = model.initialState();
  const trajectory = await follow(
    model,
    async (batch) => {
      const [next, { loss }] = await step(state, ...batch);
      state = next;
      return loss.item();
    },
    () => tree.ref(state),
  );
  tree.dispose(state);
  return trajectory;
}

async function withCompileStep(model: TrainingModel): Promise<Trajectory> {
  await using step = compileStep(model.step, { threads: 1 });
  using state = await step.init(model.initialState());
  return await follow(
    model,
    async (batch) => (await step(state, ...batch)).loss.item(),
    () => state.read(),
  );
}

/** Largest |a − b|, in units of the largest |b| (or of 1, if that is smaller). */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  assert.ok(Number.isFinite(difference) && Number.isFinite(size), "not finite");
  return difference / Math.max(size, 1);
}

function assertSameTrajectory(model: TrainingModel, actual: Trajectory, expected: Trajectory): void {
  // One step rounds a few hundred times, so that even the first one is allowed 10⁻⁵.
  const allowed = (step: number) => 1e-5 + (model.finalTolerance * step) / numSteps;
  expected.losses.forEach((loss, i) => {
    const off = Math.abs(actual.losses[i]! - loss);
    assert.ok(
      off <= allowed(i + 1) * Math.max(1, loss),
      `loss of step ${i}: ${actual.losses[i]}, expected ${loss}`,
    );
  });
  for (const [step, state] of expected.states) {
    const own = actual.states.get(step)!;
    assert.equal(own.structure, state.structure);
    state.leaves.forEach((leaf, i) => {
      const other = own.leaves[i]!;
      assert.equal(`${other.dtype}[${other.shape}]`, `${leaf.dtype}[${leaf.shape}]`);
      if (leaf.dtype !== DType.Float32) {
        assert.deepEqual(Array.from(other.data), Array.from(leaf.data), `leaf ${i} after step ${step}`);
        return;
      }
      const off = distance(other.data, leaf.data);
      assert.ok(off <= allowed(step), `leaf ${i} of the state after step ${step} is off by ${off}`);
    });
  }
}

for (const model of trainingModels) {
  test(`${model.name}: ${numSteps} steps as with jit of jax-js`, async () => {
    const expected = await withDevice(model.oracle ?? "wasm", () => withJit(model));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const improvement = mean(expected.losses.slice(0, 5)) - mean(expected.losses.slice(-5));
    assert.ok(improvement > model.minImprovement, `the loss fell by ${improvement} only`);
    const compiled = await withCompile(model);
    assertSameTrajectory(model, compiled, expected);
    // The same graph with its state inside the engine: the same bits.
    const stepped = await withCompileStep(model);
    assert.deepEqual(stepped.losses, compiled.losses);
    assert.deepEqual(stepped.states, compiled.states);
    if (process.env.ROTOR_SHOW_DISTANCES) {
      const final = expected.states.get(numSteps)!.leaves;
      const off = final.map((leaf, i) => distance(stepped.states.get(numSteps)!.leaves[i]!.data, leaf.data));
      const offLoss = expected.losses.map((loss, i) => Math.abs(stepped.losses[i]! - loss));
      console.log(model.name, improvement, Math.max(...off), Math.max(...offLoss), expected.losses.at(-1));
    }
  });
}

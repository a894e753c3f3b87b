import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { numpy as np, tree } from "@jax-js/jax";
import type { GradientTransformation, Tree } from "../gradientTransformation.ts";
import { applyUpdates } from "../gradientTransformation.ts";

/** Weights by parameter after the kept steps. */
export type Trajectory = Record<string, number[]>[];

/** 100 steps of other libraries, made by scripts/references/optim.py. */
export const reference = JSON.parse(
  readFileSync(new URL("../optim.reference.json", import.meta.url), "utf8"),
) as {
  shapes: Record<string, number[]>;
  steps: number[];
  runs: Record<string, Trajectory>;
};

export const every = Object.keys(reference.shapes);
export const matrices = ["tall", "wide"];

/** Numbers without a pattern that a step would notice, the same as in the script. */
export function values(shape: readonly number[], phase: number): number[] {
  const count = shape.reduce((a, b) => a * b, 1);
  return Array.from(
    { length: count },
    (_, i) => Math.sin(1.7 * i + phase) + 0.3 * Math.cos(0.37 * i * phase),
  );
}

/** The weights that runs start from. */
export function startParams(names: readonly string[]): Record<string, np.Array> {
  return Object.fromEntries(
    names.map((name) => {
      const shape = reference.shapes[name]!;
      return [name, np.array(values(shape, name.length).map((v) => 0.5 * v)).reshape(shape)];
    }),
  );
}

/** The gradient of scripts/references/optim.py, in float64: a pull towards a target and a part that moves. */
export function referenceGradient(name: string, weights: ArrayLike<number>, step: number): np.Array {
  const shape = reference.shapes[name]!;
  const [target, moving] = [values(shape, 2.5), values(shape, 0.11 * step + 1)];
  return np
    .array(target.map((t, i) => 0.7 * (weights[i]! - t) + 0.2 * moving[i]!))
    .reshape(reference.shapes[name]!);
}

export type Update = (updates: Tree, state: Tree, params: Tree) => readonly [Tree, Tree];

/** Optimizes the reference problem; weights after the kept steps and after the last one. */
export function optimize(
  names: readonly string[],
  transformation: GradientTransformation,
  update: Update = transformation.update,
  numSteps = reference.steps.at(-1)!,
): Trajectory {
  let params: Tree = startParams(names);
  let state = transformation.init(tree.ref(params));
  const kept: Trajectory = [];
  for (let step = 0; step < numSteps; step++) {
    const gradients = Object.fromEntries(
      names.map((name) => [name, referenceGradient(name, params[name].ref.dataSync(), step)]),
    );
    const [updates, next] = update(gradients, state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
    if (reference.steps.includes(step + 1) || step + 1 === numSteps) {
      kept.push(Object.fromEntries(names.map((name) => [name, [...params[name].ref.dataSync()]])));
    }
  }
  tree.dispose(params);
  tree.dispose(state);
  return kept;
}

/** Largest difference between two trajectories, over the steps that the first one has. */
export function largestDifference(actual: Trajectory, expected: Trajectory): number {
  return Math.max(
    ...actual.flatMap((weights, i) =>
      Object.entries(weights).flatMap(([name, numbers]) =>
        numbers.map((value, j) => Math.abs(value - expected[i]![name]![j]!)),
      ),
    ),
  );
}

export function assertFollows(actual: Trajectory, run: string, tolerance: number): void {
  actual.forEach((weights, i) => {
    const error = largestDifference([weights], [reference.runs[run]![i]!]);
    assert.ok(error <= tolerance, `${run}, step ${reference.steps[i]}: weights differ by ${error}`);
  });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import {
  branchSchedule,
  constantSchedule,
  type Schedule,
  warmupCosine,
  warmupStableDecay,
} from "./schedule.ts";

const close = (a: number, b: number) =>
  assert.ok(Math.abs(a - b) < 1e-6 * (1 + Math.abs(b)), `${a} instead of ${b}`);

test("boundaries of warmup-cosine", () => {
  const s = warmupCosine({ peak: 2, warmupSteps: 4, numSteps: 24, finalFraction: 0.25 });
  close(s.at(0), 2 / 5);
  close(s.at(4), 2);
  close(s.at(14), 2 * 0.625);
  close(s.at(24), 0.5);
  close(s.at(1000), 0.5);
});

test("boundaries of warmup-stable-decay", () => {
  const s = warmupStableDecay({ peak: 2, warmupSteps: 4, decaySteps: 10, numSteps: 30 });
  close(s.at(4), 2);
  close(s.at(20), 2);
  close(s.at(25), 1);
  close(s.at(30), 0);
  const root = warmupStableDecay({
    peak: 2,
    warmupSteps: 0,
    decaySteps: 16,
    numSteps: 16,
    finalFraction: 0.5,
    shape: "sqrt",
  });
  close(root.at(4), 2 * (1 - 0.5 * 0.5));
  close(root.at(16), 1);
});

test("boundaries of a branch, in each of its shapes", () => {
  const branch = { peak: 2, level: 0.5, fromStep: 100, numSteps: 200, decaySteps: 50, finalFraction: 0.2 };
  // Halfway down: half, 1 − √½, and half of a cosine.
  for (const [shape, half] of [
    ["linear", 0.5],
    ["sqrt", 1 - Math.SQRT1_2],
    ["cosine", 0.5],
  ] as const) {
    const s = branchSchedule({ ...branch, shape });
    close(s.at(100), 1);
    close(s.at(150), 1);
    close(s.at(175), 0.2 + 0.8 * half);
    close(s.at(200), 0.2);
    close(s.at(250), 0.2);
  }
  close(branchSchedule({ ...branch, shape: "cosine" }).at(162.5), 0.6 + 0.4 * Math.SQRT1_2);
  close(branchSchedule({ ...branch, decaySteps: 0 }).at(1000), 1);
  assert.throws(() => branchSchedule({ ...branch, decaySteps: 101 }), /expected at most numSteps 200/);
});

test("schedules rise during the warmup, fall afterwards, and stay between their bounds", () => {
  fc.assert(
    fc.property(
      fc.nat(50),
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (warmupSteps, rest, finalFraction) => {
        const numSteps = warmupSteps + rest;
        for (const s of [
          warmupCosine({ peak: 3, warmupSteps, numSteps, finalFraction }),
          warmupStableDecay({ peak: 3, warmupSteps, decaySteps: rest, numSteps, finalFraction }),
        ]) {
          for (let t = 0; t < numSteps; t++) {
            const change = s.at(t + 1) - s.at(t);
            assert.ok(t < warmupSteps ? change > 0 : change <= 1e-12);
            assert.ok(s.at(t) >= Math.min(3 * finalFraction, s.at(0)) - 1e-9 && s.at(t) <= 3 + 1e-9);
          }
        }
      },
    ),
    { seed: 1, numRuns: 50 },
  );
});

test("a traced step gives the same value, under jit too", () => {
  const schedules: Schedule[] = [
    constantSchedule(0.3),
    warmupCosine({ peak: 2, warmupSteps: 3, numSteps: 9 }),
    warmupStableDecay({ peak: 2, warmupSteps: 3, decaySteps: 4, numSteps: 9, shape: "sqrt" }),
    branchSchedule({ peak: 2, level: 0.5, fromStep: 2, decaySteps: 6, numSteps: 9, shape: "cosine" }),
  ];
  for (const s of schedules) {
    const traced = jit((step: np.Array) => s(step));
    for (const step of [0, 1, 3, 5, 9, 20]) {
      close(traced(np.array(step, { dtype: np.int32 })).item(), s.at(step));
      close(s(np.array(step, { dtype: np.int32 })).item(), s.at(step));
    }
  }
});

test("impossible schedules are refused", () => {
  for (const make of [
    () => warmupCosine({ peak: 1, warmupSteps: 5, numSteps: 5 }),
    () => warmupCosine({ peak: -1, warmupSteps: 0, numSteps: 5 }),
    () => warmupCosine({ peak: 1, warmupSteps: 0.5, numSteps: 5 }),
    () => warmupStableDecay({ peak: 1, warmupSteps: 3, decaySteps: 3, numSteps: 5 }),
    () => warmupStableDecay({ peak: 1, warmupSteps: 0, decaySteps: 3, numSteps: 5, shape: "cubic" as never }),
    () => constantSchedule(Number.NaN),
  ]) {
    assert.throws(make, ConfigError);
  }
});

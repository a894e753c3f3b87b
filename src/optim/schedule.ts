import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";

/** A number for each step of training; steps count from 0. */
export interface Schedule {
  /** The value for a traced step. @param step - `int32[]`, consumed. @returns `float32[]` */
  (step: np.Array): np.Array;
  /** The value for a number. */
  at(step: number): number;
}

/** Arithmetic that is the same for numbers and traced arrays, so that each schedule is written once. */
interface Arithmetic<T> {
  number(value: number): T;
  add(a: T, b: T): T;
  mul(a: T, b: T): T;
  min(a: T, b: T): T;
  max(a: T, b: T): T;
  cos(a: T): T;
  sqrt(a: T): T;
}

const numbers: Arithmetic<number> = {
  number: (value) => value,
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  min: Math.min,
  max: Math.max,
  cos: Math.cos,
  sqrt: Math.sqrt,
};

const arrays: Arithmetic<np.Array> = {
  number: (value) => np.array(value, { dtype: np.float32 }),
  add: (a, b) => a.add(b),
  mul: (a, b) => a.mul(b),
  min: (a, b) => np.minimum(a, b),
  max: (a, b) => np.maximum(a, b),
  cos: (a) => np.cos(a),
  sqrt: (a) => np.sqrt(a),
};

type Formula = <T>(step: () => T, math: Arithmetic<T>) => T;

function schedule(formula: Formula): Schedule {
  const traced = (step: np.Array): np.Array => {
    const t = step.astype(np.float32);
    const value = formula(() => t.ref, arrays);
    t.dispose();
    return value;
  };
  return Object.assign(traced, { at: (step: number) => formula(() => step, numbers) });
}

/** `(step − from)/(to − from)` held between 0 and 1. */
function progress<T>(step: T, from: number, to: number, math: Arithmetic<T>): T {
  const scaled = math.mul(math.add(step, math.number(-from)), math.number(1 / (to - from)));
  return math.min(math.max(scaled, math.number(0)), math.number(1));
}

/** `min(1, (step + 1)/(warmupSteps + 1))`: 1 from step `warmupSteps` on, and never 0 (nanoGPT). */
function warmup<T>(step: T, warmupSteps: number, math: Arithmetic<T>): T {
  const rising = math.mul(math.add(step, math.number(1)), math.number(1 / (warmupSteps + 1)));
  return math.min(rising, math.number(1));
}

function checkSteps(what: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value < 0)
      throw new ConfigError(`${what}: ${name} ${value}: expected an integer ≥ 0`);
  }
}

function checkValue(what: string, name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0)
    throw new ConfigError(`${what}: ${name} ${value}: expected a number ≥ 0`);
}

/** The same value at every step. */
export function constantSchedule(value: number): Schedule {
  if (!Number.isFinite(value))
    throw new ConfigError(`constant schedule: value ${value}: expected a finite number`);
  return schedule((step, math) => math.add(math.mul(step(), math.number(0)), math.number(value)));
}

export interface WarmupCosineOptions {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly numSteps: number;
  /** Value at `numSteps` and after, as a fraction of the peak. Default 0.1 (GPT-3; nanoGPT). */
  readonly finalFraction?: number;
}

/**
 * Rises linearly to the peak at step `warmupSteps`, then falls by half a cosine to `finalFraction·peak` at `numSteps`.
 *
 * @throws ConfigError if a number is negative or the warmup is not shorter than the run
 *
 * Source: Loshchilov & Hutter, SGDR, arXiv 1608.03983, eq. 5, without restarts.
 */
export function warmupCosine({
  peak,
  warmupSteps,
  numSteps,
  finalFraction = 0.1,
}: WarmupCosineOptions): Schedule {
  const what = "warmup-cosine schedule";
  checkSteps(what, { warmupSteps, numSteps });
  checkValue(what, "peak", peak);
  checkValue(what, "finalFraction", finalFraction);
  if (warmupSteps >= numSteps) {
    throw new ConfigError(`${what}: warmupSteps ${warmupSteps}: expected less than numSteps ${numSteps}`);
  }
  return schedule((step, math) => {
    const angle = math.mul(progress(step(), warmupSteps, numSteps, math), math.number(Math.PI));
    const falling = math.add(
      math.mul(math.cos(angle), math.number((1 - finalFraction) / 2)),
      math.number((1 + finalFraction) / 2),
    );
    return math.mul(math.mul(falling, warmup(step(), warmupSteps, math)), math.number(peak));
  });
}

export interface WarmupStableDecayOptions {
  readonly peak: number;
  readonly warmupSteps: number;
  /** Length of the final decay. */
  readonly decaySteps: number;
  readonly numSteps: number;
  /** Value at `numSteps` and after, as a fraction of the peak. Default 0 (Hägele et al.). */
  readonly finalFraction?: number;
  /** `"linear"` (the default) or `"sqrt"`: `1 − √progress`. */
  readonly shape?: "linear" | "sqrt";
}

/**
 * Rises linearly, stays at the peak, and falls over the last `decaySteps` steps.
 *
 * @throws ConfigError if a number is negative or warmup and decay don't fit into the run
 *
 * Source: Hu et al., MiniCPM, arXiv 2404.06395; Hägele et al., arXiv 2405.18392 (the 1−sqrt shape).
 */
export function warmupStableDecay({
  peak,
  warmupSteps,
  decaySteps,
  numSteps,
  finalFraction = 0,
  shape = "linear",
}: WarmupStableDecayOptions): Schedule {
  const what = "warmup-stable-decay schedule";
  checkSteps(what, { warmupSteps, decaySteps, numSteps });
  checkValue(what, "peak", peak);
  checkValue(what, "finalFraction", finalFraction);
  if (warmupSteps + decaySteps > numSteps || numSteps === 0) {
    throw new ConfigError(
      `${what}: warmupSteps ${warmupSteps} + decaySteps ${decaySteps}: expected at most numSteps ${numSteps}`,
    );
  }
  if (shape !== "linear" && shape !== "sqrt") {
    throw new ConfigError(`${what}: shape "${shape}": expected "linear" or "sqrt"`);
  }
  return schedule((step, math) => {
    const rising = math.mul(warmup(step(), warmupSteps, math), math.number(peak));
    if (decaySteps === 0) return rising;
    const done = progress(step(), numSteps - decaySteps, numSteps, math);
    const fallen = shape === "sqrt" ? math.sqrt(done) : done;
    const factor = math.add(math.mul(fallen, math.number(finalFraction - 1)), math.number(1));
    return math.mul(rising, factor);
  });
}

/** A schedule, or a number for a constant one. */
export type ScheduleOrNumber = Schedule | number;

export function toSchedule(value: ScheduleOrNumber): Schedule {
  return typeof value === "number" ? constantSchedule(value) : value;
}

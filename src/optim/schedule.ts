import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";

/** A number for each step of training; steps count from 0. */
export interface Schedule {
  /** The value for a traced step. @param step - `int32[]`, consumed. @returns `float32[]` */
  (step: np.Array): np.Array;
  /** The value for a number. */
  at(step: number): number;
  /** What multiplies it for a parameter, by dotted path and shape; absent for 1. */
  factorOf?(path: string, shape: readonly number[]): number;
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

/**
 * The same value at every step.
 *
 * @example
 * ```ts
 * constantSchedule(0.1).at(1000); // => 0.1
 * ```
 */
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
 *
 * @example
 * ```ts
 * const schedule = warmupCosine({ peak: 0.1, warmupSteps: 9, numSteps: 109 });
 * [0, 4, 9, 59, 109].map((step) => schedule.at(step)); // => [0.010, 0.050, 0.100, 0.055, 0.010]
 * ```
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
 *
 * @example
 * ```ts
 * const schedule = warmupStableDecay({ peak: 0.1, warmupSteps: 9, decaySteps: 20, numSteps: 100 });
 * [4, 9, 80, 90, 100].map((step) => schedule.at(step)); // => [0.050, 0.100, 0.100, 0.050, 0]
 * ```
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

/** Names of the ways down of {@link branchSchedule}. */
export const branchShapes = ["linear", "sqrt", "cosine"] as const;

export interface BranchOptions {
  readonly peak: number;
  /** Where the branch begins, as a fraction of the peak; above 0. */
  readonly level: number;
  /** Steps that were done before the branch. */
  readonly fromStep: number;
  /** Steps until the end of the run, those before the branch included. */
  readonly numSteps: number;
  /** Length of the decay that ends the run. Default 0: none, the rate stays. */
  readonly decaySteps?: number;
  /** Value at `numSteps` and after, as a fraction of the branch's first. Default 0. */
  readonly finalFraction?: number;
  /** `"linear"` (the default), `"sqrt"`: `1 − √progress`, or half a `"cosine"`. */
  readonly shape?: (typeof branchShapes)[number];
}

/**
 * Goes on from a step of another run: stays at `level·peak`, and falls over the last `decaySteps` steps.
 *
 * @throws ConfigError if a number is negative, or the decay begins before the branch
 *
 * Source: Hägele et al., arXiv 2405.18392: a decay from a branch of a run at a constant rate does as well as a run of that length.
 *
 * @example
 * ```ts
 * const schedule = branchSchedule({ peak: 0.1, level: 0.5, fromStep: 100, numSteps: 200, decaySteps: 50 });
 * [100, 149, 175, 200].map((step) => schedule.at(step)); // => [0.050, 0.050, 0.025, 0]
 * ```
 */
export function branchSchedule({
  peak,
  level,
  fromStep,
  numSteps,
  decaySteps = 0,
  finalFraction = 0,
  shape = "linear",
}: BranchOptions): Schedule {
  const what = "branch schedule";
  checkSteps(what, { fromStep, numSteps, decaySteps });
  for (const [name, value] of Object.entries({ peak, level, finalFraction })) checkValue(what, name, value);
  if (fromStep + decaySteps > numSteps)
    throw new ConfigError(
      `${what}: fromStep ${fromStep} + decaySteps ${decaySteps}: expected at most numSteps ${numSteps}`,
    );
  if (!branchShapes.includes(shape))
    throw new ConfigError(`${what}: shape "${shape}": expected one of ${branchShapes.join(", ")}`);
  if (decaySteps === 0) return constantSchedule(peak * level);
  return schedule((step, math) => {
    const done = progress(step(), numSteps - decaySteps, numSteps, math);
    return math.mul(fallen(done, shape, finalFraction, math), math.number(peak * level));
  });
}

/** From 1 down to `finalFraction`. */
function fallen<T>(
  done: T,
  shape: (typeof branchShapes)[number],
  finalFraction: number,
  math: Arithmetic<T>,
): T {
  const line = (share: T) => math.add(math.mul(share, math.number(finalFraction - 1)), math.number(1));
  switch (shape) {
    case "linear":
      return line(done);
    case "sqrt":
      return line(math.sqrt(done));
    case "cosine":
      return math.add(
        math.mul(math.cos(math.mul(done, math.number(Math.PI))), math.number((1 - finalFraction) / 2)),
        math.number((1 + finalFraction) / 2),
      );
  }
}

/**
 * A schedule with a factor for each parameter, as parametrizations have it.
 *
 * @param factorOf - by dotted path, as `"blocks.0.mlp.up"`, and shape
 *
 * @example
 * ```ts
 * const schedule = perParameter(constantSchedule(0.1), (path) => (path === "head" ? 0.5 : 1));
 * const { update, init } = scaleByLearningRate(schedule);
 * const params = { up: np.zeros([1, 1]), head: np.zeros([1, 1]) };
 * const [updates] = update({ up: np.ones([1, 1]), head: np.ones([1, 1]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.100]]
 * updates.head; // => [[-0.050]]
 * ```
 */
export function perParameter(
  schedule: Schedule,
  factorOf: (path: string, shape: readonly number[]) => number,
): Schedule {
  const own = (step: np.Array) => schedule(step);
  return Object.assign(own, { at: (step: number) => schedule.at(step), factorOf });
}

/** A schedule, or a number for a constant one. */
export type ScheduleOrNumber = Schedule | number;

/**
 * A number as a schedule that stays at it, and a schedule as it is.
 */
export function toSchedule(value: ScheduleOrNumber): Schedule {
  return typeof value === "number" ? constantSchedule(value) : value;
}

import type { TrainConfig } from "../config/index.ts";
import { ProcessExecutor } from "./processExecutor.ts";

/** How many trials run at the same time, with how many threads each. */
export interface WorkerPlan {
  readonly workers: number;
  readonly threads: number;
  /** Training steps per second, of all workers together. */
  readonly stepsPerSecond: number;
  /** Seconds of a worker before its steps: opening the data and compiling. */
  readonly prepareSeconds: number;
}

/** The faster plan and the other one. */
export interface MeasuredWorkers {
  readonly chosen: WorkerPlan;
  readonly other: WorkerPlan;
}

/**
 * Times a few training steps in so many processes at the same time.
 *
 * @param home - folder of the token cache
 * @param seconds - of the measurement, besides compiling
 * @throws EngineError if the step can't be run
 */
export async function timeWorkers(
  config: TrainConfig,
  home: string,
  workers: number,
  threads: number,
  seconds = 1,
): Promise<WorkerPlan> {
  await using stack = new AsyncDisposableStack();
  const executors = Array.from({ length: workers }, () =>
    stack.use(new ProcessExecutor({ home, threads, shared: null })),
  );
  const prepared = await Promise.all(executors.map((executor) => executor.prepareTiming(config, threads)));
  const rates = await Promise.all(executors.map((executor) => executor.measure(seconds)));
  return {
    workers,
    threads,
    stepsPerSecond: rates.reduce((sum, rate) => sum + rate, 0),
    prepareSeconds: Math.max(...prepared),
  };
}

/**
 * Times a few training steps in one process with all threads, and in one process of one thread per core at the same time.
 *
 * @param home - folder of the token cache
 * @param cores - at least 2
 * @param seconds - of each measurement, besides compiling
 * @throws EngineError if the step can't be run
 */
export async function measureWorkers(
  config: TrainConfig,
  home: string,
  cores: number,
  seconds = 1,
): Promise<MeasuredWorkers> {
  // The first one also makes the token cache, which the others then find.
  const one = await timeWorkers(config, home, 1, cores, seconds);
  const many = await timeWorkers(config, home, cores, 1, seconds);
  return many.stepsPerSecond >= one.stepsPerSecond
    ? { chosen: many, other: one }
    : { chosen: one, other: many };
}

import { availableParallelism } from "node:os";
import { checkMemory } from "../memoryBudget.ts";
import { measureWorkers, type PlannedTrial, type SweepDefinition } from "../sweeps/index.ts";
import { boundedThreads } from "./threads.ts";

export interface ChosenWorkers {
  readonly workers: number;
  /** Of one operator; null for what each configuration says. */
  readonly threads: number | null;
  /** Steps per second of all workers with the first trial's configuration; null if nothing was measured. */
  readonly stepsPerSecond: number | null;
  /** Seconds until the first steps were done; null if nothing was measured. */
  readonly prepareSeconds: number | null;
  /** Why, in a line. */
  readonly reason: string;
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Bytes of a process that trains nothing yet. */
const workerBytes = 80e6;

/** Refuses more processes than fit into memory. @param what - who asks for them @throws MemoryError */
export function checkWorkers(workers: number, what: string): void {
  checkMemory(`${what} ${workers}`, workers * workerBytes);
}

/**
 * How many trials run at the same time, with how many threads: as the flags or the sweep file say; where they say `auto`, by timing the
 * first trial's training step.
 *
 * @param home - folder of the token cache
 */
export async function chooseWorkers(
  definition: SweepDefinition,
  flags: { readonly workers?: number; readonly threads?: number },
  trials: readonly Pick<PlannedTrial, "config">[],
  home: string,
): Promise<ChosenWorkers> {
  const cores = availableParallelism();
  const { config } = trials[0]!;
  const numeric = (value: number | "auto") => (value === "auto" ? null : value);
  const wanted = flags.workers ?? numeric(definition.workers);
  const asked: readonly [string, number | null | undefined][] = [
    ["--threads", flags.threads],
    ["threads", numeric(definition.threads)],
    ["training.threads", config.training.threads],
  ];
  const [what, wantedThreads = null] = asked.find(([, value]) => value != null) ?? [""];
  const threads = wantedThreads === null ? null : boundedThreads(wantedThreads, what);
  if (wanted !== null)
    checkWorkers(Math.min(wanted, trials.length), flags.workers === undefined ? "workers" : "--workers");
  const chosen = (workers: number, each: number | null, why: string): ChosenWorkers => {
    const most = Math.min(workers, trials.length);
    const text = each === null ? "" : ` of ${plural(each, "thread")}`;
    return {
      workers: most,
      threads: each,
      stepsPerSecond: null,
      prepareSeconds: null,
      reason: `${plural(most, "worker")}${text}${why}`,
    };
  };
  if (wanted !== null) return chosen(wanted, threads ?? Math.max(1, Math.floor(cores / wanted)), "");
  if (threads !== null) return chosen(Math.max(1, Math.floor(cores / threads)), threads, "");
  if (cores === 1) return chosen(1, 1, ": the machine has one core");
  if (trials.length === 1) return chosen(1, cores, ": there is one trial");
  const { chosen: best, other } = await measureWorkers(config, home, cores);
  const ratio = (best.stepsPerSecond / other.stepsPerSecond).toFixed(2);
  return {
    ...chosen(
      best.workers,
      best.threads,
      `: ${ratio} times the steps per second of ${plural(other.workers, "worker")} of ${plural(other.threads, "thread")}, measured`,
    ),
    stepsPerSecond: best.stepsPerSecond,
    prepareSeconds: best.prepareSeconds,
  };
}

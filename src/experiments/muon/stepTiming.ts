import { median } from "simple-statistics";
import { parseLanguageConfig } from "../../config/index.ts";
import { openConfiguredData } from "../../tasks/index.ts";
import { type Interval, interval } from "../statistics.ts";
import { openTrial, type TrainTrial } from "../trainTrial.ts";

/** Processor seconds per step of two trials, and how many times more the second takes. */
export interface StepTiming {
  readonly seconds: readonly [number, number];
  readonly ratio: Interval;
}

/**
 * Times the steps of two trials in turn in one process of one thread, in processor time: it is the time of the clock on a free
 * core, and other load of the machine hardly changes it. Medians of each block; the interval is over the blocks.
 *
 * @param home - folder of the token cache
 */
export async function timeSteps(
  trials: readonly [TrainTrial, TrainTrial],
  home: string,
  { blocks = 6, stepsPerBlock = 9 }: { readonly blocks?: number; readonly stepsPerBlock?: number } = {},
): Promise<StepTiming> {
  using data = await openConfiguredData(parseLanguageConfig(trials[0].config), home);
  await using first = await openTrial(trials[0], data, 1);
  await using second = await openTrial(trials[1], data, 1);
  // The first step of a process loads the graph.
  await first.step(0);
  await second.step(0);
  const medians: [number, number][] = [];
  for (let block = 0; block < blocks; block++) {
    const seconds: [number[], number[]] = [[], []];
    for (let i = 0; i < stepsPerBlock; i++) {
      for (const [which, run] of [first, second].entries()) {
        const start = process.cpuUsage();
        await run.step(1 + block * stepsPerBlock + i);
        const { user, system } = process.cpuUsage(start);
        seconds[which]!.push((user + system) / 1e6);
      }
    }
    medians.push([median(seconds[0]), median(seconds[1])]);
  }
  return {
    seconds: [median(medians.map(([a]) => a)), median(medians.map(([, b]) => b))],
    ratio: interval(medians.map(([a, b]) => b / a)),
  };
}

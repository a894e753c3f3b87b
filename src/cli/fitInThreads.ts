import path from "node:path";
import { Worker } from "node:worker_threads";
import { type FitSweepOptions, fitSweep, type StudyGroup, type SweepFit } from "../scaling/index.ts";
import type { FitOrder } from "./fitWorker.ts";
import { type PlainFit, wholeFit } from "./plainFit.ts";

const script = new URL(`./fitWorker${path.extname(import.meta.filename)}`, import.meta.url);

/** Plain fits by group: null where a thread couldn't make one. */
async function plainFits(
  groups: readonly StudyGroup[],
  options: FitSweepOptions,
  threads: number,
): Promise<(PlainFit | null)[]> {
  const fits: (PlainFit | null)[] = groups.map(() => null);
  let next = 0;
  const work = () =>
    new Promise<void>((resolve) => {
      const worker = new Worker(script);
      let at = 0;
      const give = () => {
        at = next++;
        if (at < groups.length) worker.postMessage({ rows: groups[at]!.rows, options } satisfies FitOrder);
        else void worker.terminate();
      };
      worker.on("message", (fit: PlainFit | null) => {
        fits[at] = fit;
        give();
      });
      // What a thread that ends early leaves, the command's own thread fits.
      worker.on("error", () => {});
      worker.on("exit", () => resolve());
      give();
    });
  await Promise.all(Array.from({ length: threads }, work));
  return fits;
}

/**
 * Fits the groups of a study in several threads: a function that gives each group's fit, bit for bit as `fitSweep` makes it. Groups that
 * a thread couldn't fit, it fits itself, errors included.
 */
export async function fitInThreads(
  groups: readonly StudyGroup[],
  options: FitSweepOptions,
  threads: number,
): Promise<(group: StudyGroup, options: FitSweepOptions) => SweepFit> {
  const fits = await plainFits(groups, options, threads);
  const byKey = new Map(groups.map(({ key }, i) => [JSON.stringify(key), fits[i]!]));
  return ({ key, rows }, own) => {
    const plain = byKey.get(JSON.stringify(key)) ?? null;
    return plain === null ? fitSweep(rows, own) : wholeFit(plain, () => fitSweep(rows, own));
  };
}

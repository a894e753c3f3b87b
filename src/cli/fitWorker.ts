// Fits groups of a study in a thread of its own: for each that comes, its plain fit, or null where it can't be fitted.
import { parentPort } from "node:worker_threads";
import { type FitSweepOptions, fitSweep, type StudyGroup } from "../scaling/index.ts";
import { type PlainFit, plainFit } from "./plainFit.ts";

/** What is sent to the thread. */
export interface FitOrder {
  readonly rows: StudyGroup["rows"];
  readonly options: FitSweepOptions;
}

function answer({ rows, options }: FitOrder): PlainFit | null {
  try {
    return plainFit(fitSweep(rows, options));
  } catch {
    // The command's own thread meets the same error, and says it.
    return null;
  }
}

parentPort!.on("message", (order: FitOrder) => parentPort!.postMessage(answer(order)));

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { DataError } from "../errors.ts";
import type { Verdict } from "./experiment.ts";
import { trialCost } from "./trialLog.ts";

/** What a written report says, and what its trials took. */
export interface ExperimentStatus {
  readonly name: string;
  /** Null without a report. */
  readonly verdicts: readonly Verdict[] | null;
  readonly trials: number;
  /** From being asked for to the result, summed over trials, which may have waited beside each other. */
  readonly seconds: number;
}

/**
 * @param folder - of all reports
 * @throws DataError for a report or a log that can't be read
 */
export function experimentStatus(folder: string, name: string): ExperimentStatus {
  const own = path.join(folder, name);
  const [report, log] = ["report.json", "trials.jsonl"].map((file) => path.join(own, file)) as [
    string,
    string,
  ];
  const cost = existsSync(log) ? trialCost(log) : { trials: 0, seconds: 0 };
  if (!existsSync(report)) return { name, verdicts: null, ...cost };
  let verdicts: unknown;
  try {
    ({ verdicts } = JSON.parse(readFileSync(report, "utf8")) as { verdicts: unknown });
  } catch (cause) {
    throw new DataError(`${report}: expected the JSON of a report`, { cause });
  }
  if (!Array.isArray(verdicts)) throw new DataError(`${report}: verdicts is missing; expected a list`);
  return { name, verdicts: verdicts as readonly Verdict[], ...cost };
}

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { makeFolder, unwritable, writeFileAtomically } from "../data/index.ts";
import { DataError } from "../errors.ts";

/** Settings of a trial: everything that decides its result. */
export type TrialSettings = Readonly<Record<string, unknown>>;

/** JSON with sorted keys, so that equal settings are equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`)
    .join()}}`;
}

/** What a line of a log holds. */
interface Trial {
  readonly settings: TrialSettings;
  readonly result: unknown;
  readonly seconds: number;
}

/**
 * The whole lines of a log, by settings, and the text of those lines.
 *
 * @throws DataError if the file holds a line that isn't a trial, other than a last line that was cut off
 */
function readTrials(file: string): { trials: Map<string, Trial>; whole: string; isCutOff: boolean } {
  const lines = readFileSync(file, "utf8").split("\n");
  const cutOff = lines.pop();
  const trials = new Map<string, Trial>();
  lines.forEach((line, i) => {
    try {
      const trial = JSON.parse(line) as Trial;
      trials.set(canonical(trial.settings), trial);
    } catch (error) {
      throw new DataError(`${file}: line ${i + 1} is not a trial: expected JSON with settings and result`, {
        cause: error,
      });
    }
  });
  return { trials, whole: lines.map((line) => `${line}\n`).join(""), isCutOff: cutOff !== "" };
}

/**
 * The trials of an experiment, one line of JSON each: settings, result, and the seconds from being asked for to the result, in which trials
 * of a pool also wait for their turn. A trial that is in the file isn't run again.
 */
export class TrialLog {
  readonly #file: string;
  readonly #results = new Map<string, unknown>();
  readonly #others = new Map<string, Trial>();

  /**
   * @param others - logs of experiments with trials in common: what is asked for and lies there is copied. Files that don't exist
   *   are left out.
   * @throws DataError if a file holds a line that isn't a trial, other than a last line that was cut off
   */
  constructor(file: string, others: readonly string[] = []) {
    this.#file = file;
    for (const other of others) {
      if (!existsSync(other)) continue;
      for (const [key, trial] of readTrials(other).trials) this.#others.set(key, trial);
    }
    if (!existsSync(file)) return;
    const { trials, whole, isCutOff } = readTrials(file);
    if (isCutOff) writeFileAtomically(file, whole);
    for (const [key, { result }] of trials) this.#results.set(key, result);
  }

  /** Number of finished trials. */
  get size(): number {
    return this.#results.size;
  }

  /** The result of a trial: from a file, or by running it and appending it. `run` returns what JSON can hold. */
  async run<R>(settings: TrialSettings, run: () => Promise<R> | R): Promise<R> {
    const key = canonical(settings);
    if (this.#results.has(key)) return this.#results.get(key) as R;
    const other = this.#others.get(key);
    if (other !== undefined) {
      this.#append(key, { settings, result: other.result, seconds: other.seconds });
      return other.result as R;
    }
    const start = performance.now();
    const result = await run();
    const seconds = Number(((performance.now() - start) / 1000).toFixed(2));
    this.#append(key, { settings, result, seconds });
    return result;
  }

  #append(key: string, trial: Trial): void {
    makeFolder(path.dirname(this.#file));
    try {
      appendFileSync(this.#file, `${JSON.stringify(trial)}\n`);
    } catch (error) {
      throw unwritable(`file "${this.#file}"`, error);
    }
    this.#results.set(key, trial.result);
  }
}

/** Number of trials in a log and the sum of their seconds. @throws DataError as {@link TrialLog} */
export function trialCost(file: string): { trials: number; seconds: number } {
  const trials = [...readTrials(file).trials.values()];
  return { trials: trials.length, seconds: trials.reduce((sum, { seconds }) => sum + seconds, 0) };
}

import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
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

/**
 * The trials of an experiment, one line of JSON each: settings, result, seconds. A trial that is in the file isn't run again.
 */
export class TrialLog {
  readonly #file: string;
  readonly #results = new Map<string, unknown>();

  /** @throws DataError if the file holds a line that isn't a trial, other than a last line that was cut off */
  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    const lines = text.split("\n");
    const cutOff = lines.pop();
    if (cutOff !== "") writeFileAtomically(file, lines.map((line) => `${line}\n`).join(""));
    lines.forEach((line, i) => {
      try {
        const { settings, result } = JSON.parse(line) as { settings: TrialSettings; result: unknown };
        this.#results.set(canonical(settings), result);
      } catch (error) {
        throw new DataError(`${file}: line ${i + 1} is not a trial: expected JSON with settings and result`, {
          cause: error,
        });
      }
    });
  }

  /** Number of finished trials. */
  get size(): number {
    return this.#results.size;
  }

  /** The result of a trial: from the file, or by running it and appending it. `run` returns what JSON can hold. */
  async run<R>(settings: TrialSettings, run: () => Promise<R> | R): Promise<R> {
    const key = canonical(settings);
    if (this.#results.has(key)) return this.#results.get(key) as R;
    const start = performance.now();
    const result = await run();
    const seconds = Number(((performance.now() - start) / 1000).toFixed(2));
    mkdirSync(path.dirname(this.#file), { recursive: true });
    appendFileSync(this.#file, `${JSON.stringify({ settings, result, seconds })}\n`);
    this.#results.set(key, result);
    return result;
  }
}

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";

/** `metrics.jsonl` of a run: one line per step with all its values, for people and tools without the database. */
export class MetricLog {
  readonly #file: string;

  constructor(directory: string) {
    this.#file = path.join(directory, "metrics.jsonl");
  }

  append(step: number, values: Readonly<Record<string, number>>): void {
    appendFileSync(this.#file, `${JSON.stringify({ step, ...values })}\n`);
  }

  /** Drops lines of later steps, and a last line that was cut off. */
  truncate(afterStep: number): void {
    if (!existsSync(this.#file)) return;
    const kept = readFileSync(this.#file, "utf8")
      .split("\n")
      .filter((line) => {
        try {
          return (JSON.parse(line) as { step: number }).step <= afterStep;
        } catch {
          return false;
        }
      });
    writeFileAtomically(this.#file, kept.map((line) => `${line}\n`).join(""));
  }
}

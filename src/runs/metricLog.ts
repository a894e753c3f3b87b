import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../data/index.ts";
import { RunStoreError } from "../errors.ts";

export interface MetricRow {
  readonly step: number;
  readonly name: string;
  readonly value: number;
}

/** JSON has no infinities: they are null. */
const lineSchema = z.object({ step: z.int().nonnegative() }).catchall(z.number().nullable());

function parseLine(line: string): z.infer<typeof lineSchema> | null {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "");

/** Reads a `metrics.jsonl`. Lines that aren't metrics are counted and left out; what a killed process cut off is one of them. */
export function readMetricLog(file: string): { readonly rows: MetricRow[]; readonly unreadable: number } {
  const rows: MetricRow[] = [];
  let unreadable = 0;
  for (const line of existsSync(file) ? linesOf(readFileSync(file, "utf8")) : []) {
    const parsed = parseLine(line);
    if (parsed === null) {
      unreadable++;
      continue;
    }
    const { step, ...values } = parsed;
    for (const [name, value] of Object.entries(values))
      if (typeof value === "number") rows.push({ step, name, value });
  }
  return { rows, unreadable };
}

/** `metrics.jsonl` of a run: one line per step with all its values, for people and tools without the database. */
export class MetricLog {
  readonly #file: string;

  constructor(directory: string) {
    this.#file = path.join(directory, "metrics.jsonl");
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw new RunStoreError(`metrics ${this.#file}: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * Adds a line per step.
   *
   * @throws RunStoreError naming the file, for example if the disk is full; none of the lines is there then
   */
  append(rows: readonly MetricRow[]): void {
    const byStep = new Map<number, Record<string, number>>();
    for (const { step, name, value } of rows) byStep.set(step, { ...byStep.get(step), [name]: value });
    const text = [...byStep].map(([step, values]) => `${JSON.stringify({ step, ...values })}\n`).join("");
    if (text === "") return;
    this.#guard(() => {
      // A link could lead to any file of the person who trains.
      const noLink = constants.O_NOFOLLOW ?? 0;
      const descriptor = openSync(
        this.#file,
        constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | noLink,
        0o666,
      );
      try {
        const before = fstatSync(descriptor).size;
        const bytes = Buffer.from(text);
        try {
          for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
        } catch (error) {
          ftruncateSync(descriptor, before);
          throw error;
        }
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** Drops lines of later steps, and a last line that was cut off. */
  truncate(afterStep: number): void {
    this.#guard(() => {
      if (!existsSync(this.#file)) return;
      const kept = linesOf(readFileSync(this.#file, "utf8")).filter((line) => {
        const parsed = parseLine(line);
        return parsed !== null && parsed.step <= afterStep;
      });
      writeFileAtomically(this.#file, kept.map((line) => `${line}\n`).join(""));
    });
  }
}

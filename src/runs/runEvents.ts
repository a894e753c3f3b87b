import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { z } from "zod";
import { RunStoreError } from "../errors.ts";

const time = z.string();
const step = z.int().nonnegative();

/** What happened in a run besides its metrics; `time` is ISO 8601 by the clock of the machine. */
const eventSchema = z.discriminatedUnion("kind", [
  /** Training begins, or goes on after a checkpoint of `step`. */
  z.object({
    kind: z.literal("start"),
    time,
    step,
    item: z.string(),
    itemsPerStep: z.number(),
    flopsPerStep: z.number(),
  }),
  /** Seconds of training steps since the start, and items per second of them. */
  z.object({ kind: z.literal("speed"), time, step, seconds: z.number(), itemsPerSecond: z.number() }),
  z.object({ kind: z.literal("checkpoint"), time, step }),
  z.object({ kind: z.literal("note"), time, message: z.string() }),
  z.object({
    kind: z.literal("end"),
    time,
    step: step.nullable(),
    status: z.string(),
    message: z.string().nullable(),
  }),
]);

export type RunEvent = z.infer<typeof eventSchema>;

const eventFile = (directory: string) => path.join(directory, "events.jsonl");

/** A line that is none, as of a process that was killed, is left out. */
function parseEvents(text: string): RunEvent[] {
  return text.split("\n").flatMap((line) => {
    try {
      return eventSchema.safeParse(JSON.parse(line)).data ?? [];
    } catch {
      return [];
    }
  });
}

/** Events of a run's folder in their order; lines that are none are left out. */
export function readRunEvents(directory: string): RunEvent[] {
  const file = eventFile(directory);
  return existsSync(file) ? parseEvents(readFileSync(file, "utf8")) : [];
}

/** Events of a folder that is looked at again and again: only what was added is read. */
export class RunEventReader {
  readonly #file: string;
  #events: RunEvent[] = [];
  /** Of the file, as it was then. */
  #inode = 0;
  /** Bytes whose lines are whole and known. */
  #known = 0;

  constructor(directory: string) {
    this.#file = eventFile(directory);
  }

  read(): readonly RunEvent[] {
    const stats = statSync(this.#file, { throwIfNoEntry: false });
    // Another file, or one that was made anew.
    if (stats === undefined || stats.ino !== this.#inode || stats.size < this.#known) {
      this.#events = [];
      this.#known = 0;
      this.#inode = stats?.ino ?? 0;
    }
    if (stats === undefined || stats.size === this.#known) return this.#events;
    const added = Buffer.alloc(stats.size - this.#known);
    const descriptor = openSync(this.#file, "r");
    let length = 0;
    try {
      length = readSync(descriptor, added, 0, added.length, this.#known);
    } finally {
      closeSync(descriptor);
    }
    const end = added.subarray(0, length).lastIndexOf(0x0a) + 1;
    this.#known += end;
    this.#events = [...this.#events, ...parseEvents(added.toString("utf8", 0, end))];
    return this.#events;
  }
}

/**
 * Adds lines to a run's `events.jsonl`.
 *
 * @throws RunStoreError naming the file
 */
export function appendRunEvents(directory: string, events: readonly RunEvent[]): void {
  if (events.length === 0) return;
  const file = eventFile(directory);
  try {
    // A link could lead to any file of the person who trains.
    const noLink = constants.O_NOFOLLOW ?? 0;
    const descriptor = openSync(
      file,
      constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | noLink,
      0o666,
    );
    try {
      appendFileSync(descriptor, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new RunStoreError(`events ${file}: ${(error as Error).message}`, { cause: error });
  }
}

import { appendFileSync, closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
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

/** Events of a run's folder in their order; lines that are none, as of a process that was killed, are left out. */
export function readRunEvents(directory: string): RunEvent[] {
  const file = eventFile(directory);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return eventSchema.safeParse(JSON.parse(line)).data ?? [];
      } catch {
        return [];
      }
    });
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

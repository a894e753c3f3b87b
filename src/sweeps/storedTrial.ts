import { z } from "zod";
import type { TrainConfig } from "../config/index.ts";
import { RunStoreError } from "../errors.ts";
import { firstProblem, identifierSchema } from "../runs/index.ts";
import { definitionSchema } from "./sweepFile.ts";
import { endedOutcome, type SweepRecord, type TrialRecord } from "./trialStore.ts";
import { tuneSchema } from "./tuneSettings.ts";

// Whatever lies in a store may have been written by another program, or on another machine. Nothing else reads it.

const whole = z.int().nonnegative();

export const outcomeSchema = z.object({
  status: z.enum(["finished", "diverged", "failed"]),
  message: z.string().nullable(),
  validationLoss: z.number().nullable(),
  trainLoss: z.number().nullable(),
  steps: whole,
  seconds: z.number().nonnegative(),
  runId: identifierSchema.nullable(),
});

export const progressSchema = z.object({
  step: whole,
  numSteps: whole,
  loss: z.number().nullable(),
  runId: identifierSchema,
});

/** Enough of a configuration for tables of results; whoever trains it checks it as a whole. */
const configSchema = z
  .looseObject({ name: z.string(), training: z.looseObject({ batchSize: z.number() }) })
  .transform((config) => config as TrainConfig);

export const stateSchema = z.enum(["waiting", "running", "ended"]);

const trialSchema = z.object({
  id: identifierSchema,
  sweep_id: identifierSchema,
  number: z.int().positive(),
  round: whole,
  values: z.record(z.string(), z.unknown()),
  config: configSchema,
  state: stateSchema,
  attempts: z.int(),
  worker: z.string().nullable(),
});

const sweepSchema = z.object({
  id: identifierSchema,
  name: z.string(),
  definition: definitionSchema.extend({ name: z.string(), tune: tuneSchema.exactOptional() }),
  base: z.looseObject({ name: z.string() }).transform((config) => config as TrainConfig),
  round: whole,
  code_version: z.string(),
});

/** A row with its JSON decoded; what couldn't be decoded is undefined. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** JSON as SQLite holds it; undefined if it is none. */
export function decodeJson(text: unknown): unknown {
  if (text === null) return null;
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws RunStoreError naming the sweep and what is wrong with its row */
export function readSweep(row: StoredRow, location: string): Omit<SweepRecord, "createdAt" | "counts"> {
  const parsed = sweepSchema.safeParse(row);
  if (!parsed.success)
    throw new RunStoreError(
      `${location}: the row of sweep ${JSON.stringify(String(row.id))} is damaged: ${firstProblem(parsed.error)}`,
    );
  const { code_version, ...rest } = parsed.data;
  return { ...rest, codeVersion: code_version };
}

/** A trial of a row. One that can't be used has failed, and says why: its sweep goes on without it. */
export function readTrial(row: StoredRow, sweep: Pick<SweepRecord, "id" | "base">): TrialRecord {
  const problem = (what: string, error: z.ZodError) =>
    `its ${what} in the store is damaged: ${firstProblem(error)}`;
  const parsed = trialSchema.safeParse(row);
  const isTrial =
    parsed.success &&
    parsed.data.sweep_id === sweep.id &&
    parsed.data.id === `${sweep.id}-${parsed.data.number}`;
  const progress = progressSchema.nullable().safeParse(row.progress);
  const outcome = outcomeSchema.nullable().safeParse(row.outcome);
  if (!isTrial) {
    const number = Number.isSafeInteger(Number(row.number)) ? Number(row.number) : 0;
    return {
      id: `${sweep.id}-${number}`,
      sweepId: sweep.id,
      number,
      round: 0,
      values: {},
      config: sweep.base,
      status: "failed",
      attempts: 0,
      worker: null,
      progress: null,
      outcome: endedOutcome(
        progress.data ?? null,
        parsed.success
          ? `its id in the store is damaged: ${JSON.stringify(parsed.data.id)}`
          : problem("row", parsed.error),
      ),
    };
  }
  const { sweep_id, state, ...trial } = parsed.data;
  const ended = outcome.success
    ? outcome.data
    : endedOutcome(progress.data ?? null, problem("result", outcome.error));
  return {
    ...trial,
    sweepId: sweep_id,
    status: ended?.status ?? (state === "running" ? "running" : "waiting"),
    // Progress that can't be read is that of a trial which hasn't begun.
    progress: progress.data ?? null,
    outcome: ended,
  };
}

import { z } from "zod";
import { identifierSchema } from "./identifier.ts";

const statuses = ["running", "finished", "interrupted", "failed"] as const;

export type RunStatus = (typeof statuses)[number];

export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly status: RunStatus;
  /** Why it failed, or null. */
  readonly message: string | null;
  readonly config: unknown;
  readonly seed: number;
  readonly codeVersion: string;
  /** ISO 8601, by the clock of the machine; the order of runs is that of their creation, whatever the clock said. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Last values of metrics that sum up the run. */
  readonly summary: Readonly<Record<string, number>>;
  /** Trial of a sweep that it belongs to; null for a run that a person started. */
  readonly trial: string | null;
  /** Words that a person gave it, to find it by. */
  readonly tags: readonly string[];
  /** What a person wrote of it; "" if nothing. */
  readonly note: string;
  /** Folder of checkpoints and logs. */
  readonly directory: string;
}

/** Integers as SQLite gives them when they may be too large for a number. */
const integer = z.union([z.int(), z.bigint()]).transform(Number).pipe(z.int());

const jsonText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "expected JSON" });
    return z.NEVER;
  }
});

/** Stores of earlier versions may hold null where there is no number. */
const summary = z
  .record(z.string(), z.number().nullable())
  .transform(
    (values) =>
      Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as Record<
        string,
        number
      >,
  );

/** Tags and notes that fit on a page; a person wrote them. */
export const annotationLimits = { tags: 32, tag: 64, note: 10_000 } as const;

const tagsSchema = z.array(z.string().min(1).max(annotationLimits.tag)).max(annotationLimits.tags);
const noteSchema = z.string().max(annotationLimits.note);

/** What a person says of a run. */
export const annotationSchema = z.strictObject({ tags: tagsSchema, note: noteSchema });

export type Annotation = z.infer<typeof annotationSchema>;

const fields = {
  id: identifierSchema,
  name: z.string(),
  status: z.enum(statuses),
  message: z.string().nullable(),
  trial: identifierSchema.nullable(),
};

/** A row of the table of runs. Nothing else reads one, as any program may have written it. */
export const runRowSchema = z.object({
  ...fields,
  config: jsonText,
  seed: integer,
  code_version: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  summary: jsonText.pipe(summary),
  sequence: integer,
  tags: jsonText.pipe(tagsSchema),
  note: noteSchema,
});

/** What `run.json` in a run's folder says of it: all that the store knows besides metrics. */
export const runFileSchema = z.object({
  format: z.literal("rotor-run"),
  version: z.literal(1),
  ...fields,
  config: z.unknown(),
  seed: z.int(),
  codeVersion: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  summary,
  /** Place among the runs of its home, in the order of their creation. */
  sequence: z.int(),
  // Versions before wrote neither.
  tags: tagsSchema.default([]),
  note: noteSchema.default(""),
});

export type RunFile = z.infer<typeof runFileSchema>;

/** The first thing that is wrong with a value, in a few words. */
export function firstProblem(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return `${path.join(".") || "it"}: ${message.replace(/^Invalid (input|option): /, "")}`;
}

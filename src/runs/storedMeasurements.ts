import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { insidePath } from "./removeInside.ts";

const folderName = "measurements";

/** JSON has no infinity: an open end is null. */
const end = z.number().nullable();
const estimateSchema = z.object({ value: end, low: end, high: end });
const optimumSchema = z.object({
  batchSize: z.number(),
  basis: z.enum(["measured", "interpolated", "extrapolated"]),
  learningRate: estimateSchema,
  lossDecrease: estimateSchema,
});

/** What a file of `measurements` in a run's folder says, of all that `rotor measure --json` prints of a checkpoint. */
const storedSchema = z.object({
  version: z.literal(1),
  codeVersion: z.string(),
  /** ISO 8601, by the clock of the machine. */
  measuredAt: z.string(),
  optimizer: z.string(),
  /** Of the run, in samples. */
  batchSize: z.number(),
  length: z.number(),
  sample: z.enum(["sequences", "examples"]),
  step: z.int().nonnegative(),
  confidence: z.number(),
  learningRate: z.object({ now: z.number(), peak: z.number() }),
  direction: z.string(),
  simpleNoiseScale: estimateSchema,
  noiseScale: estimateSchema,
  /** Best at the run's batch size. */
  own: optimumSchema,
  optima: z.array(optimumSchema),
  /** The same over a fine grid of batch sizes. */
  curve: z.array(optimumSchema),
  assumptions: z.array(
    z.object({ name: z.string(), verdict: z.enum(["holds", "fails", "open"]), finding: z.string() }),
  ),
});

/** The newest measurement of a checkpoint, as it lies in its run's folder. */
export type StoredMeasurement = z.infer<typeof storedSchema>;

/** Where a run keeps its measurements: `<run>/measurements`. @throws RunStoreError if a link leads elsewhere */
export const measurementsFolder = (directory: string): string => insidePath(directory, folderName);

/** The file of a checkpoint's measurement: `measurements/step-00000100.json`. */
export const measurementFile = (directory: string, step: number): string =>
  path.join(measurementsFolder(directory), `step-${String(step).padStart(8, "0")}.json`);

/** Bytes of a file at most: one that is larger wasn't written here. */
const longest = 2 ** 22;

/** The measurements of a run in the order of their steps; files that are none are left out. */
export function readMeasurements(directory: string): StoredMeasurement[] {
  const folder = measurementsFolder(directory);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^step-\d{8,}\.json$/.test(entry.name))
    .flatMap(({ name }) => {
      try {
        const file = path.join(folder, name);
        if (statSync(file).size > longest) return [];
        return storedSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data ?? [];
      } catch {
        return [];
      }
    })
    .sort((a, b) => a.step - b.step);
}

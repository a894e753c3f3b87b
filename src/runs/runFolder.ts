import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../data/index.ts";
import { RunStoreError } from "../errors.ts";
import { isIdentifier } from "./identifier.ts";
import { readMetricLog } from "./metricLog.ts";
import { insidePath } from "./removeInside.ts";
import { runningAverage } from "./runningAverage.ts";
import { type RunFile, runFileSchema } from "./runRecord.ts";

const fileName = "run.json";

/** Folder of all runs of a home. */
export const runsFolder = (home: string) => path.join(home, "runs");

/** Writes `run.json`, from which the store can be made anew. */
export function writeRunFile(directory: string, run: Omit<RunFile, "format" | "version">): void {
  const file = path.join(directory, fileName);
  const contents: RunFile = { format: "rotor-run", version: 1, ...run };
  try {
    writeFileAtomically(file, `${JSON.stringify(contents)}\n`);
  } catch (error) {
    throw new RunStoreError(`run ${run.id}: ${(error as Error).message}`, { cause: error });
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** Ids of the folders that hold a run: something that was trained, or is about to be. */
export function runFolders(home: string): string[] {
  const folder = runsFolder(home);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isDirectory() &&
        isIdentifier(entry.name) &&
        [fileName, "checkpoints", "metrics.jsonl"].some((name) =>
          existsSync(path.join(folder, entry.name, name)),
        ),
    )
    .map(({ name }) => name)
    .sort();
}

/** The part of a checkpoint's sidecar that says which run it belongs to. */
const sidecarSchema = z.object({
  step: z.int().nonnegative(),
  config: z.looseObject({ name: z.string() }),
  seed: z.int(),
  codeVersion: z.string(),
  createdAt: z.string(),
  validationLoss: z.number().nullable(),
});

/** Runs of versions that wrote no `run.json`: the newest checkpoint says what they are. */
function fromCheckpoint(directory: string, id: string): RunFile | null {
  const folder = path.join(directory, "checkpoints");
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^step-\d+\.json$/.test(name)) : [];
  for (const name of names.sort().reverse()) {
    const sidecar = sidecarSchema.safeParse(readJson(path.join(folder, name))).data;
    if (sidecar === undefined) continue;
    const { step, config, seed, codeVersion, createdAt, validationLoss } = sidecar;
    const steps = (config.training as { steps?: unknown } | undefined)?.steps;
    const losses = readMetricLog(path.join(directory, "metrics.jsonl")).rows.filter(
      (row) => row.name === "loss",
    );
    const loss = losses.reduce((average: number | null, { value }) => runningAverage(average, value), null);
    return {
      format: "rotor-run",
      version: 1,
      id,
      name: config.name,
      status: step === steps ? "finished" : "interrupted",
      message: null,
      trial: null,
      config,
      seed,
      codeVersion,
      createdAt,
      updatedAt: createdAt,
      summary: {
        step,
        ...(loss === null ? {} : { loss }),
        ...(validationLoss === null ? {} : { validationLoss }),
      },
      sequence: 0,
      tags: [],
      note: "",
    };
  }
  return null;
}

/** What a run's folder says of the run; null if it says nothing that can be read. */
export function readRunFolder(home: string, id: string): RunFile | null {
  const directory = insidePath(runsFolder(home), id);
  const file = path.join(directory, fileName);
  // A pipe would be waited for.
  const isFile = existsSync(file) && lstatSync(file).isFile();
  const own = isFile ? runFileSchema.safeParse(readJson(file)).data : undefined;
  return own !== undefined && own.id === id ? own : fromCheckpoint(directory, id);
}

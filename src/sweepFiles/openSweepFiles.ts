import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { DataError } from "../errors.ts";
import type { SweepSource } from "../scaling/index.ts";
import { readMlflowRun } from "./mlflowFiles.ts";
import { settingsInName } from "./nameSettings.ts";
import { readBytes } from "./readBytes.ts";
import { flattenInto, type RunRecord, tableOfRecords } from "./records.ts";
import { readSqliteStore } from "./sqliteStores.ts";
import { readTensorboardEvents } from "./tensorboardEvents.ts";
import { readWandbFile } from "./wandbFile.ts";

const isEvents = (name: string) => /(^|\.)tfevents(\.|$)/.test(name);
const isTable = (name: string) => /\.(csv|tsv|jsonl|ndjson|json|txt|md)(\.gz|\.zst)?$/i.test(name);

function filesBelow(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile())
    .sort();
}

function settingsFile(file: string): Record<string, string> {
  const record: Record<string, string> = {};
  const text = readFileSync(file, "utf8");
  // What Python objects wrote of themselves isn't plain YAML; the rest is.
  const value: unknown = file.endsWith(".json")
    ? JSON.parse(text)
    : parse(text.replace(/!!python\/\S+/g, ""), { logLevel: "silent" });
  flattenInto(record, "", value);
  return record;
}

/** A table beside the settings that stand in a file next to it or in its name. */
function plainSource(file: string, settings?: string): SweepSource {
  const constants = { ...settingsInName(file), ...(settings !== undefined && settingsFile(settings)) };
  return { name: file, content: readBytes(file), ...(Object.keys(constants).length > 0 && { constants }) };
}

/**
 * What a folder holds: MLflow's file store, W&B's offline runs, TensorBoard's event files, the trials of Ray Tune, the versions of
 * Lightning's logger, states of Transformers' Trainer; else its tables.
 */
function openFolder(folder: string): SweepSource[] {
  const files = filesBelow(folder);
  const named = (name: string) => files.filter((file) => path.basename(file) === name);
  const beside = (file: string, ...names: string[]) =>
    names.map((name) => path.join(path.dirname(file), name)).find((other) => files.includes(other));
  const records: RunRecord[] = [];

  for (const file of files.filter((name) => name.endsWith(".wandb")))
    records.push(...readWandbFile(readBytes(file), path.basename(path.dirname(file))));
  for (const file of named("meta.yaml")) {
    if (/^(run_id|run_uuid):/m.test(readFileSync(file, "utf8")))
      records.push(...(readMlflowRun(path.dirname(file)) ?? []));
  }
  const events = Map.groupBy(
    files.filter((file) => isEvents(path.basename(file))),
    (file) => path.dirname(file),
  );
  const sources: SweepSource[] = [];
  // Trials of Ray hold the same in three forms.
  const trials = named("params.json").filter(
    (file) => beside(file, "result.json", "progress.csv") !== undefined,
  );
  for (const file of trials)
    sources.push({ ...plainSource(beside(file, "progress.csv", "result.json")!, file), oneRun: true });
  const versions = named("metrics.csv");
  for (const file of versions) {
    const settings = beside(file, "hparams.yaml");
    sources.push({ ...plainSource(file, settings), oneRun: true });
  }
  if (sources.length === 0 && records.length === 0)
    for (const [place, list] of events)
      records.push(...readTensorboardEvents(list.map(readBytes), path.relative(folder, place) || folder));
  for (const file of named("trainer_state.json")) sources.push({ ...plainSource(file), oneRun: true });
  if (records.length > 0) sources.push({ name: folder, content: tableOfRecords(records, folder) });
  if (sources.length > 0) return sources;
  for (const file of files.filter((name) => isSqlite(name))) return [readSqliteStore(file)];
  const tables = files.filter((file) => isTable(file));
  if (tables.length === 0)
    throw new DataError(
      `${folder}: holds no runs: expected what W&B, MLflow, TensorBoard, Ray, Lightning or Transformers leave, or tables (.csv, .tsv, .json, .jsonl)`,
    );
  return tables.map((file) => plainSource(file));
}

function isSqlite(file: string): boolean {
  return (
    /\.(db|sqlite3?)$/i.test(file) &&
    readFileSync(file).subarray(0, 16).toString("latin1") === "SQLite format 3\0"
  );
}

/**
 * Reads the files of a sweep: tables in any of the forms that `readSweep` reads (also compressed), the stores that MLflow and Optuna keep in
 * SQLite, records of W&B (`.wandb`), TensorBoard's event files, and folders of all of these. Settings that stand beside a table
 * (`params.json`, `hparams.yaml`) or in its name (`lr=0.01_bs=32.csv`) go along with it.
 *
 * @throws DataError if a file can't be read or holds nothing of these
 */
export function openSweepFiles(paths: readonly string[]): SweepSource[] {
  return paths.flatMap((file): SweepSource[] => {
    if (file !== "-" && statSync(file, { throwIfNoEntry: false })?.isDirectory() === true)
      return openFolder(file);
    const bytes = readBytes(file);
    const beginning = Buffer.from(bytes.subarray(0, 16)).toString("latin1");
    if (beginning === "SQLite format 3\0") return [readSqliteStore(file)];
    if (beginning.startsWith(":W&B"))
      return [{ name: file, content: tableOfRecords(readWandbFile(bytes, path.basename(file)), file) }];
    if (isEvents(path.basename(file)))
      return [
        {
          name: file,
          content: tableOfRecords(readTensorboardEvents([bytes], path.basename(path.dirname(file))), file),
        },
      ];
    const constants = settingsInName(paths.length > 1 ? file : path.basename(file));
    return [{ name: file, content: bytes, ...(Object.keys(constants).length > 0 && { constants }) }];
  });
}

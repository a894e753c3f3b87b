import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import type { RunRecord } from "./records.ts";

/** MLflow's numbers for what became of a run. */
const statuses = ["", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

const entries = (folder: string) =>
  existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]) : [];

/** Reads the folder of one run of MLflow's file store: a row for each step at which something was logged; null if the run was deleted. */
export function readMlflowRun(folder: string): RunRecord[] | null {
  const meta = parse(readFileSync(path.join(folder, "meta.yaml"), "utf8")) as Record<string, unknown>;
  if (meta.lifecycle_stage === "deleted") return null;
  const run: Record<string, string> = {
    run_id: String(meta.run_id ?? meta.run_uuid),
    name: String(meta.run_name ?? ""),
    status: typeof meta.status === "number" ? (statuses[meta.status] ?? "") : String(meta.status ?? ""),
  };
  for (const name of entries(path.join(folder, "params")))
    run[`params.${name}`] = readFileSync(path.join(folder, "params", name), "utf8").trim();
  const moments = new Map<number, Record<string, string>>();
  for (const name of entries(path.join(folder, "metrics"))) {
    const file = path.join(folder, "metrics", name);
    for (const line of readFileSync(file, "utf8").split("\n")) {
      // Time, value, step; newer versions add more.
      const [, value, step = "0"] = line.trim().split(/\s+/);
      if (value === undefined) continue;
      const moment = moments.get(Number(step)) ?? {};
      moment[`metrics.${name}`] = value;
      moments.set(Number(step), moment);
    }
  }
  if (moments.size === 0) return [run];
  return [...moments]
    .sort(([a], [b]) => a - b)
    .map(([step, values]) => ({ ...run, step: String(step), ...values }));
}

import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import type { MeasureQuestion } from "../ui/index.ts";
import { mainFile } from "./mainFile.ts";

/** Starts `rotor measure` for the page: it tells of its progress through a channel, and ends when that is cut. */
export function measureBeside(home: string, { run, step, samples, probes }: MeasureQuestion): ChildProcess {
  const args = ["measure", run, "--checkpoint", String(step), "--home", path.resolve(home), "--json"];
  if (samples !== undefined) args.push("--samples", String(samples));
  if (probes !== undefined) args.push("--probes", String(probes));
  return fork(mainFile, args, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
}

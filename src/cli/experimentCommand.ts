import os from "node:os";
import path from "node:path";
import picocolors from "picocolors";
import { experimentNames, loadExperiment, TrialLog, writeReport } from "../experiments/index.ts";
import { version } from "../train/index.ts";

export interface ExperimentFlags {
  readonly quick?: boolean;
  readonly out: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/**
 * Runs an experiment, or lists them. Trials are kept in `<out>/<name>/trials.jsonl`: what is there isn't run again.
 *
 * @throws ConfigError for an unknown name
 */
export async function experimentCommand(name: string | undefined, flags: ExperimentFlags): Promise<number> {
  const out = (text: string) => process.stdout.write(`${text}\n`);
  if (name === undefined) {
    for (const known of experimentNames) {
      out(`${known.padEnd(22)}${(await loadExperiment(known)).title}`);
    }
    return 0;
  }
  const experiment = await loadExperiment(name);
  const size = flags.quick === true ? "quick" : "full";
  const folderOf = (which: string) => path.join(flags.out, size === "full" ? which : `${which}-quick`);
  const logOf = (which: string) => path.join(folderOf(which), "trials.jsonl");
  const folder = folderOf(name);
  const trials = new TrialLog(logOf(name), experiment.sharesTrialsWith?.map(logOf));
  if (trials.size > 0) process.stderr.write(`${trials.size} trials of an earlier run are used again\n`);
  const report = await experiment.run({
    size,
    trials,
    threads: flags.threads,
    note: (message) => process.stderr.write(`${message}\n`),
  });
  const command = `rotor experiment ${name}${size === "quick" ? " --quick" : ""}`;
  const machine = `${os.cpus()[0]?.model.trim() ?? "unknown processor"}, ${os.availableParallelism()} cores`;
  writeReport(
    folder,
    experiment,
    report,
    `Written by \`${command}\`, Rotor ${version}, Node ${process.versions.node}, ${machine}. Trials: [trials.jsonl](trials.jsonl).`,
  );
  if (flags.json === true) {
    out(JSON.stringify({ name, folder, ...report }));
    return 0;
  }
  out(report.summary);
  for (const { claim, found, verdict } of report.verdicts) {
    const colour =
      verdict === "holds" ? picocolors.green : verdict === "fails" ? picocolors.red : picocolors.yellow;
    out(`${colour(verdict.padEnd(6))} ${claim}\n       ${found}`);
  }
  out(`report: ${path.join(folder, "README.md")}`);
  return 0;
}

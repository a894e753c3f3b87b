import os from "node:os";
import path from "node:path";
import { ConfigError } from "../errors.ts";
import {
  countVerdicts,
  experimentNames,
  experimentStatus,
  loadExperiment,
  runExperiment,
  TrialLog,
  writeReport,
} from "../experiments/index.ts";
import { version } from "../version.ts";
import { duration } from "./format.ts";
import { out, print } from "./print.ts";
import { style } from "./style.ts";
import { boundedThreads } from "./threads.ts";

export interface ExperimentFlags {
  readonly quick?: boolean;
  readonly status?: boolean;
  readonly out: string;
  readonly home: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Of reports that an earlier version wrote. */
const unsaid = "Run it again, from its stored trials, for what would settle it.";

const colours = { holds: style.green, fails: style.red, open: style.yellow };

/** What the reports in a folder say. @throws ConfigError for an unknown name or with `--quick`, DataError for a report that can't be read */
async function status(name: string | undefined, flags: ExperimentFlags): Promise<number> {
  if (flags.quick === true)
    throw new ConfigError("--status with --quick: quick versions prove nothing; expected one of them");
  if (name !== undefined) await loadExperiment(name);
  const all = (name === undefined ? experimentNames : [name]).map((one) => experimentStatus(flags.out, one));
  if (flags.json === true) {
    out(JSON.stringify({ version: 1, experiments: all }));
    return 0;
  }
  const parts = all.map(({ name: own, verdicts, trials, seconds }) => {
    if (verdicts === null) return `${style.bold(own)}: no report in ${flags.out}`;
    const cost = `${trials} trials, ${duration(seconds)} of waiting for them`;
    const lines = verdicts.map(
      ({ claim, verdict, toSettle = verdict === "open" ? unsaid : undefined }) =>
        `  ${colours[verdict](verdict.padEnd(6))} ${claim}${toSettle === undefined ? "" : `\n         ${toSettle}`}`,
    );
    return [`${style.bold(own)}: ${countVerdicts(verdicts)}; ${cost}`, ...lines].join("\n");
  });
  out(parts.join("\n\n"));
  const verdicts = all.flatMap((one) => one.verdicts ?? []);
  out(`\n${countVerdicts(verdicts)} in all`);
  return 0;
}

/**
 * Runs an experiment, or lists them. Trials are kept in `<out>/<name>/trials.jsonl`: what is there isn't run again.
 *
 * @throws ConfigError for an unknown name
 */
export async function experimentCommand(name: string | undefined, flags: ExperimentFlags): Promise<number> {
  if (flags.status === true) return status(name, flags);
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
  if (trials.size > 0) print(`${trials.size} trials of an earlier run are used again\n`, process.stderr);
  // Trials of a second are done before a second process has loaded.
  const threads = flags.threads ?? (size === "quick" ? 1 : undefined);
  const report = await runExperiment(experiment, size, {
    trials,
    threads: threads === undefined ? undefined : boundedThreads(threads, "--threads"),
    home: flags.home,
    note: (message) => print(`${message}\n`, process.stderr),
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
    out(`${colours[verdict](verdict.padEnd(6))} ${claim}\n       ${found}`);
  }
  out(`report: ${path.join(folder, "README.md")}`);
  return 0;
}

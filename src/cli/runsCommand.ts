import { stringify } from "yaml";
import { checkpointSteps, firstDifference, openCheckpoint } from "../checkpoint/index.ts";
import { parseConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import {
  configDifferences,
  patiently,
  type RunRecord,
  RunStore,
  type RunStoreOptions,
  rebuildRunStore,
} from "../runs/index.ts";
import { spectrumQuantities } from "../train/index.ts";
import { type ComparedUnits, compareUnits } from "../ui/index.ts";
import { commandLine } from "./commandLine.ts";
import { commandPatience, rebuildCommand } from "./commandPatience.ts";
import { table } from "./format.ts";
import { drawCurves } from "./lossCurve.ts";
import { out, warn } from "./print.ts";
import { isColorSupported, style } from "./style.ts";

// Stores of earlier versions may hold null where there is no number.
const number = (value: unknown) => (typeof value === "number" ? value.toFixed(4) : "");

export interface RunsFlags {
  readonly home: string;
  readonly json?: boolean;
}

const open = (home: string, options: RunStoreOptions = { readOnly: true }) =>
  patiently(() => new RunStore(home, options), commandPatience());

/** Says what is wrong with the store, and what to do about it. */
function warnOfProblems(store: RunStore): boolean {
  const problems = store.problems();
  for (const problem of problems) warn(problem);
  if (problems.length > 0) warn(`mend the store with: ${rebuildCommand}`);
  return problems.length > 0;
}

/** `rotor runs list` */
export async function listRuns({ home, json, limit }: RunsFlags & { limit: number }): Promise<number> {
  using store = await open(home);
  const runs = store.listRuns(limit);
  const count = store.countRuns();
  const isWrong = warnOfProblems(store);
  const isPart = count > limit;
  const shown = `the newest ${limit} of ${count} runs; more with --limit ${count}`;
  if (json === true) {
    out(JSON.stringify(runs));
    if (isPart) warn(shown);
    return 0;
  }
  if (runs.length === 0 && isWrong) return 1;
  if (runs.length === 0) {
    out(`no runs in ${store.home}; start one with: ${commandLine(`train tiny`)}`);
    return 0;
  }
  out(
    table([
      ["run", "name", "status", "step", "loss", "validation"],
      ...runs.map(({ id, name, status, summary }) => [
        id,
        name,
        status,
        String(summary.step ?? ""),
        number(summary.loss),
        number(summary.validationLoss),
      ]),
    ]),
  );
  if (isPart) out(shown);
  return 0;
}

/** `rotor runs rebuild` */
export function rebuildRuns({ home, json }: RunsFlags): number {
  const rebuilt = rebuildRunStore(home);
  if (json === true) {
    out(JSON.stringify(rebuilt));
    return 0;
  }
  const { taken, kept, aside, notes } = rebuilt;
  for (const note of notes) warn(note);
  if (aside !== null) out(`the damaged file is kept as ${aside}`);
  out(`${taken.length} runs taken in from their folders, ${kept} were known`);
  return 0;
}

/** `rotor runs show` */
export async function showRun(reference: string, { home, json }: RunsFlags): Promise<number> {
  using store = await open(home);
  const run = store.getRun(reference);
  if (json === true) {
    out(JSON.stringify({ ...run, checkpoints: checkpointSteps(run.directory) }));
    return 0;
  }
  out(style.bold(`${run.name}  ${run.id}`));
  out(`status       ${run.status}${run.message === null ? "" : `: ${run.message}`}`);
  if (run.trial !== null) out(`trial        ${run.trial}`);
  out(`begun        ${run.createdAt} with Rotor ${run.codeVersion}, seed ${run.seed}`);
  out(`folder       ${run.directory}`);
  out(`checkpoints  ${checkpointSteps(run.directory).join(", ") || "none"}`);
  for (const [name, value] of Object.entries(run.summary)) out(`${name.padEnd(12)} ${value}`);
  out("");
  out(stringify(run.config).trimEnd());
  const loss = store.metric(run.id, "loss");
  if (loss.length > 1) {
    out("");
    out(drawCurves([loss], { colour: isColorSupported }));
  }
  const spectra = lastSpectra(store, run.id);
  if (spectra !== null) {
    out("");
    out(spectra);
  }
  return 0;
}

/** The newest spectra of a run as a table, or null if it has none. */
function lastSpectra(store: RunStore, id: string): string | null {
  const names = new Set(store.metricNames(id));
  const paths = [...names].flatMap((name) =>
    name.endsWith("/spectralNorm") ? [name.slice(0, -"/spectralNorm".length)] : [],
  );
  if (paths.length === 0) return null;
  const shown = spectrumQuantities.filter((quantity) =>
    paths.some((path) => names.has(`${path}/${quantity}`)),
  );
  const last = (name: string) => store.metric(id, name).at(-1);
  const step = last(`${paths[0]}/spectralNorm`)!.step;
  return table([
    [`spectra of step ${step}`, ...shown],
    ...paths.map((path) => [
      path,
      ...shown.map((quantity) => last(`${path}/${quantity}`)?.value.toPrecision(4) ?? ""),
    ]),
  ]);
}

/** `rotor runs compare`. @returns 1 if the runs were to be identical and are not */
export async function compareTwoRuns(
  references: readonly string[],
  flags: RunsFlags & { identical?: boolean },
): Promise<number> {
  if (references.length < 2) throw new ConfigError("runs compare: expected two or more runs");
  using store = await open(flags.home);
  const runs = references.map((reference) => store.getRun(reference));
  if (flags.identical === true) return compareBits(store, runs);
  const { by, notes } = unitsOf(runs);
  const row = (name: string, key: string) => [name, ...runs.map(({ summary }) => number(summary[key]))];
  out(
    table([
      ["", ...runs.map(({ name, id }) => `${name} ${id}`)],
      ["status", ...runs.map(({ status }) => status)],
      ["step", ...runs.map(({ summary }) => String(summary.step ?? ""))],
      ...(by === "loss" ? [row("loss", "loss"), row("validation", "validationLoss")] : []),
      ...(by !== null && runs.some(({ summary }) => summary.bitsPerByte !== undefined)
        ? [row("bits per byte", "bitsPerByte")]
        : []),
    ]),
  );
  for (const note of notes) out(note);
  for (const other of runs.slice(1)) {
    const differences = configDifferences(runs[0]!.config, other.config);
    out("");
    out(
      differences.length === 0
        ? "the configurations are equal"
        : table(
            differences.map(({ path, left, right }) => [
              path,
              JSON.stringify(left) ?? "-",
              JSON.stringify(right) ?? "-",
            ]),
          ),
    );
  }
  if (by === null) return 0;
  out("");
  out(
    drawCurves(
      runs.map(({ id }) => store.metric(id, by)),
      { colour: isColorSupported },
    ),
  );
  return 0;
}

function unitsOf(runs: readonly RunRecord[]): ComparedUnits {
  const steps = runs.map(({ summary }) => Number(summary.step ?? 0));
  try {
    return compareUnits(
      runs.map(({ config }) => parseConfig(config)),
      steps,
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Of a version whose options were others.
    const note = `whether the losses can be compared isn't known: ${error.message}`;
    return { by: "loss", notes: [note] };
  }
}

/** Compares two runs number by number: every metric of every step and every tensor of the last checkpoints. */
function compareBits(store: RunStore, runs: readonly RunRecord[]): number {
  const [left, ...others] = runs;
  for (const right of others) {
    const difference =
      firstMetricDifference(store, left!, right) ?? firstCheckpointDifference(store, left!, right);
    if (difference !== null) {
      warn(`runs ${left!.id} and ${right.id} differ: ${difference}`);
      return 1;
    }
  }
  out(`identical: every metric and every tensor of ${runs.map(({ id }) => id).join(", ")}`);
  return 0;
}

function firstMetricDifference(store: RunStore, left: RunRecord, right: RunRecord): string | null {
  for (const name of new Set([...store.metricNames(left.id), ...store.metricNames(right.id)])) {
    const [a, b] = [store.metric(left.id, name), store.metric(right.id, name)];
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      if (a[i]?.step !== b[i]?.step || !Object.is(a[i]?.value, b[i]?.value)) {
        return `${name} of step ${a[i]?.step ?? b[i]?.step} is ${a[i]?.value} and ${b[i]?.value}`;
      }
    }
  }
  return null;
}

function firstCheckpointDifference(store: RunStore, left: RunRecord, right: RunRecord): string | null {
  const [a, b] = [openCheckpoint(store, left, "latest"), openCheckpoint(store, right, "latest")];
  if (a.sidecar.step !== b.sidecar.step)
    return `the last checkpoints are of steps ${a.sidecar.step} and ${b.sidecar.step}`;
  return firstDifference(a.tensors, b.tensors);
}

/** `rotor runs delete` */
export async function deleteRuns(references: readonly string[], { home }: RunsFlags): Promise<number> {
  using store = await open(home, { create: false });
  for (const id of new Set(references.map((reference) => store.getRun(reference).id))) {
    await patiently(() => store.deleteRun(id), commandPatience());
    out(`deleted ${id}`);
  }
  return 0;
}

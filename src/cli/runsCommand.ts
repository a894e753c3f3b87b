import picocolors from "picocolors";
import { stringify } from "yaml";
import { ConfigError } from "../errors.ts";
import { configDifferences, type RunRecord, RunStore } from "../runs/index.ts";
import { checkpointSteps, firstDifference, latestCheckpoint, spectrumQuantities } from "../train/index.ts";
import { table } from "./format.ts";
import { drawCurves } from "./lossCurve.ts";

const out = (text: string) => process.stdout.write(`${text}\n`);
// Stores of earlier versions may hold null where there is no number.
const number = (value: unknown) => (typeof value === "number" ? value.toFixed(4) : "");

export interface RunsFlags {
  readonly home: string;
  readonly json?: boolean;
}

/** `rotor runs list` */
export function listRuns({ home, json }: RunsFlags): number {
  using store = new RunStore(home, { create: false });
  const runs = store.listRuns();
  if (json === true) {
    out(JSON.stringify(runs));
    return 0;
  }
  if (runs.length === 0) {
    out(`no runs in ${store.home}; start one with: rotor train tiny`);
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
  return 0;
}

/** `rotor runs show` */
export function showRun(reference: string, { home, json }: RunsFlags): number {
  using store = new RunStore(home, { create: false });
  const run = store.getRun(reference);
  if (json === true) {
    out(JSON.stringify({ ...run, checkpoints: checkpointSteps(run.directory) }));
    return 0;
  }
  out(picocolors.bold(`${run.name}  ${run.id}`));
  out(`status       ${run.status}${run.message === null ? "" : `: ${run.message}`}`);
  out(`begun        ${run.createdAt} with Rotor ${run.codeVersion}, seed ${run.seed}`);
  out(`folder       ${run.directory}`);
  out(`checkpoints  ${checkpointSteps(run.directory).join(", ") || "none"}`);
  for (const [name, value] of Object.entries(run.summary)) out(`${name.padEnd(12)} ${value}`);
  out("");
  out(stringify(run.config).trimEnd());
  const loss = store.metric(run.id, "loss");
  if (loss.length > 1) {
    out("");
    out(drawCurves([loss], { colour: picocolors.isColorSupported }));
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
export function compareTwoRuns(
  references: readonly string[],
  flags: RunsFlags & { identical?: boolean },
): number {
  if (references.length < 2) throw new ConfigError("runs compare: expected two or more runs");
  using store = new RunStore(flags.home, { create: false });
  const runs = references.map((reference) => store.getRun(reference));
  if (flags.identical === true) return compareBits(store, runs);
  out(
    table([
      ["", ...runs.map(({ name, id }) => `${name} ${id}`)],
      ["status", ...runs.map(({ status }) => status)],
      ["step", ...runs.map(({ summary }) => String(summary.step ?? ""))],
      ["loss", ...runs.map(({ summary }) => number(summary.loss))],
      ["validation", ...runs.map(({ summary }) => number(summary.validationLoss))],
    ]),
  );
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
  out("");
  out(
    drawCurves(
      runs.map(({ id }) => store.metric(id, "loss")),
      { colour: picocolors.isColorSupported },
    ),
  );
  return 0;
}

/** Compares two runs number by number: every metric of every step and every tensor of the last checkpoints. */
function compareBits(store: RunStore, runs: readonly RunRecord[]): number {
  const [left, ...others] = runs;
  for (const right of others) {
    const difference = firstMetricDifference(store, left!, right) ?? firstCheckpointDifference(left!, right);
    if (difference !== null) {
      process.stderr.write(`rotor: runs ${left!.id} and ${right.id} differ: ${difference}\n`);
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

function firstCheckpointDifference(left: RunRecord, right: RunRecord): string | null {
  const [a, b] = [latestCheckpoint(left.directory), latestCheckpoint(right.directory)];
  if (a.sidecar.step !== b.sidecar.step)
    return `the last checkpoints are of steps ${a.sidecar.step} and ${b.sidecar.step}`;
  return firstDifference(a.tensors, b.tensors);
}

/** `rotor runs delete` */
export function deleteRuns(references: readonly string[], { home }: RunsFlags): number {
  using store = new RunStore(home, { create: false });
  for (const id of new Set(references.map((reference) => store.getRun(reference).id))) {
    store.deleteRun(id);
    out(`deleted ${id}`);
  }
  return 0;
}

import { writeOutput } from "../data/index.ts";
import { patiently } from "../runs/index.ts";
import {
  deleteSweep,
  openSharedFiles,
  openTrialStore,
  rebuildSweeps,
  resultsCsv,
  SharedCheckpoints,
  SqliteTrialStore,
  sweepsOfRuns,
} from "../sweeps/index.ts";
import { commandLine } from "./commandLine.ts";
import { commandPatience } from "./commandPatience.ts";
import { table } from "./format.ts";
import { out, print, warn } from "./print.ts";
import { style } from "./style.ts";
import { trialTable } from "./sweepTable.ts";

/** Opens the store of sweeps, and waits if it is away. */
const openStore = (home: string, readOnly: boolean) =>
  patiently(() => openTrialStore(home, { readOnly }), commandPatience());

export interface SweepsFlags {
  readonly home: string;
  readonly json?: boolean;
}

/** `rotor sweep list` */
export async function listSweeps({ home, json }: SweepsFlags): Promise<number> {
  await using store = await openStore(home, true);
  const sweeps = await store.listSweeps();
  for (const problem of await store.problems()) warn(problem);
  if (json === true) {
    out(JSON.stringify(sweeps));
    return 0;
  }
  if (sweeps.length === 0) {
    out(`no sweeps in ${store.location}; start one with: ${commandLine(`sweep <file>`)}`);
    const lost = store instanceof SqliteTrialStore ? sweepsOfRuns(home).length : 0;
    if (lost > 0)
      out(
        `runs of ${lost} ${lost === 1 ? "sweep" : "sweeps"} are here; take them in with: ${commandLine("sweep rebuild")}`,
      );
    return 0;
  }
  out(
    table([
      ["sweep", "name", "waiting", "running", "finished", "diverged", "failed"],
      ...sweeps.map(({ id, name, counts }) => [
        id,
        name,
        counts.waiting,
        counts.running,
        counts.finished,
        counts.diverged,
        counts.failed,
      ]),
    ]),
  );
  return 0;
}

/** `rotor sweep show` */
export async function showSweep(reference: string, { home, json }: SweepsFlags): Promise<number> {
  await using store = await openStore(home, true);
  const sweep = await store.getSweep(reference);
  const trials = await store.listTrials(sweep.id);
  if (json === true) {
    out(JSON.stringify({ ...sweep, trials }));
    return 0;
  }
  out(style.bold(`${sweep.name}  ${sweep.id}`));
  out(`begun ${sweep.createdAt} with Rotor ${sweep.codeVersion}`);
  out(
    Object.entries(sweep.counts)
      .filter(([, count]) => count > 0)
      .map(([status, count]) => `${count} ${status}`)
      .join(", "),
  );
  out("");
  out(trialTable(sweep, trials));
  return 0;
}

/** `rotor sweep export` */
export async function exportSweep(
  reference: string,
  { home, csv }: { readonly home: string; readonly csv?: string },
): Promise<number> {
  await using store = await openStore(home, true);
  const sweep = await store.getSweep(reference);
  const text = resultsCsv(sweep, await store.listTrials(sweep.id));
  if (csv === undefined) print(text);
  else {
    writeOutput(csv, text);
    out(`written to ${csv}`);
  }
  return 0;
}

/** `rotor sweep rebuild` */
export function rebuildSweepsCommand({ home, json }: SweepsFlags): number {
  const { taken, kept, aside, notes } = rebuildSweeps(home);
  if (json === true) {
    out(JSON.stringify({ taken, kept, aside, notes }));
    return 0;
  }
  if (aside !== null) out(`the damaged store is now ${aside}`);
  out(
    `${taken.length} ${taken.length === 1 ? "sweep" : "sweeps"} taken in from their runs, ${kept} were known`,
  );
  for (const { id, trials, ended } of taken) out(`${id}: ${trials} trials, ${ended} of which have ended`);
  for (const note of notes) warn(note);
  return 0;
}

export interface DeleteSweepsFlags {
  readonly home: string;
  readonly force?: boolean;
  readonly keepRuns?: boolean;
  readonly shared?: string;
}

/** `rotor sweep delete` */
export async function deleteSweeps(
  references: readonly string[],
  { home, force = false, keepRuns = false, shared }: DeleteSweepsFlags,
): Promise<number> {
  const files = shared === undefined ? null : new SharedCheckpoints(await openSharedFiles(shared));
  await using store = await openStore(home, false);
  const ids = new Set<string>();
  // A damaged sweep is named by its id, and goes like any other.
  for (const reference of references)
    ids.add((await store.hasSweep(reference)) ? reference : (await store.getSweep(reference)).id);
  for (const id of ids) {
    const { trials, runs, elsewhere, foreign } = await deleteSweep(store, id, {
      home,
      force,
      keepRuns,
      shared: files,
    });
    const missing = elsewhere === 0 ? "" : `; ${elsewhere} runs were not in ${home}`;
    out(`deleted ${id}: ${trials} trials, ${runs} runs${missing}`);
    for (const run of foreign) warn(`run ${run}: was not begun by a trial of ${id}, and stays`);
  }
  return 0;
}

import picocolors from "picocolors";
import { writeFileAtomically } from "../data/index.ts";
import {
  deleteSweep,
  openSharedFiles,
  openTrialStore,
  resultsCsv,
  SharedCheckpoints,
} from "../sweeps/index.ts";
import { table } from "./format.ts";
import { trialTable } from "./sweepTable.ts";

const out = (text: string) => process.stdout.write(`${text}\n`);

export interface SweepsFlags {
  readonly home: string;
  readonly json?: boolean;
}

/** `rotor sweep list` */
export async function listSweeps({ home, json }: SweepsFlags): Promise<number> {
  await using store = await openTrialStore(home);
  const sweeps = await store.listSweeps();
  if (json === true) {
    out(JSON.stringify(sweeps));
    return 0;
  }
  if (sweeps.length === 0) {
    out(`no sweeps in ${store.location}; start one with: rotor sweep <file>`);
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
  await using store = await openTrialStore(home);
  const sweep = await store.getSweep(reference);
  const trials = await store.listTrials(sweep.id);
  if (json === true) {
    out(JSON.stringify({ ...sweep, trials }));
    return 0;
  }
  out(picocolors.bold(`${sweep.name}  ${sweep.id}`));
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
  await using store = await openTrialStore(home);
  const sweep = await store.getSweep(reference);
  const text = resultsCsv(sweep, await store.listTrials(sweep.id));
  if (csv === undefined) process.stdout.write(text);
  else {
    writeFileAtomically(csv, text);
    out(`written to ${csv}`);
  }
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
  await using store = await openTrialStore(home);
  const ids = new Set<string>();
  for (const reference of references) ids.add((await store.getSweep(reference)).id);
  for (const id of ids) {
    const { trials, runs, elsewhere } = await deleteSweep(store, id, {
      home,
      force,
      keepRuns,
      shared: files,
    });
    const missing = elsewhere === 0 ? "" : `; ${elsewhere} runs were not in ${home}`;
    out(`deleted ${id}: ${trials} trials, ${runs} runs${missing}`);
  }
  return 0;
}

import { type Stats, statSync } from "node:fs";
import { RunStore, runStoreFile } from "../runs/index.ts";
import {
  isShared,
  openTrialStore,
  SqliteTrialStore,
  sweepStoreFile,
  type TrialStore,
} from "../sweeps/index.ts";
import { type LaunchMeasurement, MeasureJob } from "./measureJob.ts";
import { ModelHost } from "./model/modelHost.ts";
import type { PageFiles } from "./pageFiles.ts";
import { RunList } from "./runList.ts";

/** What the system knows of a file, or why it says nothing: whoever opens the file is told so. */
function statsOf(file: string): Stats | string {
  try {
    return statSync(file, { throwIfNoEntry: false }) ?? "none";
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

/** What tells a file from another one of its name, and from what it was. */
function stampOf(file: string): string {
  return [file, `${file}-wal`]
    .map((name) => {
      const stats = statsOf(name);
      return typeof stats === "string" ? stats : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    })
    .join(" ");
}

/** Milliseconds between looks at a database, which is asked over a network. */
const databaseInterval = 1000;

/** Pages that are open at once, about. */
const mostWatched = 8;

/** One that a trainer is just making, or of an earlier version, is read from a copy, which is made anew when the file changes. */
const isCopy = (store: TrialStore) => store instanceof SqliteTrialStore && store.isCopy;

function identityOf(file: string): string {
  const stats = statsOf(file);
  return typeof stats === "string" ? stats : String(stats.ino);
}

/**
 * The stores of a home, opened to be read while others write them. A store that is made, deleted or made anew meanwhile is opened again. Nothing is
 * written but what a person says of a run.
 */
export class UiContext implements AsyncDisposable {
  readonly home: string;
  /** The page itself, as it was built. */
  readonly page: PageFiles;
  /** The measurement that a person started from the page. */
  readonly measureJob: MeasureJob;
  /** The models of the playground. */
  readonly models: ModelHost;
  readonly runList = new RunList();
  #runs: { readonly store: RunStore; readonly identity: string } | null = null;
  #trials: { readonly store: TrialStore; readonly identity: string } | null = null;
  readonly #database = { isBusy: false, at: Number.NEGATIVE_INFINITY, version: "" };
  #opening: Promise<TrialStore> | null = null;
  /** Folders of measurements that a page has asked for, the last ones. */
  readonly #watched = new Set<string>();

  constructor(home: string, page: PageFiles, launch: LaunchMeasurement | null = null) {
    this.home = home;
    this.page = page;
    this.measureJob = new MeasureJob(launch);
    this.models = new ModelHost(home);
  }

  /** @throws RunStoreError, DatabaseAwayError as the store */
  get runs(): RunStore {
    const file = runStoreFile(this.home);
    const known = this.#runs;
    if (known !== null && known.identity === (known.store.isCopy ? stampOf(file) : identityOf(file)))
      return known.store;
    known?.store[Symbol.dispose]();
    this.#runs = null;
    // Looked at before: what is written meanwhile must be seen.
    const [stamp, identity] = [stampOf(file), identityOf(file)];
    const store = new RunStore(this.home, { readOnly: true });
    this.#runs = { store, identity: store.isCopy ? stamp : identity };
    return store;
  }

  /** The sweeps of this home, or of all machines where a database's URL is given. */
  trials(): Promise<TrialStore> {
    // Who asks while it is opened gets the same one.
    this.#opening ??= this.#openedTrials().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #openedTrials(): Promise<TrialStore> {
    const file = sweepStoreFile(this.home);
    const [stamp, identity] = [stampOf(file), identityOf(file)];
    const known = this.#trials;
    if (known !== null && known.identity === (isCopy(known.store) ? stamp : identity)) return known.store;
    this.#trials = null;
    await known?.store[Symbol.asyncDispose]();
    const store = await openTrialStore(this.home, { readOnly: true });
    this.#trials = { store, identity: isCopy(store) ? stamp : identity };
    return store;
  }

  /**
   * Looks whether the sweeps of a database have changed, at most once a second and never twice at once; those in a file show it by themselves.
   * What goes wrong is told to whoever asks for the sweeps.
   */
  async lookAtDatabase(): Promise<void> {
    const now = performance.now();
    if (!isShared() || this.#database.isBusy || now - this.#database.at < databaseInterval) return;
    this.#database.isBusy = true;
    try {
      this.#database.version = await (await this.trials()).version();
    } catch {
      this.#database.version = "away";
    } finally {
      this.#database.isBusy = false;
      this.#database.at = performance.now();
    }
  }

  /** What changes in a folder, which need not be there, changes the stamp of the measurements. */
  watch(folder: string): void {
    this.#watched.delete(folder);
    this.#watched.add(folder);
    if (this.#watched.size > mostWatched) this.#watched.delete(this.#watched.values().next().value!);
  }

  /** Changes when the runs, the sweeps or what is measured on this machine have changed. */
  stamp(): { readonly runs: string; readonly sweeps: string; readonly measurements: string } {
    let version = "";
    try {
      version = String(this.runs.dataVersion());
    } catch {
      // Whoever asks for the runs is told why.
      version = "away";
    }
    return {
      runs: `${version} ${stampOf(runStoreFile(this.home))}`,
      sweeps: `${this.#database.version} ${stampOf(sweepStoreFile(this.home))}`,
      measurements: `${this.measureJob.version} ${[...this.#watched].map(stampOf).join(" ")}`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.measureJob[Symbol.asyncDispose]();
    await this.models[Symbol.asyncDispose]();
    this.#runs?.store[Symbol.dispose]();
    await this.#opening?.catch(() => {});
    await this.#trials?.store[Symbol.asyncDispose]();
    this.#runs = null;
    this.#trials = null;
  }
}

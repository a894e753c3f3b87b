import { statSync } from "node:fs";
import { RunStore, runStoreFile } from "../runs/index.ts";
import { openTrialStore, SqliteTrialStore, sweepStoreFile, type TrialStore } from "../sweeps/index.ts";
import type { PageFiles } from "./pageFiles.ts";

/** What tells a file from another one of its name, and from what it was. */
function stampOf(file: string): string {
  return [file, `${file}-wal`]
    .map((name) => {
      const stats = statSync(name, { throwIfNoEntry: false });
      return stats === undefined ? "-" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    })
    .join(" ");
}

/** One that a trainer is just making, or of an earlier version, is read from a copy, which is made anew when the file changes. */
const isCopy = (store: TrialStore) => store instanceof SqliteTrialStore && store.isCopy;

const identityOf = (file: string) => String(statSync(file, { throwIfNoEntry: false })?.ino ?? "none");

/**
 * The stores of a home, opened to be read while others write them. A store that is made, deleted or made anew meanwhile is opened again. Nothing is
 * written but what a person says of a run.
 */
export class UiContext implements AsyncDisposable {
  readonly home: string;
  /** The page itself, as it was built. */
  readonly page: PageFiles;
  #runs: { readonly store: RunStore; readonly identity: string } | null = null;
  #trials: { readonly store: TrialStore; readonly identity: string } | null = null;

  constructor(home: string, page: PageFiles) {
    this.home = home;
    this.page = page;
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
  async trials(): Promise<TrialStore> {
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

  /** Changes when the runs or the sweeps of this machine have changed. */
  stamp(): { readonly runs: string; readonly sweeps: string } {
    let version = "";
    try {
      version = String(this.runs.dataVersion());
    } catch {
      // Whoever asks for the runs is told why.
      version = "away";
    }
    return {
      runs: `${version} ${stampOf(runStoreFile(this.home))}`,
      sweeps: stampOf(sweepStoreFile(this.home)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#runs?.store[Symbol.dispose]();
    await this.#trials?.store[Symbol.asyncDispose]();
    this.#runs = null;
    this.#trials = null;
  }
}

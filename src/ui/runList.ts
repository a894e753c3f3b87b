import { RunStoreError } from "../errors.ts";
import type { RunStore } from "../runs/index.ts";
import { runView } from "./runView.ts";
import type { RunView } from "./views.ts";

/** The runs of a store as the table shows them. It is asked for again and again: what hasn't changed since isn't read again. */
export class RunList {
  #known = new Map<string, { readonly stamp: string; readonly view: RunView }>();

  /** @returns the newest so many, newest first, and what is wrong with the store, a line each */
  read(store: RunStore, limit: number): { runs: RunView[]; problems: string[] } {
    const known = new Map<string, { readonly stamp: string; readonly view: RunView }>();
    const problems: string[] = [];
    for (const { id, stamp } of store.runStamps(limit)) {
      const before = this.#known.get(id);
      // One that runs gets further without a change of its row, and ends without one if it is killed.
      if (before?.stamp === stamp && before.view.status !== "running") {
        known.set(id, before);
        continue;
      }
      try {
        known.set(id, { stamp, view: runView(store, store.getRun(id)) });
      } catch (error) {
        if (!(error instanceof RunStoreError)) throw error;
        problems.push(error.message);
      }
    }
    this.#known = known;
    return {
      runs: [...known.values()].map(({ view }) => view),
      problems: [...problems, ...store.folderProblems()],
    };
  }
}

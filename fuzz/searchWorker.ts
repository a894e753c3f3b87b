// One border in a thread of its own, so that it can be ended when an input hangs it.
import { parentPort, workerData } from "node:worker_threads";
import { loadBorder } from "./border.ts";
import { type Find, search } from "./search.ts";

export interface SearchWork {
  readonly module: string;
  readonly seed: number;
  readonly runs: number;
  readonly known: readonly string[];
  /** What the watching thread reads: see {@link progressAt}. */
  readonly progress: Float64Array<SharedArrayBuffer>;
}

/** Places in the progress: the index of the input that is being answered (−1 in shrinking), when it was begun, and three counts. */
export const progressAt = { index: 0, begun: 1, right: 2, refused: 3, known: 4 } as const;

/** First what fails, then the same made small; null if nothing does. */
export type SearchMessage =
  | { readonly kind: "failure"; readonly find: Find }
  | { readonly kind: "end"; readonly find: Find | null };

if (parentPort !== null) {
  const port = parentPort;
  const { module, progress, ...options } = workerData as SearchWork;
  const counts = { right: 0, refused: 0, known: 0 };
  const find = await search(await loadBorder(module), {
    ...options,
    counts,
    before: (index) => {
      progress[progressAt.index] = index ?? -1;
      progress[progressAt.begun] = Date.now();
    },
    after: () => {
      progress[progressAt.begun] = Number.POSITIVE_INFINITY;
      for (const name of ["right", "refused", "known"] as const) progress[progressAt[name]] = counts[name];
    },
    onFailure: (failure) => port.postMessage({ kind: "failure", find: failure } satisfies SearchMessage),
  });
  port.postMessage({ kind: "end", find } satisfies SearchMessage);
}

import type { FitFlags } from "./fitFlags.ts";
import { type FitOutcome, fitTable } from "./fitTable.ts";
import type { TableFile } from "./openTables.ts";

/** What the worker is asked. */
export interface WorkerQuestion {
  readonly id: number;
  readonly files: readonly TableFile[];
  readonly flags: FitFlags;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly outcome: FitOutcome;
}

addEventListener("message", ({ data: { id, files, flags } }: MessageEvent<WorkerQuestion>) => {
  fitTable(files, flags)
    .catch(
      (error: unknown): FitOutcome => ({
        kind: "refused",
        problem: error instanceof Error ? error.message : String(error),
        columns: [],
      }),
    )
    .then((outcome) => postMessage({ id, outcome } satisfies WorkerAnswer));
});

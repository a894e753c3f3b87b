import { useEffect, useState } from "preact/hooks";
import { computedOnce } from "../core/api.ts";
import type { FitFlags } from "./fitFlags.ts";
import type { FitOutcome } from "./fitTable.ts";
import type { WorkerAnswer, WorkerQuestion } from "./fitWorker.ts";
import type { TableFile } from "./openTables.ts";

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, (outcome: FitOutcome) => void>();

/** Fits beside the page, so that it can be used meanwhile. */
function fitBeside(files: readonly TableFile[], flags: FitFlags): Promise<FitOutcome> {
  worker ??= new Worker(new URL("./fitWorker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
    waiting.get(data.id)?.(data.outcome);
    waiting.delete(data.id);
  };
  worker.onerror = ({ message }) => {
    for (const resolve of waiting.values())
      resolve({ kind: "refused", problem: message || "the fit failed", columns: [] });
    waiting.clear();
  };
  return new Promise((resolve) => {
    const id = asked++;
    waiting.set(id, resolve);
    worker!.postMessage({ id, files, flags } satisfies WorkerQuestion);
  });
}

/** A table of runs, or several that are read as one. */
export interface FitTable {
  /** Names it in a page that is shared. */
  readonly id: string;
  readonly name: string;
  readonly files: readonly TableFile[];
}

export interface Fitted {
  /** Null while the first is made; the last one stays while a new one is made. */
  readonly outcome: FitOutcome | null;
  readonly isBusy: boolean;
}

/** The fit of a table. */
export function useFit({ id, files }: FitTable, flags: FitFlags): Fitted {
  const [made, setMade] = useState<{ readonly key: string; readonly outcome: FitOutcome } | null>(null);
  const content = files[0]?.content;
  const key = `fit:${id}:${JSON.stringify(flags)}`;
  useEffect(() => {
    let isLast = true;
    void computedOnce(key, () => fitBeside(files, flags)).then((outcome) => {
      if (isLast) setMade({ key, outcome });
    });
    return () => {
      isLast = false;
    };
  }, [key, content]);
  return { outcome: made?.outcome ?? null, isBusy: made?.key !== key };
}

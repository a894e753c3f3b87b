import { useEffect, useState } from "preact/hooks";
import { computedOnce } from "../core/api.ts";
import type { FitView, NoFit } from "./fitView.ts";
import type { FitAnswer, FitQuestion } from "./fitWorker.ts";

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, (fit: FitView | NoFit) => void>();

/** Fits beside the page, so that it can be used meanwhile. */
function fitBeside(content: string, name: string, at: readonly number[]): Promise<FitView | NoFit> {
  worker ??= new Worker(new URL("./fitWorker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<FitAnswer>) => {
    waiting.get(data.id)?.(data.fit);
    waiting.delete(data.id);
  };
  worker.onerror = ({ message }) => {
    for (const resolve of waiting.values()) resolve({ problem: message || "the fit failed" });
    waiting.clear();
  };
  return new Promise((resolve) => {
    const id = asked++;
    waiting.set(id, resolve);
    worker!.postMessage({ id, content, name, at } satisfies FitQuestion);
  });
}

/** The fit of a table; null while it is made. The last one stays while a new one is made. @param key - names the table in a page that is shared */
export function useFit(
  key: string,
  content: string | null,
  name: string,
  at: readonly number[],
): FitView | NoFit | null {
  const [fit, setFit] = useState<FitView | NoFit | null>(null);
  useEffect(() => {
    if (content === null) return;
    let isLast = true;
    void computedOnce(`fit:${key}:${at.join()}`, () => fitBeside(content, name, at)).then((made) => {
      if (isLast) setFit(made);
    });
    return () => {
      isLast = false;
    };
  }, [key, content, at.join()]);
  return content === null ? null : fit;
}

import { useEffect, useState } from "preact/hooks";
import { computedOnce, keepComputed, shared } from "../core/api.ts";
import type { PositionsAnswer, PositionsQuestion } from "./positionsAnswer.ts";
import type { WorkerAnswer, WorkerQuestion } from "./positionsWorker.ts";

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, (answer: PositionsAnswer) => void>();

/** Places and searches beside the page, so that it can be used meanwhile. */
function askBeside(question: PositionsQuestion): Promise<PositionsAnswer> {
  // A page that is shared has what it was made with, and nothing else.
  if (shared !== null) return Promise.resolve({ kind: "missing" });
  worker ??= new Worker(new URL("./positionsWorker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
    waiting.get(data.id)?.(data.answer);
    waiting.delete(data.id);
  };
  worker.onerror = ({ message }) => {
    for (const resolve of waiting.values()) resolve({ kind: "refused", problem: message || "it failed" });
    waiting.clear();
  };
  return new Promise((resolve) => {
    const id = asked++;
    waiting.set(id, resolve);
    worker!.postMessage({ id, question } satisfies WorkerQuestion);
  });
}

/** What the library says of a question; null until it does. */
export function usePositions(question: PositionsQuestion): PositionsAnswer | null {
  const key = `positions:${JSON.stringify(question)}`;
  const [made, setMade] = useState<{ readonly key: string; readonly answer: PositionsAnswer } | null>(null);
  useEffect(() => {
    let isLast = true;
    void computedOnce(key, () => askBeside(question)).then((answer) => {
      if (isLast) setMade({ key, answer });
    });
    return () => {
      isLast = false;
    };
  }, [key]);
  const answer = made?.key === key ? made.answer : null;
  // At every turn: a change of place forgets what was kept.
  useEffect(() => {
    if (answer !== null) keepComputed(key, answer);
  });
  return answer;
}

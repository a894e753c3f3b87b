import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelAnswers, ModelPlace, ModelQuestion } from "../../src/ui/model/modelQuestion.ts";
import { postJson, shared } from "../core/api.ts";
import { useKept } from "../core/useKept.ts";

/** What the page asks of a kind; the place and how many choices are told are added on the way. */
type Asked<Kind extends keyof ModelAnswers> = Omit<
  Extract<ModelQuestion, { kind: Kind }>,
  keyof ModelPlace | "kind" | "choices"
>;

export interface Asking<Kind extends keyof ModelAnswers> {
  /** The last answer. */
  readonly answer: ModelAnswers[Kind] | null;
  readonly problem: string | null;
  readonly isBusy: boolean;
  ask(at: ModelPlace, question: Asked<Kind>): void;
  /** Takes the question back. */
  stop(): void;
}

/** Asks a model, one question at a time: a new one takes the one before back. @param key - of what a page that is shared keeps */
export function useModel<Kind extends keyof ModelAnswers>(kind: Kind, key: string): Asking<Kind> {
  const [answer, setAnswer] = useKept<ModelAnswers[Kind] | null>(`model:${key}`, null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const asking = useRef<AbortController | null>(null);
  // Nobody waits for the answer of a page that was left.
  useEffect(() => () => asking.current?.abort(), []);
  const stop = () => {
    asking.current?.abort();
    asking.current = null;
    setBusy(false);
  };
  return {
    answer,
    problem,
    isBusy,
    stop,
    ask({ run, step }, question) {
      if (shared !== null) return;
      stop();
      const own = new AbortController();
      asking.current = own;
      setBusy(true);
      setProblem(null);
      postJson<ModelAnswers[Kind]>(
        `/api/runs/${encodeURIComponent(run)}/playground`,
        { kind, step, ...question },
        own.signal,
      )
        .then(setAnswer)
        .catch((error: Error) => {
          if (!own.signal.aborted) setProblem(error.message);
        })
        .finally(() => {
          if (asking.current === own) stop();
        });
    },
  };
}

import { useRef, useState } from "preact/hooks";
import type { AtlasView, AttentionView, BetweenView, ContinuationView } from "../../src/ui/views.ts";
import { postJson, shared } from "../core/api.ts";
import { useKept } from "../core/useKept.ts";

/** What the server is asked of a checkpoint; see its route `playground`. */
export type Question =
  | {
      readonly kind: "continue";
      readonly prompt: string;
      readonly ids: readonly number[];
      readonly tokens: number;
      readonly temperature: number;
      readonly topK: number | null;
      readonly topP: number | null;
      readonly seed: number;
    }
  | { readonly kind: "attention"; readonly prompt: string; readonly layer: number }
  | { readonly kind: "atlas"; readonly codebook: number; readonly from: number; readonly base: number }
  | {
      readonly kind: "between";
      readonly codebook: number;
      readonly base: number;
      readonly codes: readonly [number, number];
    };

interface Answers {
  readonly continue: ContinuationView;
  readonly attention: AttentionView;
  readonly atlas: AtlasView;
  readonly between: BetweenView;
}

/** A checkpoint that is asked. */
export interface Checkpoint {
  readonly run: string;
  readonly step: number;
}

export interface Asking<Kind extends Question["kind"]> {
  /** The last answer. */
  readonly answer: Answers[Kind] | null;
  readonly problem: string | null;
  readonly isBusy: boolean;
  ask(at: Checkpoint, question: Omit<Extract<Question, { kind: Kind }>, "kind">): void;
  /** Takes the question back. */
  stop(): void;
}

/** Asks a model, one question at a time: a new one takes the one before back. @param key - of what a page that is shared keeps */
export function useModel<Kind extends Question["kind"]>(kind: Kind, key: string): Asking<Kind> {
  const [answer, setAnswer] = useKept<Answers[Kind] | null>(`model:${key}`, null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const asking = useRef<AbortController | null>(null);
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
      postJson<Answers[Kind]>(
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

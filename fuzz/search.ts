import fc from "fast-check";
import { answer, type Failure } from "./answer.ts";
import type { Border } from "./border.ts";

/** An input that was answered wrongly, made small. */
export interface Find {
  readonly kind: "wrong answer" | "foreign error" | "hang" | "memory";
  readonly what: string;
  readonly input: unknown;
}

export interface SearchCounts {
  right: number;
  refused: number;
  /** Answered wrongly in a way that was known. */
  known: number;
}

export interface SearchOptions {
  readonly seed: number;
  readonly runs: number;
  readonly counts?: SearchCounts;
  /** Causes that are passed over: they were found before. */
  readonly known?: readonly string[];
  /** Called before each input; an index for those that the seed gives, null for those made in shrinking. */
  readonly before?: (index: number | null) => void;
  readonly after?: () => void;
  /** Called with what fails first, before it is made small. */
  readonly onFailure?: (find: Find) => void;
}

/** How fast-check counts the inputs of a seed, so that the input of an index can be made again. */
export const parametersOf = (seed: number) => ({ seed, verbose: 0 as const, endOnFailure: false });

/** Digits and quoted text aside, so that one cause is one find. */
export const causeOf = ({ kind, what }: Pick<Find, "kind" | "what">): string =>
  `${kind} ${what.replace(/"[^"]*"|\d+/g, "…")}`;

/** Puts inputs to a border until one is answered wrongly, and makes that one small. @returns null if none was */
export async function search(border: Border<unknown>, options: SearchOptions): Promise<Find | null> {
  const { seed, runs, counts = { right: 0, refused: 0, known: 0 }, known = [] } = options;
  let index = 0;
  const failures: Failure[] = [];
  const result = await fc.check(
    fc.asyncProperty(border.inputs, async (input) => {
      const isShrinking = failures.length > 0;
      options.before?.(isShrinking ? null : index);
      index++;
      const given = await answer(border, input);
      options.after?.();
      if (!("what" in given)) {
        if (!isShrinking) counts[given.kind]++;
        return;
      }
      if (known.includes(causeOf(given))) {
        if (!isShrinking) counts.known++;
        return;
      }
      // What fails otherwise than the first is another find.
      if (isShrinking && causeOf(given) !== causeOf(failures[0]!)) return;
      if (!isShrinking) options.onFailure?.({ ...given, input });
      failures.push(given);
      throw new Error(given.what);
    }),
    { ...parametersOf(seed), numRuns: runs },
  );
  if (!result.failed || result.counterexample === null) return null;
  const [input] = result.counterexample;
  return { ...failures.at(-1)!, input };
}

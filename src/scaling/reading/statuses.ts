import { normalizedName } from "./columnName.ts";
import { exitNames, type Outcome, outcomeOf, statusNames } from "./statusWords.ts";
import type { Column } from "./table.ts";

export interface Statuses {
  readonly columns: readonly Column[];
  /** The word of a row and what it stands for, null for one that isn't known; null where the row has none. */
  of(row: number): { word: string; outcome: Outcome | null } | null;
  isUnknown(word: string): boolean;
}

/**
 * Finds what became of runs: a column of status words, of a process's exit codes, or one that says of each run whether it diverged.
 *
 * @param finished - more words for a run that finished
 */
export function readStatuses(columns: readonly Column[], finished: readonly string[]): Statuses | null {
  const named = (names: readonly string[]) => {
    for (const name of names) {
      const column = columns.find(
        (candidate) =>
          normalizedName(candidate.name) === name ||
          new RegExp(`(^|_)(info|tags|run)_${name}$`).test(normalizedName(candidate.name)),
      );
      if (column !== undefined) return column;
    }
    return null;
  };
  const also = new Set(finished.map((word) => word.trim().toLowerCase()));
  const meaning = (word: string): Outcome | null =>
    also.has(word.toLowerCase()) ? "finished" : outcomeOf(word);
  const known = (column: Column) => {
    const { count, text } = column.coded();
    return Array.from({ length: Math.min(count, 100) }, (_, code) => text(code)).some(
      (word) => meaning(word) !== null,
    );
  };
  // A column of words that say nothing of runs ("train", "stage 2") is none of theirs.
  const candidate = named(statusNames);
  const words = candidate !== null && known(candidate) ? candidate : null;
  const exits = words === null ? named(exitNames) : null;
  const diverged = named(["diverged", "is_diverged", "has_diverged", "nan", "is_nan", "unstable"]);
  const found = [words, exits, diverged].filter((column) => column !== null);
  if (found.length === 0) return null;
  type Status = { word: string; outcome: Outcome | null } | null;
  const ofDiverged = (word: string): Status =>
    /^(true|yes|y|1|1\.0)$/i.test(word) ? { word: "diverged", outcome: "diverged" } : null;
  const ofExit = (code: string): Status =>
    code === ""
      ? null
      : {
          word: code,
          outcome: also.has(code.toLowerCase()) || /^0(\.0)?$/.test(code) ? "finished" : "failed",
        };
  const ofWord = (word: string): Status =>
    /^(|nan|none|null|-)$/i.test(word) ? null : { word, outcome: meaning(word) };
  const parts = [
    { column: diverged, read: ofDiverged },
    { column: exits, read: ofExit },
    { column: words, read: ofWord },
  ].flatMap(({ column, read }) => {
    if (column === null) return [];
    const { codes, count, text } = column.coded();
    const statuses = Array.from({ length: count }, (_, code) => read(text(code)));
    return [(row: number) => statuses[codes[row]!]!];
  });
  return {
    columns: found,
    of(row) {
      for (const part of parts) {
        const status = part(row);
        if (status !== null) return status;
      }
      return null;
    },
    isUnknown: (word) => meaning(word) === null,
  };
}

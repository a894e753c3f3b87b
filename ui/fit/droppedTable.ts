import { useEffect, useState } from "preact/hooks";
import { sharedComputed } from "../core/api.ts";
import { defaultFlags, type FitFlags } from "./fitFlags.ts";
import type { FitTable } from "./useFit.ts";

/** Tables of the reader's own, and what is asked of them. They stay while other pages are looked at, until the page is closed. */
export interface DroppedTable {
  readonly table: FitTable;
  readonly flags: FitFlags;
}

/** What a page that is shared holds of it: all but the contents. */
export interface KeptTable {
  readonly id: string;
  readonly names: readonly string[];
  readonly flags: FitFlags;
}

export const keptKey = "dropped table";

const tableOf = (id: string, names: readonly string[], contents: readonly (Blob | string)[]): FitTable => ({
  id,
  name: names.join(", "),
  files: names.map((name, i) => ({ name, content: contents[i] ?? "" })),
});

function sharedTable(): DroppedTable | null {
  const kept = sharedComputed<KeptTable>(keptKey);
  return kept === null ? null : { table: tableOf(kept.id, kept.names, []), flags: kept.flags };
}

let dropped: DroppedTable | null = sharedTable();
let count = 0;
const listeners = new Set<() => void>();

function change(next: DroppedTable): void {
  dropped = next;
  for (const listener of listeners) listener();
}

/** Takes files, in the place of those before. */
export function dropTable(files: readonly File[]): void {
  if (files.length === 0) return;
  count++;
  const names = files.map(({ name }) => name);
  change({ table: tableOf(`dropped ${count}`, names, files), flags: defaultFlags });
}

export function changeFlags(flags: FitFlags): void {
  if (dropped !== null) change({ ...dropped, flags });
}

export function useDroppedTable(): DroppedTable | null {
  const [now, setNow] = useState(dropped);
  useEffect(() => {
    const listener = () => setNow(dropped);
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return now;
}

import { useEffect, useState } from "preact/hooks";
import { shared } from "./api.ts";

/** Grows when the runs, the sweeps or the measurements have changed; `isConnected` is false while the server doesn't answer. */
export interface Live {
  readonly runs: number;
  readonly sweeps: number;
  readonly measurements: number;
  readonly isConnected: boolean;
}

let live: Live = { runs: 0, sweeps: 0, measurements: 0, isConnected: true };
const listeners = new Set<() => void>();

function change(next: Partial<Live>): void {
  live = { ...live, ...next };
  for (const listener of listeners) listener();
}

if (shared === null) {
  const source = new EventSource("/api/changes");
  // What changed while nobody listened isn't counted: after each connection all is asked for again.
  let connections = 0;
  source.addEventListener("open", () => {
    connections++;
  });
  source.addEventListener("message", ({ data }) => {
    const counts = JSON.parse(data as string) as Record<"runs" | "sweeps" | "measurements", number>;
    const before = connections * 1e9;
    change({
      runs: before + counts.runs,
      sweeps: before + counts.sweeps,
      measurements: before + counts.measurements,
      isConnected: true,
    });
  });
  source.addEventListener("error", () => change({ isConnected: false }));
}

export function useLive(): Live {
  const [now, setNow] = useState(live);
  useEffect(() => {
    const listener = () => setNow(live);
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return now;
}

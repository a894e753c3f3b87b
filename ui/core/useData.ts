import { useEffect, useRef, useState } from "preact/hooks";
import type { MetricsView, SeriesView } from "../../src/ui/views.ts";
import { type ApiError, getJson, shared } from "./api.ts";
import { useLive } from "./live.ts";

export interface Data<T> {
  /** The last that was told; null before the first. */
  readonly data: T | null;
  readonly error: ApiError | null;
}

/** Runs a request when the path or the version changes, never two at once; the last version is always asked for. */
function useRequest(key: string, version: unknown, ask: () => Promise<void>): void {
  const state = useRef({ isBusy: false, isDue: false, key });
  useEffect(() => {
    const own = state.current;
    own.key = key;
    const go = () => {
      if (own.isBusy) {
        own.isDue = true;
        return;
      }
      own.isBusy = true;
      own.isDue = false;
      void ask().finally(() => {
        own.isBusy = false;
        if (own.isDue && own.key === key) go();
      });
    };
    go();
  }, [key, version]);
}

/** What the server tells at a path, asked again whenever its subject changes; null asks nothing. */
export function useData<T>(
  path: string | null,
  subject: "runs" | "sweeps" | "measurements" | "once" = "runs",
): Data<T> {
  const live = useLive();
  const [known, setKnown] = useState<Data<T> & { readonly path: string | null }>({
    data: null,
    error: null,
    path,
  });
  const current = useRef(path);
  current.current = path;
  useRequest(path ?? "", subject === "once" ? 0 : `${live[subject]} ${live.isConnected}`, async () => {
    if (path === null) return;
    try {
      const data = await getJson<T>(path);
      if (current.current === path) setKnown({ data, error: null, path });
    } catch (error) {
      if (current.current === path)
        setKnown((before) => ({
          data: before.path === path ? before.data : null,
          error: error as ApiError,
          path,
        }));
    }
  });
  return known.path === path ? known : { data: null, error: null };
}

export type Metrics = Readonly<Record<string, { readonly steps: number[]; readonly values: number[] }>>;

const metricsPath = (run: string, names: readonly string[], afters?: readonly number[]) =>
  `/api/runs/${encodeURIComponent(run)}/metrics?${names
    .map((name, i) => `name=${encodeURIComponent(name)}${afters === undefined ? "" : `&after=${afters[i]}`}`)
    .join("&")}`;

/** What was known with what came after it; null if the known part was made anew meanwhile. */
function joined(known: Metrics, names: readonly string[], more: MetricsView): Metrics | null {
  const result: Record<string, { steps: number[]; values: number[] }> = {};
  for (const name of names) {
    const [before, added] = [known[name]!, more[name] as SeriesView];
    if (added.before !== before.steps.length) return null;
    result[name] = { steps: [...before.steps, ...added.steps], values: [...before.values, ...added.values] };
  }
  return result;
}

/** Metrics of runs, whole, by run and name; while they grow, only what is new is asked for. */
export function useMetrics(
  runs: readonly string[],
  names: readonly string[],
): Readonly<Record<string, Metrics>> {
  const live = useLive();
  const key = JSON.stringify([runs, names]);
  const known = useRef<{ key: string; metrics: Record<string, Metrics> }>({ key, metrics: {} });
  const [, redraw] = useState(0);
  if (known.current.key !== key) known.current = { key, metrics: {} };
  useRequest(key, `${live.runs} ${live.isConnected}`, async () => {
    if (names.length === 0) return;
    const { metrics } = known.current;
    const mine = known.current;
    await Promise.all(
      runs.map(async (run) => {
        try {
          const before = shared === null ? metrics[run] : undefined;
          let next: Metrics | null = null;
          if (before !== undefined) {
            const afters = names.map((name) => before[name]!.steps.at(-1) ?? -1);
            next = joined(
              before,
              names,
              await getJson<MetricsView>(metricsPath(run, names, afters), { keep: false }),
            );
          }
          next ??= (await getJson<MetricsView>(metricsPath(run, names))) as unknown as Metrics;
          metrics[run] = next;
        } catch {
          // The page of the run says why.
        }
      }),
    );
    if (known.current === mine) redraw((count) => count + 1);
  });
  return known.current.metrics;
}

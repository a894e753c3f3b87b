import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** What ONNX Runtime's own profile says of a run of a compiled function, in milliseconds: medians over runs. */
export interface Profile {
  /** The run as a whole, with what profiling it costs. */
  readonly runMs: number;
  /** Its kernels by operator, longest first. */
  readonly kernels: ReadonlyMap<string, number>;
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/**
 * Profiles the runs of a compiled function.
 *
 * @param body - compiles with the option `profile: prefix`, runs, and disposes of what it compiled; the first run, which finds no
 *   memory to use again, doesn't count if there are others
 */
export async function profileOf(body: (prefix: string) => Promise<void>): Promise<Profile> {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
  try {
    await body(path.join(folder, "profile"));
    const file = readdirSync(folder).find((name) => name.startsWith("profile"))!;
    const events = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as ProfileEvent[];
    const all = events.filter(({ name }) => name === "model_run").sort((a, b) => a.ts - b.ts);
    const runs = all.length > 1 ? all.slice(1) : all;
    const times = new Map<string, number[]>();
    for (const { cat, name, ts, dur, args } of events) {
      if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
      const run = runs.findIndex((one) => ts >= one.ts && ts < one.ts + one.dur);
      if (run < 0) continue;
      const operator = args?.op_name ?? "other";
      const perRun = times.get(operator) ?? runs.map(() => 0);
      perRun[run] = perRun[run]! + dur / 1000;
      times.set(operator, perRun);
    }
    const medians = [...times].map(([operator, perRun]) => [operator, median(perRun)] as const);
    return {
      runMs: median(runs.map(({ dur }) => dur / 1000)),
      kernels: new Map(medians.sort(([, a], [, b]) => b - a)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds of some operators, or of all. */
export function sumOf(times: ReadonlyMap<string, number>, operators?: readonly string[]): number {
  return [...times].reduce(
    (sum, [operator, time]) => (operators === undefined || operators.includes(operator) ? sum + time : sum),
    0,
  );
}

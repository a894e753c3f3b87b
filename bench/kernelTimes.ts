import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Milliseconds per run of a compiled function that ONNX Runtime's kernels take, by operator, longest first, in its own profile.
 *
 * @param body - compiles with the option `profile: prefix`, runs, and disposes of what it compiled
 */
export async function kernelTimes(body: (prefix: string) => Promise<void>): Promise<Map<string, number>> {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
  try {
    await body(path.join(folder, "profile"));
    const file = readdirSync(folder).find((name) => name.startsWith("profile"))!;
    const events = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as {
      cat: string;
      name: string;
      dur: number;
      args?: { op_name?: string };
    }[];
    const runs = events.filter(({ name }) => name === "model_run").length;
    const times = new Map<string, number>();
    for (const { cat, name, dur, args } of events) {
      if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
      const operator = args?.op_name ?? "other";
      times.set(operator, (times.get(operator) ?? 0) + dur / runs / 1000);
    }
    return new Map([...times].sort(([, a], [, b]) => b - a));
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

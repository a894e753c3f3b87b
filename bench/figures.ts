// What a part of the benchmarks measured, for the history: the runner says by the environment where to.
import { appendFileSync } from "node:fs";

/** Notes a figure of which less is better: milliseconds, bytes, an error. */
export function figure(name: string, value: number): void {
  const file = process.env.ROTOR_BENCH_FIGURES;
  if (file !== undefined && Number.isFinite(value))
    appendFileSync(file, `${JSON.stringify([name, value])}\n`);
}

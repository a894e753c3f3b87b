// The history of the benchmarks: a line of JSON for each run of a part, with the machine that it ran on.
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

/** One run of one part. */
export interface BenchEntry {
  readonly part: string;
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  /** Of the machine at the end, averaged over five minutes: far above what the run itself takes, the figures mean little. */
  readonly load: number;
  /** With a `+` if files were changed beside it. */
  readonly commit: string;
  /** As given on the command line: runs with others aren't compared. */
  readonly options: readonly string[];
  /** Of all of which less is better. */
  readonly figures: Readonly<Record<string, number>>;
}

/** A figure that both entries have. */
export interface Change {
  readonly name: string;
  readonly before: number;
  readonly now: number;
}

/** Factor from which a figure has moved: on shared machines less means nothing. */
export const movedFrom = 1.1;

function git(...args: string[]): string {
  const { stdout } = spawnSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" });
  return (stdout ?? "").trim();
}

/** An entry of now, on this machine. */
export function newEntry(
  part: string,
  options: readonly string[],
  figures: Readonly<Record<string, number>>,
): BenchEntry {
  return {
    part,
    date: new Date().toISOString().slice(0, 16),
    processor: cpus()[0]!.model.trim(),
    cores: cpus().length,
    node: process.versions.node,
    load: Number(loadavg()[1]!.toFixed(1)),
    commit: `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+"}`,
    options,
    figures,
  };
}

export function readHistory(file: string): BenchEntry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as BenchEntry);
}

export function appendHistory(file: string, entry: BenchEntry): void {
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

/** The last entry before this one of the same part and options on the same processor; null if there is none. */
export function entryBefore(history: readonly BenchEntry[], entry: BenchEntry): BenchEntry | null {
  const at = history.indexOf(entry);
  const earlier = at < 0 ? history : history.slice(0, at);
  const same = ({ part, processor, cores, options }: BenchEntry) =>
    JSON.stringify([part, processor, cores, options]);
  return earlier.findLast((other) => same(other) === same(entry)) ?? null;
}

/** Figures of both entries, what became slower first. */
export function changesBetween(before: BenchEntry, now: BenchEntry): Change[] {
  return Object.entries(now.figures)
    .flatMap(([name, value]) => {
      const earlier = before.figures[name];
      return earlier === undefined ? [] : [{ name, before: earlier, now: value }];
    })
    .sort((a, b) => b.now / b.before - a.now / a.before);
}

const shown = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** What moved since the entry before, one line each. */
export function describeChanges(history: readonly BenchEntry[], entry: BenchEntry): string {
  const before = entryBefore(history, entry);
  const where = `${entry.part}, ${entry.processor}, ${entry.cores} cores`;
  if (before === null) return `${where}: the first run here, nothing to compare with`;
  const changes = changesBetween(before, entry);
  const moved = changes.filter(({ before: b, now }) => now > movedFrom * b || b > movedFrom * now);
  const since = `since ${before.date} (${before.commit}, Node ${before.node}), at a load of ${entry.load} and then ${before.load}`;
  if (moved.length === 0)
    return `${where}: none of ${changes.length} figures moved by ${movedFrom}× or more ${since}`;
  const lines = moved.map(({ name, before: b, now }) => {
    const [word, factor] = now > b ? ["slower", now / b] : ["faster", b / now];
    return `  ${factor.toFixed(2)}× ${word}: ${name}, ${shown(b)} → ${shown(now)}`;
  });
  return [`${where}: ${moved.length} of ${changes.length} figures moved ${since}`, ...lines].join("\n");
}

/** The last entry of each part of a machine. */
export function lastEntries(history: readonly BenchEntry[], processor: string, cores: number): BenchEntry[] {
  const last = new Map<string, BenchEntry>();
  for (const entry of history)
    if (entry.processor === processor && entry.cores === cores)
      last.set(JSON.stringify([entry.part, entry.options]), entry);
  return [...last.values()];
}

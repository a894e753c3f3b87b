import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { figure } from "../bench/figures.ts";
import {
  appendHistory,
  type BenchEntry,
  changesBetween,
  describeChanges,
  entryBefore,
  lastEntries,
  newEntry,
  readHistory,
} from "../bench/history.ts";
import { temporaryFolder } from "./command.ts";

const entry = (figures: Record<string, number>, more: Partial<BenchEntry> = {}): BenchEntry => ({
  part: "steps",
  date: "2026-11-28T10:00",
  processor: "A",
  cores: 2,
  node: "24.21.0",
  load: 2,
  commit: "abc1234",
  options: [],
  figures,
  ...more,
});

test("an entry is compared with the last one of its part, options and processor", () => {
  const [old, other, part, options, last] = [
    entry({ x: 1 }),
    entry({ x: 9 }, { processor: "B" }),
    entry({ x: 9 }, { part: "decay" }),
    entry({ x: 9 }, { options: ["--threads", "1"] }),
    entry({ x: 2 }),
  ];
  const now = entry({ x: 3 });
  assert.equal(entryBefore([old, other, part, options, last], now), last);
  assert.equal(entryBefore([old, other, part, options, last, now], now), last);
  assert.equal(entryBefore([old, other, last, now], last), old);
  assert.equal(entryBefore([other, part, options], now), null);
  assert.deepEqual(lastEntries([old, other, part, options, last], "A", 2), [last, part, options]);
});

test("what became slower comes first, and what is near isn't told", () => {
  const before = entry({ a: 100, b: 10, c: 1, gone: 5 });
  const now = entry({ a: 104, b: 5, c: 2, new: 7 }, { commit: "def5678" });
  assert.deepEqual(
    changesBetween(before, now).map(({ name }) => name),
    ["c", "a", "b"],
  );
  assert.equal(
    describeChanges([before], now),
    [
      "steps, A, 2 cores: 2 of 3 figures moved since 2026-11-28T10:00 (abc1234, Node 24.21.0), at a load of 2 and then 2",
      "  2.00× slower: c, 1.00 → 2.00",
      "  2.00× faster: b, 10.0 → 5.00",
    ].join("\n"),
  );
  assert.match(describeChanges([before], entry({ a: 101 })), /none of 1 figures moved by 1\.1× or more/);
  assert.match(describeChanges([], now), /the first run here/);
});

test("figures and entries are lines of their files", () => {
  using folder = temporaryFolder();
  const figures = path.join(folder.path, "figures.jsonl");
  figure("not asked for", 1);
  assert.ok(!existsSync(figures));
  process.env.ROTOR_BENCH_FIGURES = figures;
  figure("x, ms", 1.5);
  figure("failed", Number.NaN);
  delete process.env.ROTOR_BENCH_FIGURES;
  assert.equal(readFileSync(figures, "utf8"), '["x, ms",1.5]\n');

  const file = path.join(folder.path, "history.jsonl");
  assert.deepEqual(readHistory(file), []);
  const mine = newEntry("steps", ["--threads", "2"], { "x, ms": 1.5 });
  appendHistory(file, entry({ x: 1 }));
  appendHistory(file, mine);
  assert.deepEqual(readHistory(file), [entry({ x: 1 }), mine]);
  assert.match(mine.commit, /^[0-9a-f]{7,}\+?$/);
  assert.ok(mine.cores >= 1 && mine.processor !== "");
});

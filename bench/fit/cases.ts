// Batch sizes left out of sweeps, what was measured there, and the two baselines.
import { readFileSync } from "node:fs";
import path from "node:path";
import { median } from "simple-statistics";
import { type SweepRow, squareRootRule } from "../../src/scaling/index.ts";
import { plantedSweep } from "../../src/scaling/testing/plantedSweep.ts";

/** Several sweeps of one study, by the values of the columns that tell them apart. */
export interface Study {
  readonly name: string;
  readonly groups: readonly { readonly key: string; readonly rows: readonly SweepRow[] }[];
}

/** A measured optimum: log learning rate and its standard error. */
export interface Measured {
  readonly x: number;
  readonly error: number;
}

/** A batch size that was left out. */
export interface Target extends Measured {
  readonly batchSize: number;
  /** Index into `kinds`. */
  readonly kind: number;
  /** What keeping the learning rate of the nearest batch size, and that times the root of the ratio, are off by. */
  readonly keep: number;
  readonly root: number;
  /** What seeds say of the measured optimum's own error; null without repeated runs. */
  readonly seedError: number | null;
  /** The optimum measured twice, each time with other seeds. */
  readonly halves: readonly (readonly [number, number])[];
}

/** A sweep without some batch sizes. */
export interface Case {
  readonly study: string;
  readonly key: string;
  readonly kept: readonly SweepRow[];
  readonly targets: readonly Target[];
}

export const kinds = ["inside", "to 2.1×", "to 3.2×", "beyond"] as const;

/**
 * The vertex of a parabola in log learning rate through the lowest mean loss and two neighbours on each side, with the standard error that
 * the residuals give: an optimum measured without the fit. Null with fewer than five learning rates or the lowest loss at an edge.
 */
export function parabolaOptimum(rows: readonly SweepRow[]): Measured | null {
  const means = [...Map.groupBy(rows, ({ learningRate }) => learningRate)]
    .map(([rate, list]) => {
      const losses = list.map(({ loss }) => loss).filter(Number.isFinite);
      return { x: Math.log(rate), y: losses.reduce((a, b) => a + b, 0) / losses.length };
    })
    .filter(({ y }) => Number.isFinite(y))
    .sort((a, b) => a.x - b.x);
  if (means.length < 5) return null;
  let k = 0;
  means.forEach(({ y }, i) => {
    if (y < means[k]!.y) k = i;
  });
  if (k === 0 || k === means.length - 1) return null;
  const at = means[k]!;
  const near = means.slice(Math.max(0, k - 2), k + 3).map(({ x, y }) => ({ x: x - at.x, y: y - at.y }));
  const power = (p: number) => near.reduce((sum, { x }) => sum + x ** p, 0);
  const moment = (p: number) => near.reduce((sum, { x, y }) => sum + y * x ** p, 0);
  const a = [0, 1, 2].map((i) => [power(i), power(i + 1), power(i + 2), moment(i)]);
  for (let i = 0; i < 3; i++) {
    for (let r = 0; r < 3; r++) {
      if (r === i) continue;
      const factor = a[r]![i]! / a[i]![i]!;
      a[r] = a[r]!.map((value, j) => value - factor * a[i]![j]!);
    }
  }
  const [level, slope, bend] = [0, 1, 2].map((i) => a[i]![3]! / a[i]![i]!) as [number, number, number];
  const vertex = -slope / (2 * bend);
  if (!(bend > 0 && vertex >= near[0]!.x && vertex <= near.at(-1)!.x)) return null;
  const squares = near.reduce((sum, { x, y }) => sum + (y - level - slope * x - bend * x * x) ** 2, 0);
  const residual = Math.sqrt(squares / Math.max(1, near.length - 3));
  return { x: at.x + vertex, error: Math.max(0.02, residual / (bend * Math.sqrt(near.length))) };
}

const sizesOf = (rows: readonly SweepRow[]) =>
  [...new Set(rows.map(({ batchSize }) => batchSize))].sort((a, b) => a - b);

/** Each batch size inside left out, and the largest one, two and three. */
export function casesOf({ name, groups }: Study): Case[] {
  return groups.flatMap(({ key, rows }) => {
    const sizes = sizesOf(rows);
    const measured = new Map(
      sizes.map((size) => {
        const here = rows.filter(({ batchSize }) => batchSize === size);
        const found = parabolaOptimum(here);
        return [
          size,
          found === null ? null : { ...found, seedError: seedError(here), halves: halvesOf(here) },
        ];
      }),
    );
    const left = [...sizes.slice(1, -1).map((size) => [size]), ...[1, 2, 3].map((n) => sizes.slice(-n))];
    return left.flatMap((out): Case[] => {
      const kept = sizes.filter((size) => !out.includes(size));
      const known = kept.flatMap((size) => {
        const found = measured.get(size);
        return found ? [{ size, x: found.x }] : [];
      });
      if (kept.length < 3 || known.length === 0) return [];
      const targets = out.flatMap((batchSize): Target[] => {
        const found = measured.get(batchSize);
        if (!found) return [];
        const distance = ({ size }: { size: number }) => Math.abs(Math.log(size / batchSize));
        const nearest = known.reduce((a, b) => (distance(b) < distance(a) ? b : a));
        const factor = Math.max(1, batchSize / Math.max(...kept));
        const root = squareRootRule(
          { batchSize: nearest.size, learningRate: Math.exp(nearest.x) },
          batchSize,
        );
        return [
          {
            ...found,
            batchSize,
            kind: factor === 1 ? 0 : factor < 2.1 ? 1 : factor < 3.2 ? 2 : 3,
            keep: nearest.x - found.x,
            root: Math.log(root) - found.x,
          },
        ];
      });
      if (targets.length === 0) return [];
      return [{ study: name, key, kept: rows.filter(({ batchSize }) => kept.includes(batchSize)), targets }];
    });
  });
}

/** The sweeps of experiments/batch-size: two tasks, four optimizers. */
export function committedSweeps(): Study {
  const file = path.join(import.meta.dirname, "../../experiments/batch-size/trials.jsonl");
  const trials = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ settings }) => settings.kind === "run");
  const groups = Map.groupBy(trials, ({ settings }) => `${settings.task} ${settings.optimizer.kind}`);
  return {
    name: "eight sweeps",
    groups: [...groups].map(([key, list]) => ({
      key,
      rows: list.map(({ settings: { learningRate, batchSize, seed }, result }) => ({
        learningRate,
        batchSize,
        seed,
        loss: result ?? Number.NaN,
      })),
    })),
  };
}

const plantedLaws: Readonly<Record<string, (batchSize: number) => number>> = {
  sgd: (b) => 0.3 / (1 + 128 / b),
  "square-root": (b) => 0.002 * Math.sqrt(b),
  sign: (b) => (0.05 * Math.sqrt(1 + 200 / b)) / (200 / b + 8),
  cut: (b) => 0.004 * Math.min(1, (b / 128) ** 0.75),
};

/** Simulated sweeps of 5 batch sizes and 9 learning rates, asked at 90 and at 2, 3 and 4 times the largest, against the planted law. */
export function simulatedCases(count: number): Case[] {
  return Object.entries(plantedLaws).flatMap(([law, best]) =>
    Array.from({ length: count }, (_, i): Case => {
      const rows = plantedSweep(best, { batchSizes: [8, 32, 64, 128, 512], noise: 0.01, seed: 101 + i });
      const known = [...Map.groupBy(rows, ({ batchSize }) => batchSize)].flatMap(([size, runs]) => {
        const found = parabolaOptimum(runs);
        return found === null ? [] : [{ size, x: found.x }];
      });
      const targets = [90, 1024, 1536, 2048].map((batchSize, kind): Target => {
        const distance = ({ size }: { size: number }) => Math.abs(Math.log(size / batchSize));
        const from = known.reduce((a, b) => (distance(b) < distance(a) ? b : a));
        const x = Math.log(best(batchSize));
        const keep = from.x - x;
        return {
          batchSize,
          kind,
          x,
          error: 0,
          seedError: 0,
          halves: [],
          keep,
          root: keep + 0.5 * Math.log(batchSize / from.size),
        };
      });
      return {
        study: law === "sgd" ? "simulated" : "simulated, other laws",
        key: `${law} ${i}`,
        kept: rows,
        targets,
      };
    }),
  );
}

/** The ways to choose `count` of `n`. */
function choices(n: number, count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: n }, (_, i) => i).flatMap((last) =>
    last < count - 1 ? [] : choices(last, count - 1).map((rest) => [...rest, last]),
  );
}

/** The optimum measured with half of the seeds and with the others, for each way to halve them where both show one; seeds are in order. */
function halvesOf(rows: readonly SweepRow[]): [number, number][] {
  const rates = [...Map.groupBy(rows, ({ learningRate }) => learningRate).values()];
  const seeds = Math.min(...rates.map((list) => list.length));
  if (seeds < 2) return [];
  return choices(seeds, seeds >> 1).flatMap((some): [number, number][] => {
    const [a, b] = [true, false].map((chosen) =>
      parabolaOptimum(rates.flatMap((list) => list.filter((_, i) => some.includes(i) === chosen))),
    );
    return a && b ? [[a.x, b.x]] : [];
  });
}

/**
 * Square of what an answer is off by from the true optimum, without bias: the measured optimum's own error taken off. Two measurements with
 * different seeds have errors that don't go together, so that the product of what the answer misses each by holds none of them; without
 * seeds, the parabola's variance is taken off. Single ones may be negative, their mean says how far off answers are.
 */
export function trueSquare({ x, error, halves }: Target, answer: number): number {
  return halves.length === 0
    ? (answer - x) ** 2 - error ** 2
    : halves.reduce((sum, [a, b]) => sum + (answer - a) * (answer - b), 0) / halves.length;
}

/** Whether a 90 % interval holds a measured optimum, whose own error is one more, independent error. */
export function holds(
  { low, middle, high }: { readonly low: number; readonly middle: number; readonly high: number },
  x: number,
  own: number,
): boolean {
  const reach = x < middle ? middle - low : high - middle;
  return Math.abs(x - middle) <= Math.hypot(reach, 1.645 * own);
}

/**
 * What the measured optima themselves are off by: the standard deviation of each when its learning rates' seeds are drawn anew (five
 * hundred times with a fixed generator, enlarged as n seeds are but a sample); null without repeated runs.
 */
export function seedError(rows: readonly SweepRow[]): number | null {
  const rates = [...Map.groupBy(rows, ({ learningRate }) => learningRate).values()];
  const seeds = median(rates.map((list) => list.length));
  if (seeds < 3) return null;
  let state = 1;
  const pick = (n: number) => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * n);
  };
  const found = Array.from({ length: 500 }, () =>
    parabolaOptimum(rates.flatMap((list) => list.map(() => list[pick(list.length)]!))),
  ).flatMap((one) => (one === null ? [] : [one.x]));
  if (found.length < 100) return null;
  const mean = found.reduce((a, b) => a + b, 0) / found.length;
  return Math.sqrt(
    (found.reduce((sum, x) => sum + (x - mean) ** 2, 0) / found.length) * (seeds / (seeds - 1)),
  );
}

import { mix } from "../../data/index.ts";
import type { Tree } from "../../optim/index.ts";
import type { Estimate } from "../../scaling/index.ts";
import type { LawLab } from "./lawLab.ts";
import { batchOf } from "./lawTask.ts";
import type { LawOptimizer } from "./optimizers.ts";

/** The best learning rate of one step from a checkpoint, predicted and tried. */
export interface StepOptimumResult {
  /** η* = E[φ̃]ᵀg / E[φ̃ᵀHφ̃] with measured expectations; null if one of them isn't surely positive. */
  readonly law: Estimate | null;
  /** ΔL* of the law; null with it. */
  readonly lawDecrease: Estimate | null;
  /** The learning rate with the least mean loss after one step; no law is used but to choose where to look. */
  readonly trial: Estimate;
  readonly trialDecrease: Estimate;
  /** Learning rates that were tried and the mean change of the loss at each; none at which a loss overflowed. */
  readonly rates: readonly number[];
  readonly changes: readonly number[];
  /** Whether the best learning rate was inside of those tried. */
  readonly interior: boolean;
}

export interface StepOptimumOptions {
  readonly optimizers: readonly LawOptimizer[];
  readonly params: Tree;
  readonly secondMoment: Tree;
  readonly batchSize: number;
  /** Batches that a step is taken on, for the law and again as many for the trial. */
  readonly repetitions: number;
  /** Samples of the independent batch that each step is judged by. */
  readonly probeSize: number;
}

/** Coverage of all intervals here. */
const confidence = 0.9;
const replicates = 400;
/** Tried learning rates: factors of √2 around the law's, first this many to each side. */
const [spacing, reach, maxRates] = [Math.SQRT2, 4, 25];
const streams = { lawStep: 4_000, lawProbe: 5_000, trialStep: 6_000, trialProbe: 7_000 } as const;

/**
 * Measures the law and tries it, for several optimizers on the same batches.
 *
 * The law: directions φ̃ of batches of size B; gradient and Hessian of independent batches. The trial: losses of independent batches
 * after a step of each learning rate, other batches than the law's. Both are unbiased for the expected loss; intervals are from
 * resampling the batches (percentiles, 90 %).
 */
export async function stepOptima(lab: LawLab, options: StepOptimumOptions): Promise<StepOptimumResult[]> {
  const { optimizers, params, secondMoment, batchSize, repetitions, probeSize } = options;
  const { task } = lab;
  const directionsOf = (stream: number, index: number) =>
    lab.directions(params, optimizers, secondMoment, batchOf(task, stream, batchSize, index));

  const alignments = optimizers.map(() => new Float64Array(repetitions));
  const curvatures = optimizers.map(() => new Float64Array(repetitions));
  for (let r = 0; r < repetitions; r++) {
    const directions = await directionsOf(streams.lawStep, r);
    const sums = await lab.moments(params, directions, batchOf(task, streams.lawProbe, probeSize, r));
    for (let i = 0; i < optimizers.length; i++) {
      alignments[i]![r] = sums.alignment[i]!;
      curvatures[i]![r] = sums.curvature[i]!;
    }
  }
  const laws = optimizers.map((_, i) => ({
    alignment: alignments[i]!.reduce((a, b) => a + b, 0) / repetitions,
    curvature: curvatures[i]!.reduce((a, b) => a + b, 0) / repetitions,
  }));

  const centers = laws.map(({ alignment, curvature }) => Math.abs(alignment / curvature));
  // Changes of the loss by exponent of the learning rate, one per repetition.
  const changes = optimizers.map(() => new Map<number, Float64Array>());
  let wanted = optimizers.map(() => Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach));
  while (wanted.some((exponents) => exponents.length > 0)) {
    optimizers.forEach((_, i) => {
      for (const k of wanted[i]!) changes[i]!.set(k, new Float64Array(repetitions));
    });
    for (let r = 0; r < repetitions; r++) {
      const directions = await directionsOf(streams.trialStep, r);
      const probe = batchOf(task, streams.trialProbe, probeSize, r);
      const before = await lab.lossAfter(params, directions[0], 0, probe);
      for (let i = 0; i < optimizers.length; i++) {
        for (const k of wanted[i]!) {
          const loss = await lab.lossAfter(params, directions[i], centers[i]! * spacing ** k, probe);
          changes[i]!.get(k)![r] = loss - before;
        }
      }
    }
    wanted = changes.map((byExponent) => missingExponents(byExponent));
  }
  return optimizers.map((_, i) => {
    const exponents = [...changes[i]!.keys()].sort((a, b) => a - b);
    const rates = exponents.map((k) => centers[i]! * spacing ** k);
    const columns = exponents.map((k) => changes[i]!.get(k)!);
    const everything = Array.from({ length: repetitions }, (_, r) => r);
    const found = bestRate(rates, meansOf(columns, everything));
    const draws = { law: [], lawDecrease: [], trial: [], trialDecrease: [] } as Record<string, number[]>;
    for (let b = 0; b < replicates; b++) {
      const rows = everything.map((_, r) => mix(b, r, 11) % repetitions);
      const best = bestRate(rates, meansOf(columns, rows));
      draws.trial!.push(best.rate);
      draws.trialDecrease!.push(-best.change);
      const [a, c] = meansOf([alignments[i]!, curvatures[i]!], rows) as [number, number];
      const gain = Math.max(a, 0);
      draws.law!.push(c > 0 ? gain / c : Number.POSITIVE_INFINITY);
      draws.lawDecrease!.push(c > 0 ? gain ** 2 / (2 * c) : Number.POSITIVE_INFINITY);
    }
    const { alignment: a, curvature: c } = laws[i]!;
    const law = a > 0 && c > 0 ? percentiles(a / c, draws.law!) : null;
    const exists = law !== null && Number.isFinite(law.high);
    const finite = rates.map((_, k) => columns[k]!.every(Number.isFinite));
    const shown = (_: number, k: number) => finite[k]!;
    return {
      law: exists ? law : null,
      lawDecrease: exists ? percentiles(a ** 2 / (2 * c), draws.lawDecrease!) : null,
      trial: percentiles(found.rate, draws.trial!),
      trialDecrease: percentiles(-found.change, draws.trialDecrease!),
      rates: rates.filter(shown),
      changes: meansOf(columns, everything).filter(shown),
      interior: found.interior,
    };
  });
}

function meansOf(columns: readonly Float64Array[], rows: readonly number[]): number[] {
  return columns.map((column) => rows.reduce((sum, r) => sum + column[r]!, 0) / rows.length);
}

/** The exponents to try next: beyond an edge that the best one is at or next to. */
function missingExponents(byExponent: ReadonlyMap<number, Float64Array>): number[] {
  const exponents = [...byExponent.keys()].sort((a, b) => a - b);
  if (exponents.length >= maxRates) return [];
  const means = exponents.map((k) => byExponent.get(k)!.reduce((a, b) => a + b, 0));
  const best = means.reduce((least, value, i) => (value < means[least]! ? i : least), 0);
  const [first, last] = [exponents[0]!, exponents.at(-1)!];
  if (best < 2) return [1, 2, 3, 4].map((step) => first - step);
  if (best > exponents.length - 3) return [1, 2, 3, 4].map((step) => last + step);
  return [];
}

/** The place of the least value between learning rates: of the parabola through the lowest point and its neighbours. */
export function bestRate(
  rates: readonly number[],
  changes: readonly number[],
): { rate: number; change: number; interior: boolean } {
  const best = changes.reduce((least, value, i) => (value < changes[least]! ? i : least), 0);
  const [x, y] = [rates[best]!, changes[best]!];
  if (best === 0 || best === rates.length - 1) return { rate: x, change: y, interior: false };
  const [x0, x2] = [rates[best - 1]!, rates[best + 1]!];
  const [y0, y2] = [changes[best - 1]!, changes[best + 1]!];
  // Newton's form y + s·(t − x) + c·(t − x)(t − x0), whose vertex is at (x + x0 − s/c)/2.
  const s = (y - y0) / (x - x0);
  const c = ((y2 - y) / (x2 - x) - s) / (x2 - x0);
  if (!(c > 0) || !Number.isFinite(c)) return { rate: x, change: y, interior: true };
  const rate = (x + x0 - s / c) / 2;
  return { rate, change: y + s * (rate - x) + c * (rate - x) * (rate - x0), interior: true };
}

/** A value with the percentiles of its replicates that hold 90 % of them. */
export function percentiles(value: number, draws: number[]): Estimate {
  draws.sort((a, b) => a - b);
  const at = (share: number) => draws[Math.round(share * (draws.length - 1))]!;
  return {
    value,
    low: Math.min(value, at((1 - confidence) / 2)),
    high: Math.max(value, at((1 + confidence) / 2)),
  };
}

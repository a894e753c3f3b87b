import type { RateCurve } from "./epsilonCurve.ts";
import type { SweepOptimum } from "./sweepOptima.ts";

/** Runs at one batch size that would narrow the answer. */
export interface NextRuns {
  readonly batchSize: number;
  /** Ascending. */
  readonly learningRates: readonly number[];
  readonly reason: string;
  /**
   * Expected variance of `log η*` at the target after these runs (and those listed before), as a share of today's; null where it isn't
   * known, as for a grid that has to be extended.
   */
  readonly remainingVariance: number | null;
}

interface Question {
  /** Null if nothing can be said of other batch sizes. */
  readonly curve: RateCurve | null;
  /** Optima of the sweep at the ε asked for. */
  readonly optima: readonly Pick<SweepOptimum, "batchSize" | "kind" | "tried" | "wall">[];
  /** Standard error of log η* that a batch size's runs give. */
  readonly typicalError: number;
  /** Batch size at which the answer should be narrowed. */
  readonly target: number;
}

/** Two significant digits: a learning rate to type. */
const rounded = (value: number) => Number(value.toPrecision(2));

/** Where runs failed at the batch size, or at the swept one next to it: no use in going there again. */
function wallAt(optima: Question["optima"], batchSize: number): number {
  const nearest = optima.reduce((a, b) =>
    Math.abs(Math.log(b.batchSize / batchSize)) < Math.abs(Math.log(a.batchSize / batchSize)) ? b : a,
  );
  return nearest.wall ?? Number.POSITIVE_INFINITY;
}

/**
 * Proposes runs: first, grids whose best learning rate lies at the edge are extended; then batch sizes are chosen whose optimum would
 * lower the expected variance of `log η*` at the target most, one after the other:
 *
 * ```
 * variance after = v_t − c²/(v_b + s²)     v_t, v_b, c: variances and covariance of log η* at target and candidate
 * ```
 *
 * with s the error that the sweep reaches at one batch size. Candidates are the swept batch sizes and powers of 2 from a quarter of the
 * smallest to four times the largest or the target. It's the rule for jointly normal values (Gaussian processes, Kalman filters), so a guide.
 * Learning rates at which runs of the nearest batch size diverged aren't proposed.
 */
export function proposeRuns({ curve, optima, typicalError, target }: Question): NextRuns[] {
  const proposals: NextRuns[] = [];
  for (const { batchSize, kind, tried } of optima) {
    if (kind !== "above" && kind !== "below") continue;
    const [start, factor] = kind === "above" ? [tried[1], 2] : [tried[0], 0.5];
    const wall = wallAt(optima, batchSize);
    const learningRates = [1, 2, 3]
      .map((i) => rounded(start * factor ** i))
      .filter((rate) => rate < wall)
      .sort((a, b) => a - b);
    if (learningRates.length > 0)
      proposals.push({
        batchSize,
        learningRates,
        reason: `the best learning rate seems to lie ${kind} those tried`,
        remainingVariance: null,
      });
  }
  if (curve === null) return proposals;

  const swept = optima.map(({ batchSize }) => batchSize);
  const [low, high] = [Math.min(...swept) / 4, Math.max(4 * Math.max(...swept), target)];
  const candidates = new Set(swept);
  for (let i = Math.ceil(Math.log2(low)); i <= Math.floor(Math.log2(high) + 1e-9); i++) {
    if (i >= 0) candidates.add(2 ** i);
  }
  const places = [target, ...candidates];
  const { covariance } = curve.joint(places.map(Math.log));
  const before = covariance[0]![0]!;
  if (!(before > 0)) return proposals;
  const picked = new Set<number>();
  while (picked.size < 3) {
    let best = { index: 0, gain: 0 };
    for (let p = 1; p < places.length; p++) {
      if (picked.has(places[p]!)) continue;
      const gain = covariance[0]![p]! ** 2 / (covariance[p]![p]! + typicalError ** 2);
      if (gain > best.gain) best = { index: p, gain };
    }
    // Less than a hundredth isn't worth a run.
    if (best.gain < 0.01 * before) break;
    const p = best.index;
    const batchSize = places[p]!;
    picked.add(batchSize);
    const denominator = covariance[p]![p]! + typicalError ** 2;
    const column = covariance.map((row) => row[p]!);
    for (let i = 0; i < places.length; i++) {
      for (let j = 0; j < places.length; j++) covariance[i]![j]! -= (column[i]! * column[j]!) / denominator;
    }
    // From end to end of the interval that it lies in and a factor of 4 further down, where losses rise slowly, and of 2 further up.
    const interval = curve.at(Math.log(batchSize), 0.9);
    const wall = wallAt(optima, batchSize);
    const first = interval.low - Math.log(4);
    const last = Math.min(interval.high + Math.log(2), Math.log(wall) - Math.log(1.1));
    if (last <= first) continue;
    const count = Math.max(5, Math.ceil((last - first) / Math.log(2.2)) + 1);
    proposals.push({
      batchSize,
      learningRates: Array.from({ length: count }, (_, i) =>
        rounded(Math.exp(first + ((last - first) * i) / (count - 1))),
      ),
      reason: swept.includes(batchSize)
        ? "more runs where the sweep has been"
        : "a batch size that the sweep hasn't seen",
      remainingVariance: covariance[0]![0]! / before,
    });
  }
  return proposals;
}

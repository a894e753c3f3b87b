import { type LawFit, predictLog } from "./fitLaw.ts";
import type { Place } from "./lawFamilies.ts";
import { weightedQuantile } from "./weightedQuantile.ts";

/** One fit of a bootstrap, with the share that its law has. */
export interface Sample {
  readonly fit: LawFit;
  readonly weight: number;
}

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
  readonly samples: readonly Sample[];
  /** Optima of the sweep at the ε asked for. */
  readonly optima: readonly {
    readonly batchSize: number;
    readonly kind: string;
    readonly tried: readonly [number, number];
  }[];
  /** Standard error of log η* that a batch size's runs give; null if no prediction is possible. */
  readonly typicalError: number | null;
  /** Where the answer should be narrowed. */
  readonly target: Place;
}

/** Two significant digits: a learning rate to type. */
const rounded = (value: number) => Number(value.toPrecision(2));

/**
 * Proposes runs: first, grids whose best learning rate lies at the edge are extended; then batch sizes are chosen whose optimum would
 * lower the expected variance of `log η*` at the target most, one after the other:
 *
 * ```
 * variance after = v_t − c²/(v_b + s²)     v_t, v_b, c: variances and covariance of log η* at target and candidate in the bootstrap
 * ```
 *
 * with s the error that the sweep reaches at one batch size. Candidates are the swept batch sizes and powers of 2 from a quarter of the
 * smallest to four times the largest or the target. It's the rule for jointly normal values (Gaussian processes, Kalman filters), so a guide.
 */
export function proposeRuns({ samples, optima, typicalError, target }: Question): NextRuns[] {
  const proposals: NextRuns[] = [];
  for (const { batchSize, kind, tried } of optima) {
    if (kind !== "above" && kind !== "below") continue;
    const [start, factor] = kind === "above" ? [tried[1], 2] : [tried[0], 0.5];
    proposals.push({
      batchSize,
      learningRates: [1, 2, 3].map((i) => rounded(start * factor ** i)).sort((a, b) => a - b),
      reason: `the best learning rate seems to lie ${kind} those tried`,
      remainingVariance: null,
    });
  }
  if (typicalError === null || samples.length === 0) return proposals;

  const swept = optima.map(({ batchSize }) => batchSize);
  const [low, high] = [Math.min(...swept) / 4, Math.max(4 * Math.max(...swept), target.batchSize)];
  const candidates = new Set(swept);
  for (let i = Math.ceil(Math.log2(low)); i <= Math.floor(Math.log2(high) + 1e-9); i++) {
    if (i >= 0) candidates.add(2 ** i);
  }
  const places = [target, ...[...candidates].map((batchSize) => ({ batchSize, epsilon: target.epsilon }))];
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  const logs = places.map((place) => samples.map(({ fit }) => predictLog(fit, place)));
  const means = logs.map((values) =>
    values.reduce((sum, value, i) => sum + (value * samples[i]!.weight) / total, 0),
  );
  const covariance = logs.map((a, p) =>
    logs.map((b, q) =>
      samples.reduce(
        (sum, { weight }, i) => sum + (weight / total) * (a[i]! - means[p]!) * (b[i]! - means[q]!),
        0,
      ),
    ),
  );
  const before = covariance[0]![0]!;
  if (!(before > 0)) return proposals;
  const picked = new Set<number>();
  while (picked.size < 3) {
    let best = { index: 0, gain: 0 };
    for (let p = 1; p < places.length; p++) {
      if (picked.has(places[p]!.batchSize)) continue;
      const gain = covariance[0]![p]! ** 2 / (covariance[p]![p]! + typicalError ** 2);
      if (gain > best.gain) best = { index: p, gain };
    }
    // Less than a hundredth isn't worth a run.
    if (best.gain < 0.01 * before) break;
    const p = best.index;
    picked.add(places[p]!.batchSize);
    const denominator = covariance[p]![p]! + typicalError ** 2;
    const column = covariance.map((row) => row[p]!);
    // From end to end of the interval that it lies in and a factor of 4 further down, where losses rise slowly, and of 2 further up.
    const quantile = (q: number) =>
      weightedQuantile(
        samples.map(({ weight }, i) => ({ value: logs[p]![i]!, weight })),
        q,
      )!;
    const first = quantile(0.05) - Math.log(4);
    const last = quantile(0.95) + Math.log(2);
    const count = Math.max(5, Math.ceil((last - first) / Math.log(2.2)) + 1);
    for (let i = 0; i < places.length; i++) {
      for (let j = 0; j < places.length; j++) covariance[i]![j]! -= (column[i]! * column[j]!) / denominator;
    }
    proposals.push({
      batchSize: places[p]!.batchSize,
      learningRates: Array.from({ length: count }, (_, i) =>
        rounded(Math.exp(first + ((last - first) * i) / (count - 1))),
      ),
      reason: swept.includes(places[p]!.batchSize)
        ? "more runs where the sweep has been"
        : "a batch size that the sweep hasn't seen",
      remainingVariance: covariance[0]![0]! / before,
    });
  }
  return proposals;
}

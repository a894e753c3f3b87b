import type { Estimate } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";

/** A prediction beside what was measured. */
export interface Comparison {
  readonly label: string;
  readonly predicted: number;
  /** The interval of a prediction that is itself measured. Default: the number alone. */
  readonly range?: Estimate;
  readonly measured: Estimate;
}

/** `max(p/m, m/p)` */
export function factorBetween(predicted: number, measured: number): number {
  const ratio = predicted / measured;
  return ratio > 0 && Number.isFinite(ratio) ? Math.max(ratio, 1 / ratio) : Number.POSITIVE_INFINITY;
}

/** The least factor between any value of the prediction's range and any of the measured interval. */
export function surelyOff({ predicted, range, measured }: Comparison): number {
  const { low, high } = range ?? { low: predicted, high: predicted };
  if (low > measured.high) return factorBetween(low, measured.high);
  return high < measured.low ? factorBetween(high, measured.low) : 1;
}

/** Typical factor: `exp(√mean(log²))`. */
export function typicalFactor(comparisons: readonly Comparison[]): number {
  const squares = comparisons.map(({ predicted, measured }) =>
    Math.log(factorBetween(predicted, measured.value)),
  );
  return Math.exp(Math.sqrt(squares.reduce((sum, value) => sum + value * value, 0) / squares.length));
}

export function worst(comparisons: readonly Comparison[]): Comparison {
  return comparisons.reduce((a, b) =>
    factorBetween(b.predicted, b.measured.value) > factorBetween(a.predicted, a.measured.value) ? b : a,
  );
}

/**
 * `"holds"` if all predictions are within a factor of what was measured, `"fails"` if for one even the intervals are further apart than
 * that, `"open"` otherwise or with nothing to compare.
 */
export function judge(comparisons: readonly Comparison[], within: number): Verdict["verdict"] {
  if (comparisons.length === 0) return "open";
  if (comparisons.every(({ predicted, measured }) => factorBetween(predicted, measured.value) <= within))
    return "holds";
  return comparisons.some((comparison) => surelyOff(comparison) > within) ? "fails" : "open";
}

/** `1.12× typically, at worst 1.31× (B = 4)` */
export function describeComparisons(comparisons: readonly Comparison[]): string {
  if (comparisons.length === 0) return "nothing to compare";
  const most = worst(comparisons);
  return `${showFactor(typicalFactor(comparisons))} typically, at worst ${showFactor(factorBetween(most.predicted, most.measured.value))} (${most.label})`;
}

export function showFactor(factor: number): string {
  return Number.isFinite(factor) ? `${factor.toFixed(factor < 10 ? 2 : 0)}×` : "no prediction";
}

/** Predictions times one constant, so that they are right at one place: what a user knows who has tuned there. */
export function anchored(comparisons: readonly Comparison[], label: string): Comparison[] {
  const anchor = comparisons.find((comparison) => comparison.label === label);
  if (anchor === undefined || !(anchor.predicted > 0)) return [];
  const scale = anchor.measured.value / anchor.predicted;
  return comparisons
    .filter((comparison) => comparison !== anchor)
    .map(({ label: at, predicted, range, measured }) => ({
      label: at,
      predicted: scale * predicted,
      ...(range === undefined
        ? {}
        : { range: { value: scale * range.value, low: scale * range.low, high: scale * range.high } }),
      measured,
    }));
}

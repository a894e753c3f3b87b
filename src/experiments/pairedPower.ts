import { studentQuantile } from "../numbers/index.ts";
import { type Interval, interval } from "./statistics.ts";

/** How sure a comparison is meant to be. */
export interface PowerOptions {
  /** The smallest difference that matters, in the unit of the values; above 0. */
  readonly margin: number;
  /** Probability to see it, or to see that there is none. Default 0.9. */
  readonly power?: number;
  /** Probability to see what isn't there. Default 0.05. */
  readonly alpha?: number;
}

/**
 * Pairs that a two-sided paired t-test needs to see a difference of `margin`: the smallest `n ≥ 2` with `√n·margin/s ≥ t(1 − α/2) + t(power)`, `n −
 * 1` degrees of freedom. (The noncentral t distribution asks for the same number or one less.)
 *
 * @param deviation - `s`, standard deviation of the differences of pairs
 *
 * Source: Cohen, Statistical Power Analysis, 2nd ed., chapter 2.
 */
export function pairsForDifference(
  deviation: number,
  { margin, power = 0.9, alpha = 0.05 }: PowerOptions,
): number {
  return smallest(deviation / margin, alpha / 2, power);
}

/**
 * Pairs that two one-sided t-tests need to see that a difference lies within `±margin`, if there is none: the smallest `n ≥ 2` with
 * `√n·margin/s ≥ t(1 − α) + t((1 + power)/2)`.
 *
 * @param deviation - `s`, standard deviation of the differences of pairs
 *
 * Source: Schuirmann, 1987, doi 10.1007/BF01068419.
 */
export function pairsForEquivalence(
  deviation: number,
  { margin, power = 0.9, alpha = 0.05 }: PowerOptions,
): number {
  return smallest(deviation / margin, alpha, (1 + power) / 2);
}

/** The needed number grows with neither: both sides of the inequality are monotone in `n`. */
function smallest(ratio: number, tail: number, power: number): number {
  const isEnough = (n: number) =>
    Math.sqrt(n) >= ratio * (studentQuantile(1 - tail, n - 1) + studentQuantile(power, n - 1));
  let n = 2;
  while (!isEnough(n)) n++;
  return n;
}

/** What pairs say of a difference. */
export interface PairedResult {
  /** Two-sided, `1 − α`. */
  readonly difference: Interval;
  /** `1 − 2α`, what two one-sided tests look at. */
  readonly oneSided: Interval;
  /** Whether `difference` lies on one side of 0. */
  readonly sign: -1 | 0 | 1;
  /** Whether the difference is within `±margin`. */
  readonly isWithinMargin: boolean;
}

/**
 * The paired t-test and the two one-sided tests of equivalence of some differences.
 *
 * @param differences - of pairs; of one pair nothing is said
 */
export function pairedResult(
  differences: readonly number[],
  { margin, alpha = 0.05 }: Omit<PowerOptions, "power">,
): PairedResult {
  const [difference, oneSided] = [interval(differences, 1 - alpha), interval(differences, 1 - 2 * alpha)];
  const isKnown = differences.length > 1;
  return {
    difference,
    oneSided,
    sign: !isKnown ? 0 : difference.low > 0 ? 1 : difference.high < 0 ? -1 : 0,
    isWithinMargin: isKnown && oneSided.low > -margin && oneSided.high < margin,
  };
}

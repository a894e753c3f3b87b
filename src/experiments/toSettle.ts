import { studentQuantile } from "../numbers/index.ts";
import { type Comparison, surelyOff } from "./laws/predictions.ts";
import { pairsForDifference } from "./pairedPower.ts";
import type { Interval } from "./statistics.ts";

/** A mean over seeds that is to lie on one side of a bound. */
export interface Undecided {
  readonly name?: string;
  readonly interval: Interval;
  /** Default 0. */
  readonly bound?: number;
}

/** More seeds than anybody runs. */
const tooMany = 1000;

/** Standard deviation of the seeds behind Student's 95 % interval. */
function deviationOf({ mean, high, count }: Interval): number {
  return ((high - mean) * Math.sqrt(count)) / studentQuantile(0.975, count - 1);
}

/** Seeds that would see what was found, if it is true; null beyond a thousand. */
export function seedsToSettle({ interval, bound = 0 }: Undecided): number | null {
  const away = Math.abs(interval.mean - bound);
  const deviation = deviationOf(interval);
  // The normal approximation first: the exact count is searched one by one.
  if (!(away > 0) || 10.5 * (deviation / away) ** 2 > tooMany) return null;
  return deviation === 0 ? interval.count : pairsForDifference(deviation, { margin: away });
}

/**
 * What would settle a claim that is open for want of seeds: how many would see with 90 % power, at a level of 5 %, a difference as large as that
 * found, from the spread of those there are.
 */
export function settleWithSeeds(parts: readonly Undecided[]): string {
  const undecided = parts.filter(
    ({ interval: { low, high, count }, bound = 0 }) => count < 2 || (low <= bound && high >= bound),
  );
  if (undecided.length === 0)
    return "More seeds don't decide it: its parts disagree; what is claimed would have to be said more narrowly.";
  if (undecided.some(({ interval }) => interval.count < 2))
    return "A second seed, and then the spread of both.";
  const needed = undecided.map((part) => ({ name: part.name, seeds: seedsToSettle(part) }));
  const { count } = undecided[0]!.interval;
  const known = needed.flatMap(({ seeds }) => (seeds === null ? [] : [seeds]));
  const tiny = needed.filter(({ seeds }) => seeds === null);
  const names = (rows: readonly { name: string | undefined }[]) => {
    const own = rows.flatMap(({ name }) => (name === undefined ? [] : [name]));
    return own.length === 0 ? "" : ` (${own.join(", ")})`;
  };
  return [
    ...(known.length === 0
      ? []
      : [
          `${Math.max(...known)} seeds instead of ${count} would see differences as large as those found (90 % power, 5 % level).`,
        ]),
    ...(tiny.length === 0
      ? []
      : [
          `What was found is so much smaller than the seeds' spread that it would take more than ${tooMany} seeds${names(tiny)}: only a margin of what matters, to show that there is nothing, could be settled.`,
        ]),
  ].join(" ");
}

/** What would settle predictions that are neither all within a factor nor surely beyond it. */
export function settleComparisons(comparisons: readonly Comparison[], within: number): string {
  if (comparisons.length === 0)
    return "Optima that can be placed: more learning rates, or more seeds at each.";
  const undecided = comparisons.filter(
    (one) =>
      Math.max(one.predicted / one.measured.value, one.measured.value / one.predicted) > within &&
      surelyOff(one) <= within,
  );
  if (undecided.length === 0)
    return "A prediction, and an optimum that can be placed, where one of them is missing: a larger sample at these batch sizes.";
  const needs = undecided.map(({ predicted, measured, label }) => {
    const miss = Math.abs(Math.log(predicted / measured.value)) - Math.log(within);
    const half = Math.log(measured.high / measured.low) / 2;
    return { label, times: Math.ceil((half / miss) ** 2) };
  });
  if (needs.every(({ times }) => times < 2))
    return `A few more seeds: the aim lies at the very edge of what was measured (${needs.map(({ label }) => label).join(", ")}).`;
  const worst = needs.reduce((a, b) => (b.times > a.times ? b : a), needs[0]!);
  const shown =
    Number.isFinite(worst.times) && worst.times <= tooMany
      ? `${worst.times} times`
      : "far more than a thousand times";
  return `Narrower intervals where the miss is about as large as the aim (${needs.map(({ label }) => label).join(", ")}): for the hardest, ${worst.label}, ${shown} as many seeds, or one narrower way of placing the optimum.`;
}

import { max, median, min } from "simple-statistics";
import type { RateLoss } from "./curveRuns.ts";

/** A run whose loss rises this many times as high as those before it fell off a cliff: it says nothing of the curve's form. */
const cliff = 30;
/** Losses within this share of the sweep's range are one ceiling. */
const ceilingWidth = 0.01;

/** The tops of three or more curves count as a ceiling if they agree to this share of the range. */
const topWidth = 0.002;

/**
 * The height at which runs saturate: two neighbouring learning rates at the top of one curve agree with the sweep's largest loss to a
 * hundredth of its range, or the tops of three curves to five times less. Null if there is none.
 */
export function commonCeiling(curves: readonly (readonly RateLoss[])[]): number | null {
  const all = curves.flat().map(({ loss }) => loss);
  const most = max(all);
  const range = most - min(all);
  if (!(range > 0)) return null;
  const atTop = (rate: RateLoss | undefined, width: number) =>
    rate !== undefined && rate.loss >= most - width * range;
  const plateau = curves.some(
    (rates) => atTop(rates.at(-1), ceilingWidth) && atTop(rates.at(-2), ceilingWidth),
  );
  const tops = curves.filter((rates) => atTop(rates.at(-1), topWidth)).length;
  if (plateau) return most - ceilingWidth * range;
  return tops >= 3 ? most - topWidth * range : null;
}

/**
 * How many of the curve's learning rates, from the smallest on, aren't saturated: those above are at the common ceiling, or past a cliff.
 * At least one is kept.
 */
export function unsaturated(rates: readonly RateLoss[], ceiling: number | null): number {
  let lowest = 0;
  rates.forEach(({ loss }, i) => {
    if (loss < rates[lowest]!.loss) lowest = i;
  });
  const base = rates[lowest]!.loss;
  // Next to a lowest loss that's nearly met twice, every rise is many times the last.
  const typical = 3 * median(rates.map(({ loss }) => loss - base));
  let highest = Math.max(0, ...rates.slice(0, lowest).map(({ loss }) => loss - base));
  for (let i = lowest + 1; i < rates.length; i++) {
    const rise = rates[i]!.loss - base;
    if (ceiling !== null && rates[i]!.loss >= ceiling) return i;
    if (highest > 0 && rise > Math.max(typical, cliff * highest)) return i;
    highest = Math.max(highest, rise);
  }
  return rates.length;
}

import type { MeanEstimate } from "../../curvature/index.ts";
import type { Estimate } from "../../scaling/index.ts";

/** Two to three digits, without exponents where they aren't needed. */
export function formatRate(value: number): string {
  const digits = Number(value.toPrecision(2));
  return digits !== 0 && (Math.abs(digits) < 1e-4 || Math.abs(digits) >= 1e5)
    ? digits.toExponential()
    : String(digits);
}

/** `0.012 (0.010 – 0.015)` */
export function formatEstimate({ value, low, high }: Estimate): string {
  return `${formatRate(value)} (${formatRate(low)} – ${formatRate(high)})`;
}

/** `0.31 ± 0.02` */
export function formatMean({ value, standardError }: MeanEstimate): string {
  return `${formatRate(value)} ± ${formatRate(standardError)}`;
}

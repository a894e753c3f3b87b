/** Quantile of weighted values; values may be infinite. Null if there are none. */
export function weightedQuantile(
  values: readonly { readonly value: number; readonly weight: number }[],
  q: number,
): number | null {
  const sorted = values.filter(({ weight }) => weight > 0).sort((a, b) => a.value - b.value);
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  if (sorted.length === 0) return null;
  let below = 0;
  for (const { value, weight } of sorted) {
    below += weight;
    // The slack keeps rounding from deciding where equal weights add up to q exactly.
    if (below >= (q - 1e-9) * total) return value;
  }
  return sorted.at(-1)!.value;
}

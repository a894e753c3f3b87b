export interface Averaged {
  readonly steps: number[];
  readonly mean: number[];
  readonly low: number[];
  readonly high: number[];
}

/** Mean, least and greatest value of several curves at each step that all of them have. */
export function meanOver(
  curves: readonly { readonly steps: readonly number[]; readonly values: readonly number[] }[],
): Averaged {
  const result: Averaged = { steps: [], mean: [], low: [], high: [] };
  const others = curves
    .slice(1)
    .map(({ steps, values }) => new Map(steps.map((step, i) => [step, values[i]!])));
  curves[0]?.steps.forEach((step, i) => {
    const values = [curves[0]!.values[i]!, ...others.flatMap((other) => other.get(step) ?? [])];
    if (values.length < curves.length) return;
    result.steps.push(step);
    result.mean.push(values.reduce((sum, value) => sum + value, 0) / values.length);
    result.low.push(Math.min(...values));
    result.high.push(Math.max(...values));
  });
  return result;
}

/** Exponential average of values with decay `1 − 1/window`, corrected for its start; a window of 1 or less changes nothing. */
export function smooth(values: readonly number[], window: number): number[] {
  if (window <= 1) return [...values];
  const decay = 1 - 1 / window;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return weight === 0 ? Number.NaN : sum / weight;
    sum = decay * sum + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return sum / weight;
  });
}

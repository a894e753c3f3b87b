/** Round numbers within a range, about so many. */
export function ticks([low, high]: readonly [number, number], isLog: boolean, about = 5): number[] {
  if (!(high > low)) return [low];
  if (isLog && low > 0) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const decades = last - first;
    const factors = decades <= 2 ? [1, 2, 5] : [1];
    const stride = Math.max(1, Math.ceil(decades / (about + 2)));
    const found: number[] = [];
    for (let power = first; power <= last; power += stride)
      for (const factor of factors) {
        const value = Number(`${factor}e${power}`);
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
      }
    if (found.length >= 2) return found;
  }
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step =
    [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= raw * (1 - 1e-9)) ?? 10 * power;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    found.push(Number((i * step).toPrecision(12)));
  return found;
}

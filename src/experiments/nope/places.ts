/** Places `n` from 1 to `length`, as good as evenly spaced in `ln n`: `2^(k/2)` rounded. */
export function logarithmicPlaces(length: number): number[] {
  const places = new Set<number>();
  for (let k = 0; 2 ** (k / 2) <= length; k++) places.add(Math.round(2 ** (k / 2)));
  return [...places].filter((n) => n <= length);
}

/** Octaves of `1 … length − 1`: `[first, end)` with `first = 1, 2, 4, …` */
export function octaves(length: number): (readonly [first: number, end: number])[] {
  const all: [number, number][] = [];
  for (let first = 1; first < length; first *= 2) all.push([first, Math.min(2 * first, length)]);
  return all;
}

/** Five digits are enough for a report. */
export const rounded = (value: number) => Number(value.toPrecision(5));

/** A curve; steps ascend, values that are missing are NaN. */
export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** The first place whose x isn't below a value. */
export function placeOf(x: readonly number[], value: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Aligned {
  readonly x: number[];
  /** Of each curve, null where it has nothing. */
  readonly y: (number | null)[][];
}

/**
 * Several curves over the same places, few enough to be drawn at once: of every column of the picture, each curve's least and greatest value
 * in their order, so that no spike is lost; neighbours beyond the range keep lines whole to its edges. Curves of few points keep them all.
 *
 * @param range - from and to; both ends belong to it
 * @param columns - of the picture, about its width in pixels
 * @param isLog - columns are even in the logarithm of x
 */
export function alignCurves(
  curves: readonly Curve[],
  range: readonly [number, number],
  columns: number,
  isLog = false,
): Aligned {
  const [from, to] = range;
  const ends = curves.map(
    ({ x }) => [Math.max(0, placeOf(x, from) - 1), Math.min(x.length, placeOf(x, to) + 2)] as const,
  );
  const total = ends.reduce((sum, [low, high]) => sum + Math.max(0, high - low), 0);
  if (total <= 4 * columns) return alignWhole(curves, ends);
  const scale = isLog ? Math.log : (value: number) => value;
  const [low, span] = [scale(from), scale(to) - scale(from)];
  const columnOf = (value: number) =>
    Math.min(columns, Math.max(-1, Math.floor(((scale(value) - low) / span) * columns)));
  const places = new Float64Array(2 * (columns + 2));
  for (let column = -1; column <= columns; column++) {
    const [a, b] = [low + (span * (column + 0.25)) / columns, low + (span * (column + 0.75)) / columns];
    places[2 * (column + 1)] = isLog ? Math.exp(a) : a;
    places[2 * (column + 1) + 1] = isLog ? Math.exp(b) : b;
  }
  const y = curves.map((curve, i) => {
    const row = new Array<number | null>(places.length).fill(null);
    const [begin, end] = ends[i]!;
    for (let at = begin; at < end; ) {
      const column = columnOf(curve.x[at]!);
      let [least, greatest] = [-1, -1];
      for (; at < end && columnOf(curve.x[at]!) === column; at++) {
        const value = curve.y[at]!;
        if (Number.isNaN(value)) continue;
        if (least < 0 || value < curve.y[least]!) least = at;
        if (greatest < 0 || value > curve.y[greatest]!) greatest = at;
      }
      if (least < 0) continue;
      const [first, second] = least < greatest ? [least, greatest] : [greatest, least];
      row[2 * (column + 1)] = curve.y[first]!;
      row[2 * (column + 1) + 1] = curve.y[second]!;
    }
    return row;
  });
  return { x: Array.from(places), y };
}

/** All points of the ranges over the union of their places. */
function alignWhole(curves: readonly Curve[], ends: readonly (readonly [number, number])[]): Aligned {
  const places = new Set<number>();
  curves.forEach(({ x }, i) => {
    for (let at = ends[i]![0]; at < ends[i]![1]; at++) places.add(x[at]!);
  });
  const x = [...places].sort((a, b) => a - b);
  const index = new Map(x.map((value, i) => [value, i]));
  const y = curves.map((curve, i) => {
    const row = new Array<number | null>(x.length).fill(null);
    for (let at = ends[i]![0]; at < ends[i]![1]; at++) {
      const value = curve.y[at]!;
      if (!Number.isNaN(value)) row[index.get(curve.x[at]!)!] = value;
    }
    return row;
  });
  return { x, y };
}

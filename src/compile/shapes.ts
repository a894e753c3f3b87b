/** Whether joining neighbours of `fine` gives `coarse`. */
export function isRefinement(fine: readonly number[], coarse: readonly number[]): boolean {
  let next = 0;
  for (const size of coarse) {
    let product = 1;
    while (product < size && next < fine.length) product *= fine[next++]!;
    if (product !== size) return false;
  }
  return fine.slice(next).every((size) => size === 1);
}

/** A shape with one size or 1 per coarse dimension, over the fine dimensions that make up each of them. */
export function refine(
  shape: readonly number[],
  fine: readonly number[],
  coarse: readonly number[],
): number[] {
  const result: number[] = [];
  let next = 0;
  coarse.forEach((size, i) => {
    let product = 1;
    while (product < size) {
      const part = fine[next++]!;
      product *= part;
      result.push(shape[i] === 1 ? 1 : part);
    }
  });
  while (next++ < fine.length) result.push(1);
  return result;
}

/** Without leading ones, which broadcasting adds by itself. */
export function trimmed(shape: readonly number[]): readonly number[] {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? [] : shape.slice(first);
}

/** The shape that NumPy broadcasting gives. */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let size = 1;
    for (const shape of shapes) {
      const own = shape[shape.length - rank + i] ?? 1;
      if (own !== 1) size = own;
    }
    return size;
  });
}

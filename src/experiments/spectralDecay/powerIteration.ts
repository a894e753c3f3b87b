/** `‖Wv‖` for `v` scaled to length 1, in float64. */
export function stretch(w: ArrayLike<number>, rows: number, columns: number, v: Float64Array): number {
  let [image, length] = [0, 0];
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += w[i * columns + j]! * v[j]!;
    image += sum * sum;
  }
  for (const value of v) length += value * value;
  return Math.sqrt(image / length);
}

/** `v ← WᵀWv` from the all-ones vector, in float64. */
export function iterateOnes(
  w: ArrayLike<number>,
  rows: number,
  columns: number,
  steps: number,
): Float64Array {
  let v = new Float64Array(columns).fill(1);
  for (let step = 0; step < steps; step++) {
    const next = new Float64Array(columns);
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += w[i * columns + j]! * v[j]!;
      for (let j = 0; j < columns; j++) next[j]! += w[i * columns + j]! * sum;
    }
    const length = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0));
    v = next.map((value) => value / length);
  }
  return v;
}

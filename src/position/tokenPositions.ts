/** Position vectors of a sequence of tokens, as plain float64 numbers: fractions are kept to the end. */
export interface TokenPositions {
  /** `[L, A]` in row-major order: coordinate `a` of token `n` is `values[n·A + a]`. */
  readonly values: Float64Array;
  /** `A` */
  readonly numAxes: number;
}

/**
 * The position vector of one token.
 *
 * @example
 * ```ts
 * positionOf({ values: Float64Array.of(0, 0, 1, 2), numAxes: 2 }, 1); // => [1, 2]
 * ```
 */
export function positionOf({ values, numAxes }: TokenPositions, token: number): number[] {
  return [...values.subarray(token * numAxes, (token + 1) * numAxes)];
}

/**
 * Coordinates axis by axis, `[A][L]`, as Transformers has its `position_ids`.
 *
 * @example
 * ```ts
 * positionIds({ values: Float64Array.of(0, 0, 1, 2), numAxes: 2 }); // => [[0, 1], [0, 2]]
 * ```
 */
export function positionIds({ values, numAxes }: TokenPositions): number[][] {
  const length = values.length / numAxes;
  return Array.from({ length: numAxes }, (_, axis) =>
    Array.from({ length }, (_, token) => values[token * numAxes + axis]!),
  );
}

/** Where float32 can no longer tell neighbouring tokens apart. */
export interface Float32Loss {
  /** Index of the first token whose position is lost. */
  readonly token: number;
  /** Its coordinate in float64. */
  readonly position: number;
  /** What float32 makes of it. */
  readonly rounded: number;
}

/**
 * The first coordinate that float32 changes by more than `tolerance`, or null. Tables made from plain numbers have float64
 * angles and need no care; positions that are arrays do.
 *
 * @param tolerance - in positions. Default 2⁻⁹, half of the smallest step of V2PE; whole positions pass up to 2²⁴
 *
 * @example
 * ```ts
 * float32Loss({ values: Float64Array.of(0, 1.5, 2 ** 24), numAxes: 1 }); // => null
 * float32Loss({ values: Float64Array.of(0.1, 1e6 + 0.1), numAxes: 1 })!.token; // => 1
 * ```
 */
export function float32Loss({ values, numAxes }: TokenPositions, tolerance = 2 ** -9): Float32Loss | null {
  for (let i = 0; i < values.length; i++) {
    const position = values[i]!;
    const rounded = Math.fround(position);
    if (Math.abs(rounded - position) > tolerance)
      return { token: Math.floor(i / numAxes), position, rounded };
  }
  return null;
}

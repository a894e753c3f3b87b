import fc from "fast-check";

/** Finite float32 numbers of every size, those at which rounding and signs change among them. */
export const anyComponent: fc.Arbitrary<number> = fc.oneof(
  fc.double({ min: -4, max: 4, noNaN: true }).map(Math.fround),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc
    .tuple(fc.constantFrom(1, -1), fc.integer({ min: -45, max: 38 }))
    .map(([sign, exponent]) => Math.fround(sign * 10 ** exponent)),
  fc.constantFrom(0, -0, 0.5, -0.5, 1, -1, 1e-45, -1e-45, 3.4028234663852886e38, -3.4028234663852886e38),
);

/** A batch of vectors, one after the other. */
export const anyVectors = (dim: number): fc.Arbitrary<Float32Array<ArrayBuffer>> =>
  fc
    .array(fc.array(anyComponent, { minLength: dim, maxLength: dim }), { minLength: 1, maxLength: 6 })
    .map((rows) => Float32Array.from(rows.flat()));

/** Levels of FSQ whose product is below 2³¹. */
export const anyLevels: fc.Arbitrary<number[]> = fc
  .array(fc.oneof(fc.integer({ min: 2, max: 17 }), fc.constantFrom(500, 501, 502, 1000, 1024, 65536)), {
    minLength: 1,
    maxLength: 5,
  })
  .filter((levels) => levels.reduce((a, b) => a * b, 1) < 2 ** 31);

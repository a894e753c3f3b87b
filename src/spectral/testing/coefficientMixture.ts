import { gaussianSingularValues } from "../index.ts";

/** Evenly spaced quantiles. */
function quantiles(values: Float64Array, count: number): Float64Array {
  const sorted = values.slice().sort();
  return Float64Array.from(
    { length: count },
    (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)]!,
  );
}

/** Gaussian matrices of three seeds, by their quantiles. */
function gaussian(rows: number, columns: number): Float64Array {
  const all = [1, 2, 3].flatMap((seed) => [...gaussianSingularValues(rows, columns, seed)]);
  return quantiles(Float64Array.from(all), 300);
}

/**
 * Singular values that the tables `rotor-3`, `rotor-4` and `rotor-5` were fitted to: Gaussian squares from 256 to 4096 and
 * rectangles of 4:1, 300 quantiles of each, and 750 values spread evenly over the logarithms from 10⁻³ to 1, as gradients have them.
 */
export function coefficientMixture(): Float64Array {
  const logUniform = Float64Array.from({ length: 750 }, (_, i) => 1e-3 ** (1 - (i + 0.5) / 750));
  return Float64Array.from(
    [
      ...[256, 1024, 4096].map((size) => gaussian(size, size)),
      gaussian(1024, 256),
      gaussian(4096, 1024),
      logUniform,
    ].flatMap((values) => [...values]),
  );
}

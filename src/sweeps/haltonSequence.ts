import { mix } from "../data/index.ts";
import { ConfigError } from "../errors.ts";

/** Bases of the dimensions; beyond these, Halton points of neighbouring dimensions lie on lines. */
const primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29];

/** `index` written backwards behind the point, in a base: van der Corput's sequence. */
function radicalInverse(index: number, base: number): number {
  let [rest, digit, value] = [index, 1 / base, 0];
  while (rest > 0) {
    value += digit * (rest % base);
    rest = Math.floor(rest / base);
    digit /= base;
  }
  return value;
}

/**
 * Point `index` of a Halton sequence, shifted by a random vector modulo 1: points fill the unit cube evenly, however many are taken.
 *
 * @param index - 0, 1, 2, …
 * @param dimensions - at most 10
 * @param seed - of the shift
 * @returns numbers in [0, 1)
 * @throws ConfigError with more dimensions
 *
 * Source: Halton, 1960; the shift: Cranley and Patterson, 1976.
 */
export function haltonPoint(index: number, dimensions: number, seed: number): number[] {
  if (dimensions > primes.length)
    throw new ConfigError(
      `sweep: ${dimensions} sampled parameters: expected at most ${primes.length}, or sampling: random`,
    );
  return primes
    .slice(0, dimensions)
    .map((base, i) => (radicalInverse(index + 1, base) + mix(seed, i) / 2 ** 32) % 1);
}

/** Independent uniform numbers in [0, 1) in place of {@link haltonPoint}. */
export function randomPoint(index: number, dimensions: number, seed: number): number[] {
  return Array.from({ length: dimensions }, (_, i) => mix(seed, i, index) / 2 ** 32);
}

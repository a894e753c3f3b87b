import { ConfigError } from "../errors.ts";

const rotate = (word: number, by: number) => (word << by) | (word >>> (32 - by));

/** Spreads a state of 64 bits over 32-bit words, one call after the other (SplitMix64). */
function splitMix(seed: bigint): () => number {
  let state = seed;
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number(BigInt.asIntN(32, (z ^ (z >> 31n)) >> 32n));
  };
}

/**
 * Draws numbers evenly from (0, 1), with 52 bits each, decided by the seed (xoshiro128++).
 *
 * @param seed - an integer; all of its 53 bits count, and its sign
 * @throws ConfigError for anything else
 *
 * Source: Blackman and Vigna, Scrambled linear pseudorandom number generators, 2021.
 *
 * @example
 * ```ts
 * const draw = uniformSampler(1);
 * draw() === uniformSampler(1)(); // => true
 * 0 < draw() && draw() < 1; // => true
 * ```
 */
export function uniformSampler(seed: number): () => number {
  if (!Number.isSafeInteger(seed)) throw new ConfigError(`seed ${seed}: expected an integer`);
  const spread = splitMix(BigInt.asUintN(64, BigInt(seed)));
  let [a, b, c, d] = [spread(), spread(), spread(), spread()];
  const word = () => {
    const result = (rotate((a + d) | 0, 7) + a) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  // 27 and 25 bits, and a half, so that neither 0 nor 1 is drawn.
  return () => ((word() >>> 5) * 2 ** 25 + (word() >>> 7) + 0.5) / 2 ** 52;
}

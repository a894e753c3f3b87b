import { ConfigError } from "../errors.ts";

/** The largest seed: random numbers of jax-js, batches and samples take 32 bits of one, so that another with the same 32 bits would be the same. */
export const maxSeed = 2 ** 32 - 1;

/**
 * Refuses seeds of which some bits would not count.
 *
 * @throws ConfigError if the seed isn't an integer from 0 to 2³² − 1
 *
 * @example
 * ```ts
 * checkSeed("seed", 7);
 * assert.throws(() => checkSeed("seed", -1), /seed -1: expected an integer from 0 to 4294967295/);
 * ```
 */
export function checkSeed(name: string, seed: number): void {
  if (!Number.isInteger(seed) || seed < 0 || seed > maxSeed)
    throw new ConfigError(`${name} ${seed}: expected an integer from 0 to ${maxSeed}`);
}

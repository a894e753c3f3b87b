import { ConfigError } from "./errors.ts";

/** @throws ConfigError unless the value is finite and not negative */
export function checkNonNegative(name: string, value: number): void {
  if (!(value >= 0) || !Number.isFinite(value))
    throw new ConfigError(`${name} ${value}: expected a number ≥ 0`);
}

/** @throws ConfigError unless the value is finite and positive */
export function checkPositive(name: string, value: number): void {
  if (!(value > 0) || !Number.isFinite(value))
    throw new ConfigError(`${name} ${value}: expected a positive number`);
}

/** @throws ConfigError unless 0 ≤ value < 1 */
export function checkFraction(name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new ConfigError(`${name} ${value}: expected a number in [0, 1)`);
}

/** @throws ConfigError unless the value is an integer and at least `least` */
export function checkInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new ConfigError(`${name} ${value}: expected an integer ≥ ${least}`);
}

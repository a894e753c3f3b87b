import { ConfigError } from "../errors.ts";

/** @throws ConfigError naming the first value that isn't a positive, finite number */
export function requirePositive(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new ConfigError(`${where}: ${name} ${value}: expected a positive number`);
  }
}

/** @throws ConfigError naming the first value that isn't finite and at least 0 */
export function requireNonNegative(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new ConfigError(`${where}: ${name} ${value}: expected a number ≥ 0`);
  }
}

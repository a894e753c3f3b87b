import { checkNonNegative, checkPositive } from "../numberChecks.ts";

/** @throws ConfigError naming the first value that isn't a positive, finite number */
export function requirePositive(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) checkPositive(`${where}: ${name}`, value);
}

/** @throws ConfigError naming the first value that isn't finite and at least 0 */
export function requireNonNegative(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) checkNonNegative(`${where}: ${name}`, value);
}

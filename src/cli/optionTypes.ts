import { InvalidArgumentError, Option } from "commander";

function numberOption(what: string, check: (value: number) => boolean) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !check(value)) throw new InvalidArgumentError(`expected ${what}.`);
    return value;
  };
}

export const positiveInteger = numberOption("a positive integer", (n) => Number.isInteger(n) && n > 0);
export const integer = numberOption("an integer", Number.isInteger);
export const seedOption = numberOption(
  "an integer from 0 to 4294967295",
  (n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32,
);
export const portNumber = numberOption(
  "a port from 0 to 65535",
  (n) => Number.isInteger(n) && n >= 0 && n < 65536,
);
export const finite = numberOption("a number", Number.isFinite);
export const positive = numberOption("a positive number", (n) => n > 0 && Number.isFinite(n));
export const notNegative = numberOption("a number ≥ 0", (n) => n >= 0 && Number.isFinite(n));
export const probability = numberOption("a number between 0 and 1", (n) => n > 0 && n < 1);
export const collect = (value: string, previous: readonly string[]) => [...previous, value];

export const list =
  <T>(one: (text: string) => T) =>
  (text: string, previous: readonly T[] = []): T[] => [...previous, ...text.split(",").map(one)];
export const checkpointChoice = (text: string) => {
  if (text === "best" || text === "latest") return text;
  const step = Number(text);
  if (text.trim() === "" || !Number.isInteger(step) || step < 0)
    throw new InvalidArgumentError("expected a step, best or latest.");
  return step;
};

/** Where the model of a command runs. */
export const deviceOption = (
  description = "where to run (by default as the run was trained, else the CPU); auto: the GPU if it is faster",
) => new Option("--device <device>", description).choices(["cpu", "gpu", "auto"] as const);

import { readFileSync } from "node:fs";
import { z } from "zod";
import { writeOutput } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { boundedUpTo, type CoefficientTable, coefficientTables } from "../spectral/index.ts";

const formatName = "rotor-coefficients";

/** A table as it stands in a configuration. */
export const coefficientTableSchema = z.strictObject({
  steps: z.array(z.tuple([z.number(), z.number(), z.number()])).nonempty(),
  /** Default 1. */
  safety: z.number().positive().default(1),
  /** Where the numbers come from. */
  source: z.string().default("given"),
});

/** Unknown keys say how the table was found; Rotor doesn't read them. */
const fileSchema = z.looseObject({
  ...coefficientTableSchema.shape,
  format: z.literal(formatName),
  version: z.literal(1),
});

/**
 * Writes a table as JSON that `optimizer.coefficients` takes: `format`, `version`, `steps` (one triple per Newton–Schulz step),
 * `safety`, `source`, and whatever says how it was found.
 */
export function writeCoefficientsFile(
  file: string,
  { steps, safety, source }: CoefficientTable,
  provenance: Readonly<Record<string, unknown>> = {},
): void {
  const contents = { format: formatName, version: 1, steps, safety, source, ...provenance };
  writeOutput(file, `${JSON.stringify(contents, null, 1)}\n`);
}

/** @throws ConfigError if the file can't be read or is not a table of coefficients; the message begins with `where` */
export function readCoefficientsFile(file: string, where: string): CoefficientTable {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ConfigError(`${where} ${JSON.stringify(file)}: ${problem}`, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const names = Object.keys(coefficientTables).join(", ");
    return fail(
      code === "ENOENT"
        ? `no such file; expected one of ${names}, a list of triples or a file that \`rotor coefficients\` wrote`
        : code === undefined
          ? "is not JSON"
          : (error as Error).message,
      error,
    );
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const at = parsed.error.issues[0]!.path.join(".");
    return fail(
      `${at === "" ? "" : `${at}: `}is not a table of coefficients as \`rotor coefficients\` writes it`,
    );
  }
  const { steps, safety, source } = parsed.data;
  return { steps, safety, source };
}

/**
 * What is wrong with a table for training: singular values that it would multiply without bound; null if nothing is.
 *
 * @param steps - number of Newton–Schulz steps
 */
export function coefficientsProblem(table: CoefficientTable, steps: number): string | null {
  const limit = boundedUpTo(table, steps);
  return limit >= 1
    ? null
    : `singular values above ${limit.toPrecision(2)} diverge in ${steps} steps; expected a table that keeps them up to 1 below 2 (a bounded search for coefficients finds one)`;
}

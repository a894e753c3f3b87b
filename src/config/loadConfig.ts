import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigError } from "../errors.ts";
import { isReservedName } from "../reservedNames.ts";
import { configDifferences } from "../runs/index.ts";
import { coefficientTables } from "../spectral/index.ts";
import { readCoefficientsFile } from "./coefficientsFile.ts";
import { type FindStart, withStart } from "./modelStart.ts";
import { parseConfig } from "./parseConfig.ts";
import { isPlainObject, type PlainObject } from "./plainObject.ts";
import { presetNames, presets } from "./presets.ts";
import { checkPlain, readYaml } from "./readYaml.ts";
import { mergeConfig, scheduleInSteps } from "./scheduleSchema.ts";
import type { TrainConfig } from "./schema.ts";

/**
 * Puts the table of a file in place of the file's path, so that a run depends on its configuration alone. The number of steps is
 * the table's if the configuration doesn't say it.
 */
function withCoefficients(config: unknown): unknown {
  if (!isPlainObject(config) || !isPlainObject(config.optimizer)) return config;
  const { optimizer } = config;
  const file = optimizer.coefficients;
  if (typeof file !== "string" || Object.hasOwn(coefficientTables, file)) return config;
  const table = readCoefficientsFile(file, "config: optimizer.coefficients");
  return { ...config, optimizer: { steps: table.steps.length, ...optimizer, coefficients: table } };
}

/** Reads a configuration as plain data: a preset's name, a YAML file, or a module whose default export it is. */
async function readConfig(reference: string): Promise<unknown> {
  if (presetNames.includes(reference)) return presets[reference];
  const extension = path.extname(reference).toLowerCase();
  if (![".yaml", ".yml", ".json", ".ts", ".js", ".mjs"].includes(extension)) {
    throw new ConfigError(
      `config "${reference}": expected a preset (${presetNames.join(", ")}) or a .yaml, .json, .ts or .js file`,
    );
  }
  try {
    if (extension === ".yaml" || extension === ".yml" || extension === ".json") {
      return readYaml(readFileSync(reference, "utf8"), `config "${reference}"`);
    }
    const module = (await import(pathToFileURL(path.resolve(reference)).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const text = error instanceof Error ? error.message : `throws ${String(error)}`;
    const problem = existsSync(reference) ? text.split("\n")[0] : "no such file";
    throw new ConfigError(`config "${reference}": ${problem}`, { cause: error });
  }
}

/** @throws ConfigError that begins with `what` */
function checkNames(keys: readonly string[], what: string): void {
  const reserved = keys.find(isReservedName);
  if (reserved !== undefined) throw new ConfigError(`${what}: unknown key ${reserved}`);
}

/** What one `path=value` lays over a configuration; the value is read as YAML. */
function parseOverride(assignment: string): { readonly path: string; readonly over: unknown } {
  const split = assignment.indexOf("=");
  if (split < 1)
    throw new ConfigError(`override "${assignment}": expected path=value, for example training.steps=100`);
  const path = assignment.slice(0, split);
  const keys = path.split(".");
  checkNames(keys, `override "${assignment}"`);
  const value = readYaml(assignment.slice(split + 1), `override "${assignment}"`);
  return { path, over: keys.reduceRight((inner: unknown, key) => ({ [key]: inner }), value) };
}

/** Options that move a loss no further than another seed does. */
const neutral =
  /^(name|training\.(seed|threads|device|evalEvery|spectra|noiseScale|log|sample|checkpoint|keep))/;

/** Whether what a configuration should reach was measured for another one. */
function isChanged(config: TrainConfig, measured: unknown): boolean {
  let resolved: TrainConfig;
  try {
    resolved = parseConfig(withCoefficients(measured));
  } catch (error) {
    if (error instanceof ConfigError) return true;
    throw error;
  }
  return configDifferences(scheduleInSteps(config), scheduleInSteps(resolved)).some(
    ({ path }) => !neutral.test(path) && !path.startsWith("expectedLoss"),
  );
}

/**
 * Loads a configuration: a preset or a file (which may name a `preset` to start from), with `path=value` overrides. The expected loss of a
 * preset or a file is dropped if something else changes the result. Lengths of the schedule that are given as shares become steps.
 *
 * @param reference - or plain data in place of a file
 * @param findStart - finds the model that `from` names, whose options the configuration takes
 * @throws ConfigError
 */
export async function loadConfig(
  reference: string | PlainObject,
  overrides: readonly string[] = [],
  findStart?: FindStart,
): Promise<TrainConfig> {
  return scheduleInSteps(await loadBaseConfig(reference, overrides, findStart));
}

/**
 * {@link loadConfig} for configurations that others are made of, as the base of a sweep: shares of the schedule stay, so that they go along
 * with another number of steps.
 *
 * @throws ConfigError
 */
export async function loadBaseConfig(
  reference: string | PlainObject,
  overrides: readonly string[] = [],
  findStart?: FindStart,
): Promise<TrainConfig> {
  const isFile = typeof reference === "string";
  const what = isFile ? `config "${reference}"` : "config";
  let config: unknown = isFile ? await readConfig(reference) : reference;
  if (!isPlainObject(config)) throw new ConfigError(`${what}: expected a mapping of sections`);
  checkPlain(config, what);
  let measured: unknown = config;
  if (Object.hasOwn(config, "preset")) {
    const { preset, ...rest } = config;
    if (typeof preset !== "string" || !presetNames.includes(preset)) {
      throw new ConfigError(
        `config: preset ${JSON.stringify(preset)}: expected one of ${presetNames.join(", ")}`,
      );
    }
    config = mergeConfig(presets[preset], rest);
    measured = "expectedLoss" in rest ? config : presets[preset];
  }
  const parsed = overrides.map(parseOverride);
  // Another kind replaces a section, so it comes before the section's options, wherever it stands.
  const isKind = ({ path }: { readonly path: string }) => path.endsWith(".kind");
  for (const { over } of [...parsed.filter(isKind), ...parsed.filter((one) => !isKind(one))])
    config = mergeConfig(config, over);
  if (findStart !== undefined && isPlainObject(config) && config.from !== undefined)
    config = withStart(config, findStart(config.from));
  const result = parseConfig(withCoefficients(config));
  const isGiven = parsed.some(({ path }) => path.startsWith("expectedLoss"));
  if (result.expectedLoss === null || isGiven) return result;
  return isChanged(result, measured) ? { ...result, expectedLoss: null } : result;
}

/** What assignments `path=value` say, by path, for {@link overrideConfig}. @throws ConfigError */
export function overridesOf(assignments: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    assignments.map((assignment) => {
      const { path } = parseOverride(assignment);
      return [path, readYaml(assignment.slice(path.length + 1), `override "${assignment}"`)];
    }),
  );
}

/**
 * A configuration with options changed, by their paths: `{ "training.batchSize": 8 }`. A mapping with another `kind` replaces a section.
 * The expected loss is forgotten, as it was measured for the configuration before.
 *
 * @throws ConfigError
 */
export function overrideConfig<Config extends TrainConfig>(
  config: Config,
  values: Readonly<Record<string, unknown>>,
): Config {
  let changed: unknown = config;
  for (const [path, value] of Object.entries(values)) {
    const keys = path.split(".");
    checkNames(keys, `config: ${path}`);
    changed = mergeConfig(
      changed,
      keys.reduceRight((inner: unknown, key) => ({ [key]: inner }), value),
    );
  }
  const parsed = parseConfig(withCoefficients({ ...(changed as PlainObject), expectedLoss: null }));
  if (parsed.task !== config.task)
    throw new ConfigError(`config: task ${parsed.task}: expected ${config.task}, which can't be changed`);
  return parsed as Config;
}

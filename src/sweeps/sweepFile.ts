import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import {
  checkPlain,
  describeIssue,
  type FindStart,
  loadBaseConfig,
  overrideConfig,
  presetNames,
  readYaml,
  type TrainConfig,
} from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { maxSeed } from "../numbers/index.ts";
import { isReservedName } from "../reservedNames.ts";
import { taskMethods } from "../tasks/index.ts";
import type { TuneSettings } from "./tuneSettings.ts";

const count = z.number().int().positive();
const seed = z.number().int().min(0).max(maxSeed);
/** More than anyone means. */
export const mostTrials = 100_000;

const range = z.tuple([z.number(), z.number()]).refine(([low, high]) => low < high, {
  message: "expected [low, high] with low < high",
});
const positiveRange = range.refine(([low]) => low > 0, { message: "expected [low, high] above 0" });

/** One parameter: values of a grid, a logarithmic grid, or a range that points are drawn from. */
const parameterSchema = z.union([
  z.array(z.unknown()).nonempty(),
  z.strictObject({ logGrid: positiveRange, points: count.min(2).max(mostTrials) }),
  z.strictObject({ uniform: range, integer: z.boolean().default(false) }),
  z.strictObject({ logUniform: positiveRange, integer: z.boolean().default(false) }),
]);

const derivedSchema = z.strictObject({
  from: z.string(),
  times: z.number().default(1),
  power: z.number().default(1),
  integer: z.boolean().default(false),
});

const adaptiveSchema = z.strictObject({
  /** Rounds after the first. */
  rounds: count.default(3),
  /** New learning rates per round, for each combination of the other parameters. */
  perRound: count.default(3),
  /** An optimum is fine enough when its neighbours are no further away than this factor. */
  resolution: z.number().gt(1).default(1.2),
});

const earlyStopSchema = z.strictObject({
  /** A trial has diverged when its smoothed loss is above this many times the reference. */
  factor: z.number().gt(1).default(1.5),
  /** Its first loss, or the best of its smoothed losses. */
  of: z.enum(["start", "best"]).default("start"),
  /** Steps before which no trial is stopped. */
  after: z.number().int().nonnegative().default(10),
});

export const definitionSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^\P{Cc}*$/u, "expected no control characters")
    .optional(),
  /** Preset, or a configuration file beside the sweep's file. */
  base: z.string(),
  /** Options laid over the base, by their paths. */
  config: z.record(z.string(), z.unknown()).default({}),
  parameters: z.record(z.string(), parameterSchema),
  /** Options that follow from a parameter: `times · value^power`. */
  derived: z.record(z.string(), derivedSchema).default({}),
  /** Points of the sampled parameters, for each combination of the grids. */
  samples: count.max(mostTrials).default(8),
  sampling: z.enum(["quasi-random", "random"]).default("quasi-random"),
  /** Of the sampling. */
  seed: seed.default(0),
  /** `training.seed` of each repetition. */
  seeds: z.array(seed).nonempty().default([0]),
  adaptive: adaptiveSchema.nullable().default(null),
  earlyStop: earlyStopSchema.nullable().default({ factor: 1.5, of: "start", after: 10 }),
  /** Times that a trial is begun before it counts as failed. */
  attempts: count.default(3),
  workers: z.union([count, z.literal("auto")]).default("auto"),
  /** Of one operator in each trial. */
  threads: z.union([count, z.literal("auto")]).default("auto"),
});

/** A sweep as it was asked for. */
export type SweepDefinition = z.infer<typeof definitionSchema> & {
  readonly name: string;
  /** Of a sweep that `rotor tune` began. */
  readonly tune?: TuneSettings;
};
export type ParameterDefinition = z.infer<typeof parameterSchema>;
export type EarlyStop = z.infer<typeof earlyStopSchema>;
export type Adaptive = z.infer<typeof adaptiveSchema>;

/** A definition with the configuration that its trials start from. */
export interface LoadedSweep {
  readonly definition: SweepDefinition;
  readonly base: TrainConfig;
}

/** The parameter that `adaptive` refines. */
export const learningRatePath = "optimizer.learningRate";

/** What a parameter may be is said in words: its schemas' own would be a list of what each lacks. */
function describe(issue: z.core.$ZodIssue, value: unknown): string {
  const said = describeIssue(definitionSchema, issue, value);
  if (issue.code !== "invalid_union" || issue.path[0] !== "parameters") return said;
  const shown = said.slice(0, said.indexOf(": "));
  return `${shown}: expected a list of values, { logGrid: [low, high], points: n }, { uniform: [low, high] } or { logUniform: [low, high] }`;
}

function checkTogether({ parameters, derived, adaptive, base }: z.infer<typeof definitionSchema>): void {
  const fail = (text: string) => {
    throw new ConfigError(`sweep: ${text}`);
  };
  for (const [section, names] of Object.entries({ parameters, derived })) {
    for (const name of Object.keys(names)) {
      const reserved = name.split(".").find(isReservedName);
      if (reserved !== undefined) fail(`${section}.${name}: unknown key ${reserved}`);
    }
  }
  if (Object.keys(parameters).length === 0) fail("parameters: expected at least one");
  for (const [target, { from }] of Object.entries(derived)) {
    if (!Object.hasOwn(parameters, from))
      fail(`derived.${target}.from ${from}: expected one of the parameters`);
    if (Object.hasOwn(parameters, target)) fail(`derived.${target}: is a parameter as well`);
  }
  if (adaptive !== null && !Object.hasOwn(parameters, learningRatePath))
    fail(`adaptive: expected ${learningRatePath} among the parameters`);
  for (const name of ["training.seed", "training.threads"]) {
    if (Object.hasOwn(parameters, name))
      fail(`parameters.${name}: expected ${name.split(".")[1]}s in the sweep file`);
  }
  if (base.trim() === "") fail('base "": expected a preset or a configuration file');
}

/**
 * Checks a sweep and fills in defaults, except for the name, which is the base's.
 *
 * @throws ConfigError naming the first key that is wrong, its value and what is allowed
 */
export function parseSweep(value: unknown): z.infer<typeof definitionSchema> {
  checkPlain(value, "sweep");
  const parsed = definitionSchema.safeParse(value);
  if (!parsed.success) throw new ConfigError(`sweep: ${describe(parsed.error.issues[0]!, value)}`);
  checkTogether(parsed.data);
  return parsed.data;
}

/** A configuration that makes no samples, unless these `path=value` ask for them. */
export function withoutSamples(base: TrainConfig, settings: readonly string[]): TrainConfig {
  const unasked = Object.entries(taskMethods[base.task].quiet).filter(
    ([name]) => !settings.some((setting) => setting.startsWith(`${name}=`)),
  );
  return overrideConfig(base, Object.fromEntries(unasked));
}

/**
 * Reads a sweep file and the configuration that it starts from.
 *
 * @param overrides - `path=value`, laid over the base after the file's `config`
 * @param findStart - as for `loadConfig`
 * @throws ConfigError
 */
export async function loadSweep(
  file: string,
  overrides: readonly string[] = [],
  findStart?: FindStart,
): Promise<LoadedSweep> {
  let value: unknown;
  try {
    value = readYaml(readFileSync(file, "utf8"), `sweep "${file}"`);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      `sweep "${file}": ${code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder, expected a YAML file" : message.split("\n")[0]}`,
      { cause: error },
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ConfigError(`sweep "${file}": expected a mapping with base and parameters`);
  const parsed = parseSweep(value);
  const reference = presetNames.includes(parsed.base)
    ? parsed.base
    : path.resolve(path.dirname(file), parsed.base);
  const given = Object.entries(parsed.config).map(([name, option]) => `${name}=${JSON.stringify(option)}`);
  const settings = [...given, ...overrides];
  const base = await loadBaseConfig(reference, settings, findStart);
  const definition = { ...parsed, name: parsed.name ?? base.name };
  return { definition, base: overrideConfig(withoutSamples(base, settings), { name: definition.name }) };
}

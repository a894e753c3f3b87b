import { overrideConfig, scheduleInSteps, type TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { haltonPoint, randomPoint } from "./haltonSequence.ts";
import { mostTrials, type ParameterDefinition, type SweepDefinition } from "./sweepFile.ts";

/** A trial that is to be run. */
export interface PlannedTrial {
  /** Parameters of the sweep by their paths, without derived ones. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** Complete: nothing else is needed to train it. */
  readonly config: TrainConfig;
}

const fourDigits = (value: number) => Number(value.toPrecision(4));

function gridValues(parameter: ParameterDefinition): readonly unknown[] | null {
  if (Array.isArray(parameter)) return parameter;
  if (!("logGrid" in parameter)) return null;
  const { logGrid, points } = parameter;
  const [low, high] = logGrid;
  return Array.from({ length: points }, (_, i) => fourDigits(low * (high / low) ** (i / (points - 1))));
}

function sampledValue(parameter: ParameterDefinition, at: number): number {
  if (Array.isArray(parameter) || "logGrid" in parameter) throw new TypeError("not a sampled parameter");
  const [low, high] = "uniform" in parameter ? parameter.uniform : parameter.logUniform;
  const value = "uniform" in parameter ? low + at * (high - low) : low * (high / low) ** at;
  return parameter.integer ? Math.round(value) : fourDigits(value);
}

function product(lists: readonly (readonly [string, readonly unknown[]])[]): Record<string, unknown>[] {
  return lists.reduce<Record<string, unknown>[]>(
    (partial, [name, values]) =>
      partial.flatMap((known) => values.map((value) => ({ ...known, [name]: value }))),
    [{}],
  );
}

function derivedValues(
  definition: SweepDefinition,
  values: Readonly<Record<string, unknown>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(definition.derived).map(([target, { from, times, power, integer }]) => {
      const source = values[from];
      if (typeof source !== "number")
        throw new ConfigError(
          `sweep: derived.${target}: ${from} is ${JSON.stringify(source)}, expected a number`,
        );
      const value = times * source ** power;
      return [target, integer ? Math.max(1, Math.round(value)) : value];
    }),
  );
}

/**
 * The trial of some values.
 *
 * @throws ConfigError if the configuration is impossible, naming the values
 */
export function planTrial(
  definition: SweepDefinition,
  base: TrainConfig,
  values: Readonly<Record<string, unknown>>,
  seed: number,
): PlannedTrial {
  try {
    const config = scheduleInSteps(
      overrideConfig(base, {
        ...values,
        ...derivedValues(definition, values),
        "training.seed": seed,
      }),
    );
    return { values, seed, config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${error.message} (trial ${JSON.stringify(values)})`, { cause: error });
  }
}

/**
 * The trials of a sweep's first round: the grids' combinations, for each of them `samples` points of the sampled parameters, and each
 * with all seeds. Every combination takes the next points of one sequence, so that together they fill the ranges as well.
 *
 * @throws ConfigError if a combination is impossible, or there are too many
 */
export function planTrials(definition: SweepDefinition, base: TrainConfig): PlannedTrial[] {
  const entries = Object.entries(definition.parameters);
  const grids = entries.flatMap(([name, parameter]): [string, readonly unknown[]][] => {
    const values = gridValues(parameter);
    return values === null ? [] : [[name, values]];
  });
  const sampled = entries.filter(([, parameter]) => gridValues(parameter) === null);
  const samples = sampled.length === 0 ? 1 : definition.samples;
  const total = grids.reduce((n, [, values]) => n * values.length, samples * definition.seeds.length);
  if (total > mostTrials) throw new ConfigError(`sweep: has ${total} trials: expected at most ${mostTrials}`);
  const point = definition.sampling === "random" ? randomPoint : haltonPoint;
  return product(grids).flatMap((combination, c) =>
    Array.from({ length: samples }, (_, s) => {
      const at = point(c * samples + s, sampled.length, definition.seed);
      const drawn = Object.fromEntries(
        sampled.map(([name, parameter], d) => [name, sampledValue(parameter, at[d]!)]),
      );
      // In the order of the file, for tables.
      const values = Object.fromEntries(
        entries.map(([name]) => [name, Object.hasOwn(drawn, name) ? drawn[name] : combination[name]]),
      );
      return definition.seeds.map((seed) => planTrial(definition, base, values, seed));
    }).flat(),
  );
}

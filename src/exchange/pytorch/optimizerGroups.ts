import { ExchangeError } from "../../errors.ts";
import { ConfigKeys, type Fields, isFields } from "../configKeys.ts";
import { numberFrom, type TorchOptimizer } from "./torchOptimizer.ts";
import { groupsKey, torchOptimizers } from "./torchOptimizers.ts";

/** A group of parameters of an optimizer of `torch.optim`. */
export interface OptimizerGroup {
  readonly row: TorchOptimizer;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Its other options, by their names here. */
  readonly options: Fields;
}

/** A parameter here, and the group that it is in there. */
export interface AssignedParameter {
  readonly group: OptimizerGroup;
  readonly shape: readonly number[];
}

/** Keys of a group that change nothing of what is computed, or that a scheduler keeps there. */
const inert = "param_names initial_lr foreach capturable differentiable fused".split(" ");

const isRate = (value: number) => value >= 0 && Number.isFinite(value);

function readGroup(keys: ConfigKeys): OptimizerGroup {
  const name = keys.value("optimizer");
  const row = torchOptimizers.find((own) => own.name === name);
  if (row === undefined)
    return keys.fail("optimizer", `one of ${torchOptimizers.map((own) => own.name).join(", ")}`);
  keys.must("maximize", false);
  for (const key of inert) keys.value(key);
  const group = {
    row,
    learningRate: numberFrom(keys, "lr", isRate, "a number ≥ 0"),
    weightDecay: numberFrom(keys, "weight_decay", isRate, "a number ≥ 0"),
    options: row.read(keys) as Fields,
  };
  keys.finish();
  return group;
}

/**
 * The group of each parameter by its name, of the metadata of a file.
 *
 * @throws ExchangeError naming what is missing or has no counterpart here
 */
export function readGroups(
  file: string,
  metadata: Readonly<Record<string, string>>,
): Map<string, OptimizerGroup> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ExchangeError(`${file}: ${problem}`, { cause });
  };
  const text = metadata[groupsKey];
  if (text === undefined)
    return fail(
      `has no "${groupsKey}" in its metadata: expected groups of parameters, as docs/exchange.md writes them`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return fail(`metadata "${groupsKey}" is not JSON`, error);
  }
  if (!(Array.isArray(json) && json.length > 0 && json.every(isFields)))
    return fail(`metadata "${groupsKey}": expected a list of groups of parameters`);
  const groups = new Map<string, OptimizerGroup>();
  for (const [i, fields] of json.entries()) {
    const keys = new ConfigKeys(fields, `${file}: group ${i}: `);
    const params = keys.value("params");
    if (!(Array.isArray(params) && params.every((name) => typeof name === "string")))
      return keys.fail("params", "a list of names");
    const group = readGroup(keys);
    for (const name of params) {
      if (groups.has(name)) fail(`parameter "${name}": is in two groups`);
      groups.set(name, group);
    }
  }
  return groups;
}

/**
 * An optimizer's options here, of its groups.
 *
 * @throws ExchangeError naming an option that they don't share
 */
export function settingsOf(file: string, groups: readonly OptimizerGroup[]) {
  const [{ row, options }] = groups as [OptimizerGroup];
  const fail = (problem: string): never => {
    throw new ExchangeError(`${file}: groups of ${row.name}: ${problem}`);
  };
  for (const other of groups)
    for (const [option, value] of Object.entries(other.options)) {
      const [a, b] = [options[option], value].map((own) => JSON.stringify(own));
      if (a !== b) fail(`${option} ${a} and ${b}: expected one of all`);
    }
  const decays = [...new Set(groups.map(({ weightDecay }) => weightDecay))].filter((decay) => decay > 0);
  if (decays.length > 1)
    fail(`weight_decay ${decays.join(" and ")}: expected one, and 0 for what doesn't decay`);
  const learningRate = Math.max(...groups.map((group) => group.learningRate));
  if (learningRate > 0 && groups.some((group) => group.learningRate === 0))
    fail(`lr 0 and ${learningRate}: expected rates above 0`);
  return { learningRate, weightDecay: decays[0] ?? 0, ...options };
}

/** Rules for parameters that are slower than their optimizer, or decay otherwise than by default here. */
export function rulesOf(
  parameters: ReadonlyMap<string, AssignedParameter>,
  learningRateOf: (row: TorchOptimizer) => number,
): readonly Fields[] {
  const all = [...parameters].map(([match, { group, shape }]) => ({
    match,
    group,
    decays: group.weightDecay > 0,
    isUsual: group.weightDecay > 0 === shape.length >= 2,
  }));
  const factors = all.flatMap(({ match, group: { row, learningRate } }) => {
    const largest = learningRateOf(row);
    return learningRate === largest ? [] : [{ match, learningRateFactor: learningRate / largest }];
  });
  if (all.every(({ decays }) => !decays)) return factors;
  if (all.every(({ decays }) => decays)) return [{ match: "**", decays: true }, ...factors];
  const unusual = all.filter(({ isUsual }) => !isUsual);
  return [...unusual.map(({ match, decays }) => ({ match, decays })), ...factors];
}

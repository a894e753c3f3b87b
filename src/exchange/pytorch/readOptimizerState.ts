import { closeSync, openSync, readSync } from "node:fs";
import { flattenShapes, readSafetensors } from "../../checkpoint/index.ts";
import { transformerShapes } from "../../config/index.ts";
import { ExchangeError } from "../../errors.ts";
import type { TransformerConfig } from "../../nn/index.ts";
import { muonRule } from "../../optim/index.ts";
import { type Architecture, headNames, tensorName } from "../architecture.ts";
import type { Fields } from "../configKeys.ts";
import { splitTensor, type TensorRule } from "../tensorRule.ts";
import { checkMuonMatrix } from "./checkMuonMatrix.ts";
import {
  type AssignedParameter,
  type OptimizerGroup,
  readGroups,
  rulesOf,
  settingsOf,
} from "./optimizerGroups.ts";
import { type OptimizerPart, torchOptimizers } from "./torchOptimizers.ts";

/** The state of optimizers of `torch.optim` in terms of this library. */
export interface OptimizerState {
  /** Steps that were done. */
  readonly step: number;
  /** Sections of a configuration. */
  readonly optimizer: Fields;
  readonly parameters: readonly Fields[];
  /** What a part of a state here holds. */
  of(part: OptimizerPart): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

/** Beyond it float32, which PyTorch counts in, has no next integer. */
const mostSteps = 2 ** 24;

/** Whether a file begins as those of `torch.save` do: a ZIP archive, or a pickle of protocol 2, and not with a length, as safetensors. */
function isPickle(begin: Buffer): boolean {
  return (
    begin.readUInt32LE(0) === 0x04034b50 || (begin.readUInt16LE(0) === 0x0280 && begin.readUInt32LE(4) !== 0)
  );
}

/** @throws ExchangeError for a pickle, of which eight bytes are read */
function refusePickle(file: string): void {
  const begin = Buffer.alloc(8);
  try {
    const descriptor = openSync(file, "r");
    try {
      readSync(descriptor, begin);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // The reader of tensors says why.
    return;
  }
  if (/\.(pt|pth|bin|ckpt|pkl)$/.test(file) || isPickle(begin))
    throw new ExchangeError(
      `${file}: is a pickle of PyTorch, whose loading runs code: expected safetensors, as docs/exchange.md writes them`,
    );
}

/**
 * Reads the state of `torch.optim.AdamW`, or of it and `torch.optim.Muon`, from a safetensors file: `<parameter>.exp_avg`, `.exp_avg_sq`, `.step` and
 * `.momentum_buffer`, with the groups of parameters in its metadata. They become parameters' as the tensors of the model do.
 *
 * @param architecture - of the model that it is of
 * @throws ExchangeError naming what is missing, of another model, or has no counterpart here; CheckpointError for a damaged file
 */
export function readOptimizerState(
  file: string,
  architecture: Architecture,
  model: TransformerConfig,
): OptimizerState {
  refusePickle(file);
  const { tensors, metadata } = readSafetensors(file, undefined, { halfPrecision: "widen" });
  const groups = readGroups(file, metadata);
  const fail = (name: string, problem: string): never => {
    throw new ExchangeError(`${file}: parameter "${name}": ${problem}`);
  };
  const shapes = flattenShapes(transformerShapes(model));
  const ofRule = architecture.tensors(model).map((rule) => {
    const usual = tensorName(architecture, rule);
    const name = [usual, ...(rule.isOuter ? headNames : [])].find((one) => groups.has(one)) ?? usual;
    const group = groups.get(name) ?? fail(name, "is in no group: expected all parameters of the model");
    groups.delete(name);
    return { rule, name, group, own: rule.paths.map((path) => shapes.get(path)!.shape) };
  });
  const [foreign] = groups.keys();
  if (foreign !== undefined) fail(foreign, `isn't of ${architecture.modelType}: it is another model's state`);
  const parameters = new Map(
    ofRule.flatMap(({ rule, group, own }) =>
      rule.paths.map((path, i): [string, AssignedParameter] => [path, { group, shape: own[i]! }]),
    ),
  );
  checkAssignment(parameters, ofRule, fail);

  const take = (owner: string, key: string, shape: readonly number[]): Float32Array => {
    const tensor = tensors.get(`${owner}.${key}`) ?? fail(owner, `has no ${key}`);
    tensors.delete(`${owner}.${key}`);
    if (tensor.dtype !== "float32" || tensor.shape.join() !== shape.join())
      fail(owner, `${key} is ${tensor.dtype}[${tensor.shape.join()}], expected float32[${shape.join()}]`);
    // Squares' averages are under a root.
    const least = key === "exp_avg_sq" ? 0 : -Number.MAX_VALUE;
    const wrong = tensor.data.findIndex((value) => !(value >= least && value <= Number.MAX_VALUE));
    if (wrong >= 0)
      fail(
        owner,
        `${key}[${wrong}] is ${tensor.data[wrong]}: expected finite numbers${least === 0 ? " of at least 0" : ""}`,
      );
    return tensor.data as Float32Array;
  };
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  let step: number | null = null;
  for (const { rule, name, group, own } of ofRule) {
    const { row, options } = group;
    if (row.hasStep) {
      const count = take(name, "step", [])[0]!;
      if (!(Number.isInteger(count) && count > 0 && count < mostSteps))
        fail(name, `step is ${count}: expected a positive integer`);
      step ??= count;
      if (count !== step) fail(name, `step is ${count}, and ${step} of others: expected one of all`);
    }
    const factor = row.factor(options);
    for (const [key, part] of Object.entries(row.state)) {
      const data = take(name, key, rule.shape(own));
      const scaled = factor === 1 ? data : data.map((value) => value * factor);
      for (const [i, piece] of splitTensor(rule, scaled, own).entries())
        values.set(`${part}.${rule.paths[i]!}`, piece);
    }
  }
  const [unknown] = tensors.keys();
  if (unknown !== undefined)
    throw new ExchangeError(
      `${file}: tensor "${unknown}": is no state of ${torchOptimizers.map(({ name }) => name).join(" or ")}`,
    );

  const settings = new Map(
    torchOptimizers.flatMap((row) => {
      const own = [...new Set(ofRule.map(({ group }) => group))].filter((group) => group.row === row);
      return own.length === 0 ? [] : [[row, settingsOf(file, own)] as const];
    }),
  );
  const [first, ...others] = [...settings].map(([{ group }, options]) => ({ group, options }));
  const beside = Object.fromEntries(others.map(({ group, options }) => [group, options]));
  return {
    step: step!,
    optimizer: { kind: first!.group, ...first!.options, ...beside },
    parameters: rulesOf(parameters, (row) => settings.get(row)!.learningRate),
    of: ({ part, path }) => (path === null ? Int32Array.of(step!) : values.get(`${part}.${path}`)!),
  };
}

/** @throws what `fail` throws, unless each parameter is the same optimizer's here, by the same update */
function checkAssignment(
  parameters: ReadonlyMap<string, AssignedParameter>,
  ofRule: readonly {
    readonly rule: TensorRule;
    readonly name: string;
    readonly group: OptimizerGroup;
  }[],
  fail: (name: string, problem: string) => never,
): void {
  const isMuon = ofRule.some(({ group }) => group.row.group === "muon");
  for (const { rule, name, group } of ofRule) {
    const path = rule.paths[0]!;
    const here = isMuon ? muonRule(path, parameters.get(path)!.shape) : { group: "adamw", reason: "" };
    if (here.group !== group.row.group)
      fail(name, `is ${group.row.name}'s, and ${here.group}'s here: it is ${here.reason}; expected the same`);
    if (here.group === "muon") checkMuonMatrix(rule, (problem) => fail(name, problem));
  }
}

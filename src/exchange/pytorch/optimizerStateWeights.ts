import {
  buildOptimizer,
  isAdapted,
  type LanguageConfig,
  learningRatesOf,
  ParameterRules,
} from "../../config/index.ts";
import { ExchangeError } from "../../errors.ts";
import { muonRule, type OptimizerMethod, optimizerMethods, withDefaults } from "../../optim/index.ts";
import { type Architecture, headNames, tensorName } from "../architecture.ts";
import type { Fields } from "../configKeys.ts";
import type { OpenedModel } from "../openModel.ts";
import type { TensorRule } from "../tensorRule.ts";
import type { Weight } from "../weightFiles.ts";
import { checkMuonMatrix } from "./checkMuonMatrix.ts";
import type { TorchOptimizer } from "./torchOptimizer.ts";
import { groupsKey, optimizerPart, torchOptimizers } from "./torchOptimizers.ts";

/** @throws ExchangeError naming the option for which `torch.optim` has nothing */
function checkConfig(config: LanguageConfig): void {
  const { optimizer, training } = config;
  const refuse = (option: string, value: unknown, has: string): never => {
    throw new ExchangeError(
      `${option} ${JSON.stringify(value)}: an optimizer's state for PyTorch is of ${has}`,
    );
  };
  if (!torchOptimizers.some(({ group }) => group === optimizer.kind))
    refuse("optimizer.kind", optimizer.kind, torchOptimizers.map(({ group }) => group).join(" and "));
  if (optimizer.matrixDecay !== undefined)
    refuse("optimizer.matrixDecay", optimizer.matrixDecay, "plain weightDecay");
  if (training.emaDecay !== null) refuse("training.emaDecay", training.emaDecay, "runs without an average");
  if (isAdapted(config)) refuse("lora or parameters", "given", "runs that train all of their model");
  if (buildOptimizer(config).parameterScale !== null)
    refuse("model.parametrization", config.model.parametrization, "the standard parametrization");
}

/** Options of one of the optimizers, with defaults. */
interface Settings extends Fields {
  readonly weightDecay: number;
}

/**
 * What a run's optimizer remembers, as tensors for `torch.optim`, and the metadata that a file of them needs: its groups of parameters, whose `lr` is that
 * of the next step.
 *
 * @throws ExchangeError naming what `torch.optim` hasn't
 */
export function optimizerStateWeights(
  { config, checkpoint, model }: OpenedModel,
  architecture: Architecture,
): { readonly weights: readonly Weight[]; readonly metadata: Readonly<Record<string, string>> } {
  checkConfig(config);
  const { step } = checkpoint.sidecar;
  const { kind, ...given } = config.optimizer;
  const { options: table }: OptimizerMethod = optimizerMethods[kind];
  const filled = withDefaults(table, given as object) as unknown as Settings & { readonly adamw?: Settings };
  const rates = learningRatesOf(config.optimizer);
  const level = rates.main === 0 ? 0 : buildOptimizer(config).learningRate.at(step) / rates.main;
  const rules = new ParameterRules(config.parameters);
  const parts = new Map<string, Float32Array>();
  const shapes = new Map<string, readonly number[]>();
  for (const [name, { data, shape }] of checkpoint.tensors) {
    const own = optimizerPart(name);
    if (own?.path != null) parts.set(`${own.part}.${own.path}`, data as Float32Array);
    if (name.startsWith("params.")) shapes.set(name.slice("params.".length), shape);
  }
  const rowOf = (path: string): TorchOptimizer => {
    const group = kind === "muon" ? muonRule(path, shapes.get(path)!).group : "adamw";
    return torchOptimizers.find((row) => row.group === group)!;
  };
  const groups = new Map<string, { readonly fields: Fields; readonly params: string[] }>();
  const weights: Weight[] = [];
  for (const rule of architecture.tensors(model)) {
    // Transformers 5 names the head so, whatever the file of the model does.
    const name = rule.isOuter ? headNames[0] : tensorName(architecture, rule);
    const own = rule.paths.map((path) => shapes.get(path)!);
    const row = rowOf(rule.paths[0]!);
    const isMain = kind === row.group;
    const settings = isMain ? filled : filled.adamw!;
    if (row.group === "muon")
      checkMuonMatrix(rule, (problem) => {
        throw new ExchangeError(`parameter "${name}": ${problem}`);
      });
    const lr = (isMain ? rates.main : rates.other) * level * shared(rule, name, (path) => rules.factor(path));
    const decays = shared(rule, name, (path) => rules.decays(path, shapes.get(path)!.length >= 2));
    const fields = {
      optimizer: row.name,
      lr,
      weight_decay: decays ? settings.weightDecay : 0,
      ...row.write(settings),
    };
    const key = JSON.stringify(fields);
    if (!groups.has(key)) groups.set(key, { fields, params: [] });
    groups.get(key)!.params.push(name);
    const factor = row.factor(settings);
    for (const [key, part] of Object.entries(row.state))
      weights.push({
        name: `${name}.${key}`,
        shape: rule.shape(own),
        make() {
          const data = rule.join(
            rule.paths.map((path) => parts.get(`${part}.${path}`)!),
            own,
          );
          return factor === 1 ? data : data.map((value) => value / factor);
        },
      });
    if (row.hasStep) weights.push({ name: `${name}.step`, shape: [], make: () => Float32Array.of(step) });
  }
  const json = [...groups.values()].map(({ fields, params }) => ({ ...fields, params }));
  return { weights, metadata: { [groupsKey]: JSON.stringify(json) } };
}

/** What all parameters of a tensor have. @throws ExchangeError if rules tell them apart */
function shared<T>({ paths }: TensorRule, name: string, of: (path: string) => T): T {
  const [first, ...others] = paths.map(of);
  if (others.some((other) => other !== first))
    throw new ExchangeError(
      `parameters: tell ${paths.join(", ")} apart, which are one parameter of PyTorch's, ${name}`,
    );
  return first!;
}

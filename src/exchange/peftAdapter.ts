import { existsSync } from "node:fs";
import path from "node:path";
import { flattenShapes, readSafetensors, type StoredTensor } from "../checkpoint/index.ts";
import { type LoraConfig, transformerShapes } from "../config/index.ts";
import { CheckpointError, ExchangeError } from "../errors.ts";
import { type LoraTarget, loraTargets, type TransformerConfig } from "../nn/index.ts";
import type { Architecture } from "./architecture.ts";
import { ConfigKeys, type Fields, readJsonFile } from "./configKeys.ts";
import { splitTensor, type TensorRule, transposed } from "./tensorRule.ts";

/** Names of PEFT's two files. */
export const adapterFiles = { config: "adapter_config.json", tensors: "adapter_model.safetensors" } as const;

/** What PEFT puts before the names of modules. */
const wrapper = "base_model.model.";

/** LoRA's options and matrices, the latter by their paths here. */
export interface PeftAdapter {
  readonly lora: LoraConfig;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Keys of PEFT 0.21 that must have these values: others change what is computed. */
const plain: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ["LORA"],
  task_type: ["CAUSAL_LM", null],
  bias: ["none"],
  use_dora: [false],
  use_qalora: [false],
  lora_bias: [false],
  rank_pattern: [{}],
  alpha_pattern: [{}],
  modules_to_save: [null, []],
  layers_to_transform: [null],
  layer_replication: [null],
  target_parameters: [null],
  trainable_token_indices: [null],
  alora_invocation_tokens: [null],
  megatron_config: [null],
  exclude_modules: [null],
  use_bdlora: [null, false],
  arrow_config: [null],
  velora_config: [null],
  monteclora_config: [null],
  kasa_config: [null],
  ensure_weight_tying: [false],
};

/** Keys of PEFT 0.21 that say where an adapter comes from, how it began, or which modules it is of, which the tensors say too. */
const inert =
  "auto_mapping base_model_name_or_path revision inference_mode init_lora_weights peft_version target_modules layers_pattern fan_in_fan_out corda_config eva_config loftq_config lora_ga_config megatron_core qalora_group_size runtime_config".split(
    " ",
  );

/** Modules that LoRA adapts here: a rule of their tensor for each. */
function modulesOf({ prefix, tensors }: Architecture, model: TransformerConfig): Map<string, TensorRule> {
  const isTarget = /^blocks\.\d+\.(attention|mlp)\.(\w+)$/;
  const modules = new Map<string, TensorRule>();
  for (const rule of tensors(model)) {
    const names = rule.paths.map((own) => isTarget.exec(own)?.[2]);
    if (rule.isOuter || !names.every((name) => loraTargets.includes(name as LoraTarget))) continue;
    modules.set(wrapper + prefix + rule.name.replace(/\.weight$/, ""), rule);
  }
  return modules;
}

/** Whether a module's matrix is `[fan-out, fan-in]`, as PyTorch's `Linear` has it; GPT-2's are the other way. */
const isLinear = (rule: TensorRule) => rule.shape(rule.paths.map(() => [2, 3]))[0] !== 2;

/**
 * Reads an adapter of PEFT's: `adapter_config.json` and `adapter_model.safetensors`. Nothing of it runs.
 *
 * @param architecture - of the model that it is of
 * @throws ExchangeError naming the option that has no counterpart here; CheckpointError naming the tensor that doesn't fit
 */
export function readPeftAdapter(
  folder: string,
  architecture: Architecture,
  model: TransformerConfig,
): PeftAdapter {
  const [configFile, tensorFile] = [adapterFiles.config, adapterFiles.tensors].map((name) =>
    path.join(folder, name),
  ) as [string, string];
  const keys = new ConfigKeys(readJsonFile(configFile), `${configFile}: `);
  for (const [key, allowed] of Object.entries(plain)) keys.must(key, ...allowed);
  for (const key of inert) keys.value(key);
  const rank = keys.count("r", 8);
  const alpha = keys.positive("lora_alpha", 8);
  const rsLora = keys.flag("use_rslora", false);
  const dropout = keys.value("lora_dropout") ?? 0;
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1))
    keys.fail("lora_dropout", "a number from 0 to 1");
  keys.finish();
  if (!existsSync(tensorFile))
    throw new ExchangeError(
      `${folder}: has no ${adapterFiles.tensors}; pickles (adapter_model.bin) are never loaded`,
    );
  const stored = readSafetensors(tensorFile, undefined, { halfPrecision: "widen" }).tensors;
  const tensors = tensorsHere(stored, modulesOf(architecture, model), rank, model, (name, problem) => {
    throw new CheckpointError(`${tensorFile}: tensor "${name}": ${problem}`);
  });
  const targets = loraTargets.filter((target) =>
    [...tensors.keys()].some((name) => name.endsWith(`.${target}.a`)),
  );
  const [first] = targets;
  if (first === undefined) throw new CheckpointError(`${tensorFile}: adapts none of the model's matrices`);
  for (const target of targets)
    for (let layer = 0; layer < model.numLayers; layer++) {
      const part = target.startsWith("w") ? "attention" : "mlp";
      if (!tensors.has(`lora.blocks.${layer}.${part}.${target}.a`))
        throw new ExchangeError(
          `${tensorFile}: adapts ${target} in some layers, not in layer ${layer}: expected all`,
        );
    }
  return {
    lora: { rank, alpha, rsLora, dropout: dropout as number, targets: targets as [LoraTarget] },
    tensors,
  };
}

function tensorsHere(
  stored: Map<string, StoredTensor>,
  modules: ReadonlyMap<string, TensorRule>,
  rank: number,
  model: TransformerConfig,
  fail: (name: string, problem: string) => never,
): Map<string, StoredTensor> {
  const shapes = flattenShapes(transformerShapes(model));
  const tensors = new Map<string, StoredTensor>();
  const take = (name: string, rows: number, columns: number): Float32Array => {
    const tensor = stored.get(name) ?? fail(name, "is missing");
    stored.delete(name);
    if (tensor.dtype !== "float32" || tensor.shape.join() !== `${rows},${columns}`)
      fail(name, `is ${tensor.dtype}[${tensor.shape.join()}], expected float32[${rows},${columns}]`);
    const wrong = tensor.data.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) fail(name, `[${wrong}] is ${tensor.data[wrong]}: expected finite numbers`);
    return tensor.data as Float32Array;
  };
  for (const [module, rule] of modules) {
    const [a, b] = ["A", "B"].map((side) => `${module}.lora_${side}.weight`) as [string, string];
    if (!stored.has(a) && !stored.has(b)) continue;
    const own = rule.paths.map((parameter) => shapes.get(parameter)!.shape as readonly [number, number]);
    const fanIn = own[0]![0];
    const fanOut = own.reduce((sum, [, columns]) => sum + columns, 0);
    const down = transposed(take(a, rank, fanIn), rank, fanIn);
    const up = take(b, fanOut, rank);
    // As the matrix itself, with r in place of its fan-in.
    const changes = own.map(([, columns]) => [rank, columns]);
    const parts = splitTensor(rule, isLinear(rule) ? up : transposed(up, fanOut, rank), changes);
    for (const [i, parameter] of rule.paths.entries()) {
      const store = (side: string, shape: readonly number[], data: Float32Array) =>
        tensors.set(`lora.${parameter}.${side}`, {
          dtype: "float32",
          shape: [...shape],
          data: data as Float32Array<ArrayBuffer>,
        });
      store("a", [fanIn, rank], i === 0 ? down : down.slice());
      store("b", changes[i]!, parts[i]!);
    }
  }
  const [unknown] = stored.keys();
  if (unknown !== undefined) fail(unknown, "isn't of a matrix that LoRA adapts here");
  return tensors;
}

/**
 * The two files of an adapter for PEFT.
 *
 * @param tensors - LoRA's matrices by their paths here
 * @param base - `base_model_name_or_path`, for people: null if it has no name
 * @throws ExchangeError for matrices that the architecture stores as one
 */
export function peftAdapter(
  architecture: Architecture,
  model: TransformerConfig,
  { lora, tensors }: PeftAdapter,
  base: string | null,
): { readonly config: Fields; readonly tensors: Map<string, StoredTensor> } {
  const result = new Map<string, StoredTensor>();
  const targets = new Set<string>();
  const modules = modulesOf(architecture, model);
  const isFree = (rule: TensorRule) => !rule.paths.some((own) => tensors.has(`lora.${own}.a`));
  for (const [module, rule] of modules) {
    const adapted = rule.paths.filter((own) => tensors.has(`lora.${own}.a`));
    if (adapted.length === 0) continue;
    if (rule.paths.length > 1)
      throw new ExchangeError(
        `${architecture.modelType} has ${rule.paths.map((own) => own.split(".").at(-1)).join(", ")} in one matrix, whose changes aren't of rank ${lora.rank} together: export the merged model, or train others of lora.targets`,
      );
    const [own] = rule.paths as [string];
    const [a, b] = ["a", "b"].map((side) => tensors.get(`lora.${own}.${side}`)!) as [
      StoredTensor,
      StoredTensor,
    ];
    const [fanIn, rank] = a.shape as [number, number];
    const fanOut = b.shape[1]!;
    const up = b.data as Float32Array;
    const store = (side: string, shape: number[], data: Float32Array) =>
      result.set(`${module}.lora_${side}.weight`, { dtype: "float32", shape, data: data as never });
    store("A", [rank, fanIn], transposed(a.data as Float32Array, fanIn, rank));
    store("B", [fanOut, rank], isLinear(rule) ? rule.join([up], [b.shape]) : transposed(up, rank, fanOut));
    // PEFT takes all modules that end so.
    const names = module.split(".");
    const isShared = [...modules].some(([other, its]) => isFree(its) && other.endsWith(`.${names.at(-1)}`));
    targets.add(names.slice(isShared ? -2 : -1).join("."));
  }
  return {
    config: {
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: base,
      inference_mode: true,
      r: lora.rank,
      lora_alpha: lora.alpha,
      lora_dropout: lora.dropout,
      use_rslora: lora.rsLora,
      target_modules: [...targets].sort(),
      fan_in_fan_out: architecture.modelType === "gpt2",
      bias: "none",
    },
    tensors: result,
  };
}

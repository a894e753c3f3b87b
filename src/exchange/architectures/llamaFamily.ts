import { isGated, type TransformerConfig } from "../../nn/index.ts";
import { linearWeight, same, type TensorRule } from "../tensorRule.ts";

export interface LlamaNames {
  /** Norms of a block by their names in the file. */
  readonly norms?: Readonly<
    Partial<Record<"attentionNorm" | "attentionOutputNorm" | "mlpNorm" | "mlpOutputNorm", string>>
  >;
  /** Matrices of the MLP. */
  readonly mlp?: { readonly up: string; readonly gate?: string; readonly down: string };
  /** How queries and keys are stored. Default as a `Linear`. */
  readonly heads?: (name: string, path: string) => TensorRule;
}

const llamaNorms = { attentionNorm: "input_layernorm", mlpNorm: "post_attention_layernorm" } as const;
const llamaMlp = { up: "up_proj", gate: "gate_proj", down: "down_proj" } as const;

/** Tensors of the many architectures that name them as Llama does, for the parameters that a model has. */
export function llamaTensors(
  model: TransformerConfig,
  { norms = llamaNorms, mlp = llamaMlp, heads = linearWeight }: LlamaNames = {},
): TensorRule[] {
  const hasGain = model.normGain !== "none";
  const rules: TensorRule[] = [same("embed_tokens.weight", "embedding")];
  const norm = (name: string, path: string) => {
    rules.push(same(`${name}.weight`, `${path}.weight`));
    if (model.norm === "layernorm") rules.push(same(`${name}.bias`, `${path}.bias`));
  };
  for (let layer = 0; layer < model.numLayers; layer++) {
    const [file, own] = [`layers.${layer}`, `blocks.${layer}`];
    if (hasGain) for (const [path, name] of Object.entries(norms)) norm(`${file}.${name}`, `${own}.${path}`);
    const [attention, ownAttention] = [`${file}.self_attn`, `${own}.attention`];
    rules.push(heads(`${attention}.q_proj.weight`, `${ownAttention}.wq`));
    rules.push(heads(`${attention}.k_proj.weight`, `${ownAttention}.wk`));
    rules.push(linearWeight(`${attention}.v_proj.weight`, `${ownAttention}.wv`));
    rules.push(linearWeight(`${attention}.o_proj.weight`, `${ownAttention}.wo`));
    const biases = { none: "", qkv: "qkv", all: "qkvo" }[model.attentionBias];
    for (const name of biases) {
      const rule = name === "q" || name === "k" ? heads : same;
      const [stored, path] = [`${attention}.${name}_proj.bias`, `${ownAttention}.b${name}`];
      rules.push(rule === linearWeight ? same(stored, path) : rule(stored, path));
    }
    if (model.qkNorm && hasGain) {
      rules.push(same(`${attention}.q_norm.weight`, `${ownAttention}.qNorm.weight`));
      rules.push(same(`${attention}.k_norm.weight`, `${ownAttention}.kNorm.weight`));
    }
    for (const [path, name] of Object.entries(mlp)) {
      if (path === "gate" && !isGated(model.mlp)) continue;
      rules.push(linearWeight(`${file}.mlp.${name}.weight`, `${own}.mlp.${path}`));
      if (model.mlpBias) rules.push(same(`${file}.mlp.${name}.bias`, `${own}.mlp.${path}Bias`));
    }
  }
  if (hasGain) norm("norm", "norm");
  return model.tiedHead ? rules : [...rules, { ...linearWeight("lm_head.weight", "head"), isOuter: true }];
}

import type { Architecture } from "../architecture.ts";
import { tanhGelu } from "../gguf/ggufArchitecture.ts";
import { bool } from "../gguf/ggufValue.ts";
import { readRope, writeRope } from "../ropeParameters.ts";
import { headByHead, linearWeight, same, type TensorRule } from "../tensorRule.ts";

/** Black et al., GPT-NeoX-20B, arXiv 2204.06745; Pythia: arXiv 2304.01373. */
export const gptNeox: Architecture = {
  modelType: "gpt_neox",
  className: "GPTNeoXForCausalLM",
  models: "GPT-NeoX, Pythia",
  prefix: "gpt_neox.",
  gguf: {
    name: "gptneox",
    fusesHeads: true,
    storesTiedHead: true,
    biases: ["output", "mlp"],
    fields: ({ parallelBlock }) => ({ use_parallel_residual: bool(parallelBlock) }),
    ...tanhGelu,
  },
  buffers: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
  read(keys) {
    const modelDim = keys.count("hidden_size");
    const numHeads = keys.divisor("num_attention_heads", "hidden_size", modelDim);
    const maxLength = keys.count("max_position_embeddings", 2048);
    const rope = readRope(keys, maxLength, {
      theta: 10000,
      partialRotaryFactor: 0.25,
      thetaKey: "rotary_emb_base",
      partialKey: "rotary_pct",
    });
    return {
      options: {
        vocabSize: keys.count("vocab_size"),
        modelDim,
        mlpDim: keys.count("intermediate_size"),
        numLayers: keys.count("num_hidden_layers"),
        numHeads,
        maxLength,
        mlp: keys.choice("hidden_act", "gelu", {
          gelu: "gelu",
          gelu_new: "gelu-tanh",
          gelu_pytorch_tanh: "gelu-tanh",
          relu2: "relu2",
        } as const),
        mlpBias: true,
        attentionBias: keys.flag("attention_bias", true) ? "all" : "none",
        norm: "layernorm",
        normEps: keys.positive("layer_norm_eps", 1e-5),
        parallelBlock: keys.flag("use_parallel_residual", true),
        qkNorm: false,
        tiedHead: keys.flag("tie_word_embeddings", false),
        ropeBase: rope.ropeBase,
        ropeScaling: rope.ropeScaling,
        rotaryDim: Math.floor((modelDim / numHeads) * rope.partialRotaryFactor),
        initStd: keys.positive("initializer_range", 0.02),
      },
      notes: rope.notes,
    };
  },
  write: (model) => ({
    vocab_size: model.vocabSize,
    hidden_size: model.modelDim,
    intermediate_size: model.mlpDim,
    num_hidden_layers: model.numLayers,
    num_attention_heads: model.numHeads,
    max_position_embeddings: model.maxLength,
    hidden_act: { "gelu-tanh": "gelu_new", relu2: "relu2" }[model.mlp as string] ?? "gelu",
    layer_norm_eps: model.normEps,
    initializer_range: model.initStd,
    tie_word_embeddings: model.tiedHead,
    attention_bias: model.attentionBias === "all",
    use_parallel_residual: model.parallelBlock,
    rope_parameters: writeRope(model, true),
  }),
  tensors(model) {
    const norm = (name: string, path: string): TensorRule[] => [
      same(`${name}.weight`, `${path}.weight`),
      same(`${name}.bias`, `${path}.bias`),
    ];
    const blocks = Array.from({ length: model.numLayers }, (_, layer) => {
      const [file, own] = [`layers.${layer}`, `blocks.${layer}`];
      const heads = (kind: string, names: readonly string[]) =>
        headByHead(
          `${file}.attention.query_key_value.${kind}`,
          names.map((name) => `${own}.attention.${name}`),
          model.headDim,
        );
      const hasBias = model.attentionBias === "all";
      return [
        ...norm(`${file}.input_layernorm`, `${own}.attentionNorm`),
        heads("weight", ["wq", "wk", "wv"]),
        linearWeight(`${file}.attention.dense.weight`, `${own}.attention.wo`),
        ...(hasBias
          ? [heads("bias", ["bq", "bk", "bv"]), same(`${file}.attention.dense.bias`, `${own}.attention.bo`)]
          : []),
        ...norm(`${file}.post_attention_layernorm`, `${own}.mlpNorm`),
        linearWeight(`${file}.mlp.dense_h_to_4h.weight`, `${own}.mlp.up`),
        same(`${file}.mlp.dense_h_to_4h.bias`, `${own}.mlp.upBias`),
        linearWeight(`${file}.mlp.dense_4h_to_h.weight`, `${own}.mlp.down`),
        same(`${file}.mlp.dense_4h_to_h.bias`, `${own}.mlp.downBias`),
      ];
    });
    return [
      same("embed_in.weight", "embedding"),
      ...blocks.flat(),
      ...norm("final_layer_norm", "norm"),
      ...(model.tiedHead ? [] : [{ ...linearWeight("embed_out.weight", "head"), isOuter: true }]),
    ];
  },
};

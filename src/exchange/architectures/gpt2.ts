import type { Architecture } from "../architecture.ts";
import { tanhGelu } from "../gguf/ggufArchitecture.ts";
import { linearWeight, same, sideBySide, type TensorRule } from "../tensorRule.ts";

/** Radford et al., Language Models are Unsupervised Multitask Learners, 2019. */
export const gpt2: Architecture = {
  modelType: "gpt2",
  className: "GPT2LMHeadModel",
  models: "GPT-2, DistilGPT2 and others",
  prefix: "transformer.",
  gguf: { name: "gpt2", fusesHeads: true, biases: ["output", "mlp"], ...tanhGelu },
  buffers: /\.attn\.(bias|masked_bias)$/,
  read(keys) {
    const modelDim = keys.count("n_embd", 768);
    const numHeads = keys.divisor("n_head", "n_embd", modelDim, 12);
    keys.must("scale_attn_weights", true);
    keys.must("scale_attn_by_inverse_layer_idx", false);
    keys.must("add_cross_attention", false);
    // It changes the order of operations in float16 alone.
    keys.value("reorder_and_upcast_attn");
    return {
      options: {
        vocabSize: keys.count("vocab_size", 50257),
        modelDim,
        mlpDim: keys.countOrNull("n_inner", null) ?? 4 * modelDim,
        numLayers: keys.count("n_layer", 12),
        numHeads,
        maxLength: keys.count("n_positions", 1024),
        mlp: keys.choice("activation_function", "gelu_new", {
          gelu_new: "gelu-tanh",
          gelu_pytorch_tanh: "gelu-tanh",
          gelu: "gelu",
          relu2: "relu2",
        } as const),
        mlpBias: true,
        attentionBias: "all",
        norm: "layernorm",
        normEps: keys.positive("layer_norm_epsilon", 1e-5),
        qkNorm: false,
        tiedHead: keys.flag("tie_word_embeddings", true),
        position: "learned",
        initStd: keys.positive("initializer_range", 0.02),
      },
      notes: [],
    };
  },
  write: (model) => ({
    vocab_size: model.vocabSize,
    n_embd: model.modelDim,
    n_inner: model.mlpDim,
    n_layer: model.numLayers,
    n_head: model.numHeads,
    n_positions: model.maxLength,
    activation_function: { gelu: "gelu", relu2: "relu2" }[model.mlp as string] ?? "gelu_new",
    layer_norm_epsilon: model.normEps,
    initializer_range: model.initStd,
    tie_word_embeddings: model.tiedHead,
    // No dropout here.
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
  }),
  tensors(model) {
    const norm = (name: string, path: string): TensorRule[] => [
      same(`${name}.weight`, `${path}.weight`),
      same(`${name}.bias`, `${path}.bias`),
    ];
    // Its matrices are [fan-in, fan-out] ("Conv1D").
    const blocks = Array.from({ length: model.numLayers }, (_, layer) => {
      const [file, own] = [`h.${layer}`, `blocks.${layer}`];
      const attention = (name: string) => `${own}.attention.${name}`;
      return [
        ...norm(`${file}.ln_1`, `${own}.attentionNorm`),
        sideBySide(`${file}.attn.c_attn.weight`, ["wq", "wk", "wv"].map(attention)),
        sideBySide(`${file}.attn.c_attn.bias`, ["bq", "bk", "bv"].map(attention)),
        same(`${file}.attn.c_proj.weight`, attention("wo")),
        same(`${file}.attn.c_proj.bias`, attention("bo")),
        ...norm(`${file}.ln_2`, `${own}.mlpNorm`),
        same(`${file}.mlp.c_fc.weight`, `${own}.mlp.up`),
        same(`${file}.mlp.c_fc.bias`, `${own}.mlp.upBias`),
        same(`${file}.mlp.c_proj.weight`, `${own}.mlp.down`),
        same(`${file}.mlp.c_proj.bias`, `${own}.mlp.downBias`),
      ];
    });
    return [
      same("wte.weight", "embedding"),
      same("wpe.weight", "position.embedding"),
      ...blocks.flat(),
      ...norm("ln_f", "norm"),
      ...(model.tiedHead ? [] : [{ ...linearWeight("lm_head.weight", "head"), isOuter: true }]),
    ];
  },
};

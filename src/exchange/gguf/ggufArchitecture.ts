import type { TransformerConfig } from "../../nn/index.ts";
import { ropeFrequencies } from "../../position/index.ts";
import { float32, type GgufFields, string, uint32 } from "./ggufValue.ts";

/** An architecture of llama.cpp that computes what one of Transformers does. Absent flags are false. */
export interface GgufArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /** Neighbours of a head turn together, not its halves: rows of queries and keys are in another order. */
  readonly turnsNeighbours?: true;
  /** Queries, keys and values are one tensor. */
  readonly fusesHeads?: true;
  /** The head is stored even where it is the embedding. */
  readonly storesTiedHead?: true;
  /** It reads a factor for each frequency. */
  readonly hasFrequencyFactors?: true;
  /** Layers may slide, in any pattern. */
  readonly slides?: true;
  /** Biases that it reads beside those of queries, keys and values. */
  readonly biases?: readonly ("output" | "mlp")[];
  /** What it hasn't of the options that the architecture of Transformers has, and isn't said by the flags; null if nothing. */
  readonly problem?: (model: TransformerConfig) => string | null;
  /** Metadata of its own, under its name. */
  readonly fields?: (model: TransformerConfig) => GgufFields;
  /** What it computes otherwise, one line each. */
  readonly notes?: (model: TransformerConfig) => readonly string[];
}

/** Windows that hide nothing within the model's length are none. */
export const slidesAtAll = ({ slidingWindow, maxLength }: TransformerConfig): boolean =>
  slidingWindow !== null && slidingWindow < maxLength;

/** The factor of YaRN that llama.cpp multiplies by what a file says. */
const yarnFactor = (factor: number) => 1 + 0.1 * Math.log(factor);

/** How a file says what the frequencies of positions are. */
type RopeForm = "plain" | "linear" | "yarn" | "factors" | null;

/** Null if llama.cpp has no form for it. */
function ropeForm({ hasFrequencyFactors }: GgufArchitecture, model: TransformerConfig): RopeForm {
  const { rotaryDim, ropeBase, ropeScaling } = model;
  const { frequencies, attentionFactor } = ropeFrequencies(rotaryDim, ropeBase, ropeScaling);
  const plain = ropeFrequencies(rotaryDim, ropeBase).frequencies;
  if (attentionFactor === 1 && frequencies.every((theta, j) => theta === plain[j])) return "plain";
  if (ropeScaling?.kind === "linear") return "linear";
  if (ropeScaling?.kind === "yarn") {
    const { betaFast = 32, betaSlow = 1, truncate = true } = ropeScaling;
    // Files have keys for the betas, which llama.cpp 0.3.36 of llama-cpp-python reads for Grok and Mistral 3 alone.
    if (betaFast === 32 && betaSlow === 1 && truncate) return "yarn";
  }
  return hasFrequencyFactors ? "factors" : null;
}

/** What the unscaled frequencies are divided by; null where a file needs none. */
export function frequencyFactors(row: GgufArchitecture, model: TransformerConfig): Float32Array | null {
  if (model.position !== "rope" || ropeForm(row, model) !== "factors") return null;
  const { rotaryDim, ropeBase, ropeScaling } = model;
  const { frequencies } = ropeFrequencies(rotaryDim, ropeBase, ropeScaling);
  const plain = ropeFrequencies(rotaryDim, ropeBase).frequencies;
  return Float32Array.from(frequencies, (theta, j) => plain[j]! / theta);
}

/** What keeps llama.cpp from computing a model as it is; null if nothing. */
export function ggufProblem(row: GgufArchitecture, model: TransformerConfig): string | null {
  const { slides, biases = [], fusesHeads, problem } = row;
  const { attentionBias, mlpBias, ropeScaling: scaling, position } = model;
  if (slidesAtAll(model) && !slides)
    return `model.slidingWindow ${model.slidingWindow}: it has none; expected null, or at least model.maxLength ${model.maxLength}`;
  if (attentionBias === "all" && !biases.includes("output"))
    return 'model.attentionBias "all": it has none after attention; expected "none" or "qkv"';
  if (mlpBias && !biases.includes("mlp")) return "model.mlpBias true: it has none; expected false";
  if (fusesHeads && !(attentionBias === "all" && mlpBias))
    return 'model.attentionBias and model.mlpBias: it has all biases; expected "all" and true';
  if (position === "rope" && ropeForm(row, model) === null)
    return `model.ropeScaling ${JSON.stringify(scaling)}: it has no such frequencies; expected linear, yarn with betaFast 32, betaSlow 1 and truncate, or null`;
  return problem?.(model) ?? null;
}

/** Metadata of a model under an architecture's name. */
export function ggufFields(row: GgufArchitecture, model: TransformerConfig): GgufFields {
  const { normEps, norm, position } = model;
  const own: Record<string, GgufFields[string]> = {
    vocab_size: uint32(model.vocabSize),
    context_length: uint32(model.maxLength),
    embedding_length: uint32(model.modelDim),
    block_count: uint32(model.numLayers),
    feed_forward_length: uint32(model.mlpDim),
    "attention.head_count": uint32(model.numHeads),
    "attention.head_count_kv": uint32(model.numKvHeads),
    "attention.key_length": uint32(model.headDim),
    "attention.value_length": uint32(model.headDim),
    [norm === "rmsnorm" ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"]:
      float32(normEps),
    ...(position === "rope" ? ropeFields(row, model) : {}),
    ...row.fields?.(model),
  };
  return Object.fromEntries(Object.entries(own).map(([key, value]) => [`${row.name}.${key}`, value]));
}

function ropeFields(row: GgufArchitecture, model: TransformerConfig): GgufFields {
  const { rotaryDim, ropeBase, ropeScaling } = model;
  const base = { "rope.dimension_count": uint32(rotaryDim), "rope.freq_base": float32(ropeBase) };
  const { attentionFactor } = ropeFrequencies(rotaryDim, ropeBase, ropeScaling);
  const form = ropeForm(row, model);
  switch (ropeScaling?.kind) {
    case "linear":
      if (form !== "linear") return base;
      return {
        ...base,
        "rope.scaling.type": string("linear"),
        "rope.scaling.factor": float32(ropeScaling.factor),
      };
    case "yarn":
      if (form !== "yarn") break;
      return {
        ...base,
        "rope.scaling.type": string("yarn"),
        "rope.scaling.factor": float32(ropeScaling.factor),
        "rope.scaling.original_context_length": uint32(ropeScaling.originalMaxLength),
        // llama.cpp multiplies by its own default.
        "rope.scaling.attn_factor": float32(attentionFactor / yarnFactor(ropeScaling.factor)),
      };
  }
  return attentionFactor === 1 ? base : { ...base, "rope.scaling.attn_factor": float32(attentionFactor) };
}

/** llama.cpp's GELU: the tanh approximation, from a table of float16. */
export const tanhGelu: Pick<GgufArchitecture, "problem" | "notes"> = {
  problem: ({ mlp }) =>
    mlp === "gelu" || mlp === "gelu-tanh" ? null : `model.mlp "${mlp}": it has gelu-tanh; expected that`,
  notes: ({ mlp }) => [
    ...(mlp === "gelu"
      ? ["llama.cpp computes GELU by its tanh approximation, where the model has the exact one"]
      : []),
  ],
};

import type { TransformerConfig, TransformerOptions } from "../nn/index.ts";
import type { ConfigKeys, Fields } from "./configKeys.ts";
import type { GgufArchitecture } from "./gguf/ggufArchitecture.ts";
import type { TensorRule } from "./tensorRule.ts";

/** An architecture of Transformers: one row of the table, for both directions. */
export interface Architecture {
  /** `model_type` of its `config.json`. */
  readonly modelType: string;
  /** The class of Transformers. */
  readonly className: string;
  /** Models that have it, for people. */
  readonly models: string;
  /** What names of tensors begin with, but for the head's; files of the model without a head lack it. */
  readonly prefix: string;
  /** Buffers that older files hold, which say nothing. */
  readonly buffers?: RegExp;
  /**
   * Whether `AutoTokenizer` of Transformers 5.24 takes the words and the normalizer of its own class for this `model_type`, whatever
   * `tokenizer.json` and `tokenizer_config.json` say (findings/transformers-qwen2-tokenizer.sh).
   */
  readonly replacesTokenizer?: true;
  /** The transformer that a `config.json` describes, and what a person should know of it. @throws ExchangeError */
  read(keys: ConfigKeys): { readonly options: TransformerOptions; readonly notes: readonly string[] };
  /** The keys of a transformer, as far as this architecture has its options: reading them back shows what is lost. */
  write(model: TransformerConfig): Fields;
  /** The architecture of llama.cpp that computes the same; null if there is none. */
  readonly gguf: GgufArchitecture | null;
  /** Tensors and parameters. */
  tensors(model: TransformerConfig): readonly TensorRule[];
}

/** The name of a tensor in the files of a model with its head. */
export const tensorName = (
  { prefix }: Pick<Architecture, "prefix">,
  { name, isOuter }: TensorRule,
): string => (isOuter ? name : prefix + name);

/** Names of heads; tied models may store theirs as well. The first is that of Transformers 5's models. */
export const headNames = ["lm_head.weight", "embed_out.weight"] as const;

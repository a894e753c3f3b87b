import { BpeTokenizer, PipelineTokenizer, type StoredChatTemplate, type Tokenizer } from "../data/index.ts";
import type { TransformerConfig } from "../nn/index.ts";
import type { Fields } from "./configKeys.ts";

/** A tokenizer as a `tokenizer.json`; one of bytes as a BPE that merges nothing. */
export function tokenizerFile(tokenizer: Tokenizer): Fields {
  if (tokenizer instanceof PipelineTokenizer) return tokenizer.toFile() as Fields;
  return (tokenizer instanceof BpeTokenizer ? tokenizer : BpeTokenizer.ofMerges([])).toJSON() as Fields;
}

/** A text begins, as it ends, with the token that ends documents. */
export const specialIds = ({ endOfText }: Tokenizer) => ({
  bos_token_id: endOfText,
  eos_token_id: endOfText,
  pad_token_id: null,
});

/** The chat template and the tokens that it names, for a `tokenizer_config.json`. */
export const templateConfig = (template: StoredChatTemplate | undefined): object =>
  template === undefined ? {} : { ...template.tokens, chat_template: template.source };

export function tokenizerConfig(tokenizer: Tokenizer, { maxLength }: TransformerConfig): object {
  const { added_tokens: added } = tokenizerFile(tokenizer) as {
    added_tokens: { id: number; content: string }[];
  };
  const end = added.find(({ id }) => id === tokenizer.endOfText);
  return {
    // Not the architecture's own class: that would split words as its models do.
    tokenizer_class: "PreTrainedTokenizerFast",
    model_max_length: maxLength,
    clean_up_tokenization_spaces: false,
    ...(end === undefined ? {} : { bos_token: end.content, eos_token: end.content }),
  };
}

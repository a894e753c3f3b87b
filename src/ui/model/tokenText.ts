import type { Tokenizer } from "../../data/index.ts";
import type { TokenView } from "../views.ts";

/** A token as it is read alone: a part of a character becomes U+FFFD. */
export function tokenView(tokenizer: Tokenizer, id: number): TokenView {
  const bytes = tokenizer.spelling?.(id) ?? tokenizer.bytes(id);
  return { id, text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) };
}

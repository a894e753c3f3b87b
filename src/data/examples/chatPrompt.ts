import type { Tokenizer } from "../tokenizer.ts";
import type { ChatMessage, ChatTemplate } from "./chatTemplate.ts";

/** What a model answers a conversation by. */
export interface ChatPrompt {
  /** Tokens of the conversation up to where the assistant's answer begins. */
  readonly ids: readonly number[];
  /** The token that ends an answer, if the template has one: such as `<|im_end|>`. */
  readonly endOfAnswer: number | null;
}

/** Stands for an answer, to see what the template puts after it: private characters that no template has. */
const answer = "\u{F0F0E}\u{F0E2F}";

/**
 * Tokens that a model continues with an assistant's answer, as conversations are in training: the template says all of the text.
 *
 * @throws DataError if the template throws
 */
export function chatPrompt(
  template: ChatTemplate,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
): ChatPrompt {
  const ids = tokenizer.encode(template.prompt(messages));
  const { text } = template.render([...messages, { role: "assistant", content: answer }]);
  const after = text.slice(text.lastIndexOf(answer) + answer.length);
  const [first] = text.includes(answer) ? tokenizer.encode(after) : [];
  // A token that stands for no text, as what ends turns does.
  const isMark = first !== undefined && tokenizer.bytes(first).length === 0;
  return { ids, endOfAnswer: isMark ? first : null };
}

import { DataError } from "../../errors.ts";
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
  return { ids, endOfAnswer: endOfAnswer(template, tokenizer, messages) };
}

function endOfAnswer(
  template: ChatTemplate,
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
): number | null {
  let text: string;
  try {
    ({ text } = template.render([...messages, { role: "assistant", content: answer }]));
  } catch (error) {
    // A template whose answers can't be told from the rest, as training must, can be answered all the same.
    if (error instanceof DataError) return null;
    throw error;
  }
  const after = text.slice(text.lastIndexOf(answer) + answer.length);
  const [first] = text.includes(answer) ? tokenizer.encode(after) : [];
  // A token that stands for no text, as what ends turns does.
  return first !== undefined && tokenizer.bytes(first).length === 0 ? first : null;
}

import { DataError } from "../../errors.ts";
import { promptTokens, type Tokenizer } from "../tokenizer.ts";
import type { ChatMessage, ChatTemplate } from "./chatTemplate.ts";

/** Kinds of examples that `data.examples` names. */
export const exampleKinds = ["chat", "prompt-completion"] as const;

export type ExampleKind = (typeof exampleKinds)[number];

/** Fields that an example is read from. @param field - of the conversation; default `messages` */
export const exampleFields = (kind: ExampleKind, field = "messages"): readonly string[] =>
  kind === "chat" ? [field] : ["prompt", "completion"];

/** Fields that an example may have besides. */
export const optionalFields = (kind: ExampleKind): readonly string[] => (kind === "chat" ? ["tools"] : []);

/** Tokens of an example, and which of them are to be learned. */
export interface Example {
  readonly ids: readonly number[];
  readonly counts: readonly boolean[];
}

const encoder = new TextEncoder();

/**
 * Tokens of a text and those that have a part in its spans: the whole is split into tokens, so that ids are those that a model reads.
 *
 * @throws DataError if tokens don't spell the text, so that nobody knows which is where
 */
export function tokensInSpans(
  tokenizer: Tokenizer,
  text: string,
  spans: readonly (readonly [start: number, end: number])[],
  where: string,
): Example {
  const ids = tokenizer.encode(text);
  const bytes = encoder.encode(text);
  // Bytes of the spans; a token counts if it has one of them.
  const learned = new Uint8Array(bytes.length);
  for (const [start, end] of spans) {
    const from = encoder.encode(text.slice(0, start)).length;
    learned.fill(1, from, from + encoder.encode(text.slice(start, end)).length);
  }
  let place = 0;
  const counts = ids.map((id) => {
    const own = tokenizer.spelling?.(id) ?? tokenizer.bytes(id);
    if (!own.every((byte, i) => byte === bytes[place + i]))
      throw new DataError(
        `${where}: tokenizer ${tokenizer.id} changes the text before it splits it: which tokens are to be learned can't be said`,
      );
    const counted = learned.subarray(place, place + own.length).includes(1);
    place += own.length;
    return counted;
  });
  if (place !== bytes.length)
    throw new DataError(`${where}: tokenizer ${tokenizer.id} leaves out parts of the text`);
  return { ids, counts };
}

const isMessage = (value: unknown): value is ChatMessage =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as ChatMessage).role === "string" &&
  // A turn that calls tools may say nothing.
  ("content" in value || "tool_calls" in value);

/** JSON can write half of a surrogate pair, UTF-8 can't: a tokenizer would see another character. @throws DataError */
function checkText(text: string, where: string): void {
  if (!text.isWellFormed())
    throw new DataError(`${where} has half of a surrogate pair, which is no Unicode text`);
}

/** @throws DataError unless it is a list of messages */
function messagesOf(value: unknown, where: string, field: string): readonly ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isMessage))
    throw new DataError(
      `${where}: field "${field}": expected a list of messages, each with role and content`,
    );
  return value;
}

/** Tools that an assistant may call: a list of what describes them, or that as a text of JSON, as tables have it. @throws DataError */
function toolsOf(value: unknown, where: string): readonly object[] | null {
  let tools = value ?? null;
  if (typeof tools === "string")
    try {
      tools = JSON.parse(tools);
    } catch {
      // Is no list either.
    }
  const isTool = (tool: unknown) => typeof tool === "object" && tool !== null;
  if (tools === null || (Array.isArray(tools) && tools.every(isTool))) return tools;
  throw new DataError(`${where}: field "tools": expected a list of objects that describe tools, or null`);
}

/**
 * The tokens of a record. Of a conversation what assistants say is learned; of a prompt with its completion the completion and the end of the text.
 *
 * @throws DataError naming the record and what is wrong with it
 */
export function exampleOf(
  kind: ExampleKind,
  values: readonly unknown[],
  {
    tokenizer,
    template,
    field = "messages",
  }: { readonly tokenizer: Tokenizer; readonly template: ChatTemplate | null; readonly field?: string },
  where: string,
): Example {
  if (kind === "chat") {
    const messages = messagesOf(values[0], where, field);
    const { text, spans } = template!.render(messages, where, toolsOf(values[1], where));
    checkText(text, where);
    return tokensInSpans(tokenizer, text, spans, where);
  }
  const [prompt, completion] = values;
  for (const [name, value] of [
    ["prompt", prompt],
    ["completion", completion],
  ] as const) {
    if (typeof value !== "string") throw new DataError(`${where} has no text in field "${name}"`);
    checkText(value, where);
  }
  // Apart, as a model gets the prompt without what follows.
  const before = promptTokens(tokenizer, prompt as string);
  const after = [...tokenizer.encode(completion as string), tokenizer.endOfText];
  return { ids: [...before, ...after], counts: [...before.map(() => false), ...after.map(() => true)] };
}

import { Template } from "@huggingface/jinja";
import { DataError } from "../../errors.ts";

/** A turn of a conversation; other fields are the template's to read. */
export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [field: string]: unknown;
}

/** A conversation as text, with the parts that an assistant says. */
export interface RenderedChat {
  readonly text: string;
  /** Ranges `[start, end)` in UTF-16 units. */
  readonly spans: readonly (readonly [start: number, end: number])[];
}

/** What a checkpoint keeps of a template. */
export interface StoredChatTemplate {
  readonly source: string;
  readonly tokens: Readonly<Record<string, string>>;
}

/** Stand in a rendered text where a generation begins and ends; private characters that no text has side by side. */
const [beginMark, endMark] = ["\u{F0F0E}\u{F0E0F}", "\u{F0F0E}\u{F0E1F}"];

const hasGeneration = /\{%[-+]?\s*generation\s*[-+]?%\}/;

/** Takes the date away, with which data would be others every day: templates that can do without have a date of their own. */
const withoutDate = "{% set strftime_now = no_date %}\n";

/** The template with marks around what `{% generation %}` holds. Blocks with an end of their own keep what stands around them. */
function withMarks(template: string): string {
  return template.replace(/\{%(-?)\s*(end)?generation\s*(-?)%\}/g, (_, left, end, right) => {
    const mark = end === undefined ? "begin_generation_mark" : "end_generation_mark";
    return `{%${left} if true %}{{ ${mark} }}{% endif ${right}%}`;
  });
}

/**
 * A chat template of Transformers: Jinja, rendered by Hugging Face's own library in JavaScript with its options (`trim_blocks`, `lstrip_blocks`).
 */
export class ChatTemplate {
  readonly source: string;
  readonly tokens: Readonly<Record<string, string>>;
  readonly #template: Template;
  readonly #hasGeneration: boolean;

  /**
   * @param tokens - `bos_token`, `eos_token` and others that a template may name
   * @throws DataError if it can't be read
   */
  constructor(source: string, tokens: Readonly<Record<string, string>> = {}) {
    this.source = source;
    this.tokens = tokens;
    this.#hasGeneration = hasGeneration.test(source);
    try {
      this.#template = new Template(`${withoutDate}${withMarks(source)}`);
    } catch (error) {
      throw new DataError(`chat template: can't be read: ${firstLine(error)}`, { cause: error });
    }
  }

  toJSON(): StoredChatTemplate {
    return { source: this.source, tokens: this.tokens };
  }

  #render(
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
    where: string,
    tools: readonly object[] | null,
  ): string {
    if (tools !== null && tools.length > 0 && !/\btools\b/.test(this.source))
      throw new DataError(`${where}: has tools, which the chat template doesn't read; expected none`);
    let text: string;
    try {
      text = this.#template.render({
        ...this.tokens,
        messages,
        ...(tools === null || tools.length === 0 ? {} : { tools }),
        add_generation_prompt: addGenerationPrompt,
        begin_generation_mark: beginMark,
        end_generation_mark: endMark,
      });
    } catch (error) {
      throw new DataError(`${where}: the chat template says: ${firstLine(error)}`, { cause: error });
    }
    return text;
  }

  /** The text that a model continues with an assistant's turn. @param where - names the conversation in messages */
  prompt(
    messages: readonly ChatMessage[],
    where = "messages",
    tools: readonly object[] | null = null,
  ): string {
    return this.#render(messages, true, where, tools).replaceAll(beginMark, "").replaceAll(endMark, "");
  }

  /**
   * A conversation as text, with what is to be learned: what `{% generation %}` holds, as Transformers' `return_assistant_tokens_mask` has it.
   * For templates without it, what each turn of an assistant adds to the prompt before.
   *
   * @param where - names the conversation in messages
   * @param tools - that assistants may call; none for null and an empty list
   * @throws DataError if the template throws, reads no tools where there are some, or changes turns before when one is added
   */
  render(
    messages: readonly ChatMessage[],
    where = "messages",
    tools: readonly object[] | null = null,
  ): RenderedChat {
    if (!this.#hasGeneration) return this.#byTurns(messages, where, tools);
    const marked = this.#render(messages, false, where, tools);
    const spans: [number, number][] = [];
    let text = "";
    let start = 0;
    for (const part of marked.split(new RegExp(`(${beginMark}|${endMark})`, "u"))) {
      if (part === beginMark) start = text.length;
      else if (part === endMark) {
        if (text.length > start) spans.push([start, text.length]);
      } else text += part;
    }
    return { text, spans };
  }

  #byTurns(messages: readonly ChatMessage[], where: string, tools: readonly object[] | null): RenderedChat {
    const text = this.#render(messages, false, where, tools);
    const spans: [number, number][] = [];
    for (const [i, { role }] of messages.entries()) {
      if (role !== "assistant") continue;
      const before = this.#render(messages.slice(0, i), true, where, tools);
      const after = this.#render(messages.slice(0, i + 1), false, where, tools);
      if (!after.startsWith(before) || !text.startsWith(after))
        throw new DataError(
          `${where}: the chat template has no {% generation %}, and says turn ${i + 1} otherwise when others follow: expected a template with {% generation %} around what assistants say`,
        );
      if (after.length > before.length) spans.push([before.length, after.length]);
    }
    return { text, spans };
  }
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split("\n")[0];

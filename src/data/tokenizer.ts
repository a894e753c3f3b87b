/** Turns text into token ids and back. */
export interface Tokenizer {
  /** Stable name of the vocabulary: equal for tokenizers that give the same ids. */
  readonly id: string;
  readonly vocabSize: number;
  /** Id that ends a document. */
  readonly endOfText: number;
  encode(text: string): number[];
  /** As {@link encode}, with what stands before the text that a model continues, as a token that begins texts; absent if nothing does. */
  encodePrompt?(text: string): number[];
  /** Bytes that an id is of a text, those of special tokens too; absent where {@link bytes} says it. */
  spelling?(id: number): Uint8Array;
  /** Bytes that an id stands for; none for `endOfText`. */
  bytes(id: number): Uint8Array;
}

/** Ids that a model is given to continue a text; of an empty one at least the token that ends the document before. */
export function promptTokens(tokenizer: Tokenizer, prompt: string): number[] {
  const ids = tokenizer.encodePrompt?.(prompt) ?? tokenizer.encode(prompt);
  return ids.length === 0 ? [tokenizer.endOfText] : ids;
}

/** Text of token ids; invalid UTF-8 (a cut character) becomes U+FFFD. */
export function decode(tokenizer: Tokenizer, ids: Iterable<number>): string {
  const decoder = new StreamDecoder(tokenizer);
  let text = "";
  for (const id of ids) text += decoder.push(id);
  return text + decoder.end();
}

/** Decodes ids one by one, holding back the bytes of a character that isn't complete yet. */
export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  push(id: number): string {
    return this.#decoder.decode(this.#tokenizer.bytes(id), { stream: true });
  }

  /** What was held back. */
  end(): string {
    return this.#decoder.decode();
  }
}

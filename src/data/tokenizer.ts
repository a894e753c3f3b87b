/** Turns text into token ids and back. */
export interface Tokenizer {
  /** Stable name of the vocabulary: equal for tokenizers that give the same ids. */
  readonly id: string;
  readonly vocabSize: number;
  /** Id that ends a document. */
  readonly endOfText: number;
  encode(text: string): number[];
  /** Bytes that an id stands for; none for `endOfText`. */
  bytes(id: number): Uint8Array;
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

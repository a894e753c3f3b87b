import { DataError } from "../errors.ts";
import { type BpeVocabulary, readBpeFile, writeBpeFile } from "./bpeFile.ts";
import { mergePairs } from "./mergePairs.ts";
import { wordEnd } from "./splitWords.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Ids are below it, so that two of them make a key. */
export const pairLimit = 0x100000;
export const maxVocabSize = pairLimit;
export const pairKey = (a: number, b: number) => a * pairLimit + b;

export const endOfTextToken = "<|endoftext|>";
/** Words whose ids are remembered while encoding. */
const maxCachedWords = 200_000;

const encoder = new TextEncoder();

/**
 * Byte-level BPE (Sennrich et al., arXiv 1508.07909; Radford et al., GPT-2, 2019). In a vocabulary of our own trainer ids 0–255 are bytes,
 * each further id joins two earlier ones, and the last id ends a document; files made elsewhere may number them otherwise.
 *
 * A special token's name in a text becomes its id, as in every program that reads the same file: data that are one long text with
 * `<|endoftext|>` between documents mean the end of a document by it.
 *
 * Our own, because the well-kept library with a trainer (`tokenizers`) lets its Node binding choose no vocabulary size and
 * can't run in a browser. Files are in its format.
 */
export class BpeTokenizer implements Tokenizer {
  readonly id: string;
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly #vocabulary: BpeVocabulary;
  readonly #joined = new Map<number, { readonly rank: number; readonly id: number }>();
  readonly #bytes: Uint8Array[];
  readonly #cache = new Map<string, readonly number[]>();
  readonly #special: RegExp;

  constructor(vocabulary: BpeVocabulary) {
    const { byteIds, merges, special, endOfText } = vocabulary;
    this.#vocabulary = vocabulary;
    this.endOfText = endOfText;
    this.#bytes = [];
    byteIds.forEach((id, byte) => {
      this.#bytes[id] = Uint8Array.of(byte);
    });
    let hash = 2166136261;
    const count = (value: number) => {
      hash = Math.imul(hash ^ value, 16777619);
    };
    merges.forEach(({ a, b, id }, rank) => {
      const [first, second] = [this.#bytes[a], this.#bytes[b]];
      if (first === undefined || second === undefined) {
        throw new DataError(
          `BPE merge ${rank} joins ids ${a} and ${b}: expected ids of bytes or of earlier merges`,
        );
      }
      const joined = new Uint8Array(first.length + second.length);
      joined.set(first);
      joined.set(second, first.length);
      this.#bytes[id] = joined;
      this.#joined.set(pairKey(a, b), { rank, id });
      count(a);
      count(b);
    });
    for (const id of [...special.map((token) => token.id), endOfText]) this.#bytes[id] = new Uint8Array(0);
    this.vocabSize = this.#bytes.length;
    this.#special = new RegExp(
      // The longest first, where one is the beginning of another.
      special
        .map(({ content }) => content)
        .sort((x, y) => y.length - x.length)
        .map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
        // Nothing matches where there is none.
        .join("|") || "(?!)",
      "g",
    );
    if (!isInOrder(vocabulary)) {
      for (const id of byteIds) count(id);
      for (const { id } of merges) count(id);
      for (const { id, content } of special)
        for (const byte of encoder.encode(`${id}${content}`)) count(byte);
    }
    this.id = `bpe-${this.vocabSize}-${(hash >>> 0).toString(16)}`;
  }

  spelling(id: number): Uint8Array {
    const special = this.#vocabulary.special.find((token) => token.id === id);
    return special === undefined ? this.bytes(id) : encoder.encode(special.content);
  }

  /** @param pairs - the pair of ids that each id from 256 on joins, in the order of learning */
  static ofMerges(pairs: readonly (readonly [number, number])[]): BpeTokenizer {
    const endOfText = 256 + pairs.length;
    return new BpeTokenizer({
      byteIds: Array.from({ length: 256 }, (_, byte) => byte),
      merges: pairs.map(([a, b], i) => ({ a, b, id: 256 + i })),
      special: [{ id: endOfText, content: endOfTextToken }],
      endOfText,
    });
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    let end = 0;
    for (const { 0: content, index } of text.matchAll(this.#special)) {
      this.#encodePlain(text.slice(end, index), ids);
      ids.push(this.#vocabulary.special.find((token) => token.content === content)!.id);
      end = index + content.length;
    }
    this.#encodePlain(end === 0 ? text : text.slice(end), ids);
    return ids;
  }

  #encodePlain(text: string, ids: number[]): void {
    for (let start = 0; start < text.length; ) {
      const end = wordEnd(text, start);
      const word = text.slice(start, end);
      start = end;
      let known = this.#cache.get(word);
      if (known === undefined) {
        const bytes = Array.from(encoder.encode(word), (byte) => this.#vocabulary.byteIds[byte]!);
        known = mergePairs(bytes, (a, b) => this.#joined.get(pairKey(a, b)));
        if (this.#cache.size >= maxCachedWords) this.#cache.clear();
        this.#cache.set(word, known);
      }
      for (const id of known) ids.push(id);
    }
  }

  bytes(id: number): Uint8Array {
    return this.#bytes[id] ?? new Uint8Array(0);
  }

  /** The vocabulary as a `tokenizer.json` of Hugging Face's tokenizers. */
  toJSON(): object {
    return writeBpeFile(this.#vocabulary, this.#bytes);
  }

  /**
   * Reads a `tokenizer.json` of Hugging Face's tokenizers that holds a byte-level BPE with GPT-2's split, from {@link toJSON} or made
   * elsewhere.
   *
   * @throws DataError naming the first field that would give other ids than those programs give, its value, and what is read
   */
  static fromJSON(json: unknown): BpeTokenizer {
    return new BpeTokenizer(readBpeFile(json, { endOfTextToken, maxVocabSize }));
  }
}

/** Whether ids are numbered as by our own trainer: then the merges alone say all. */
function isInOrder({ byteIds, merges, special, endOfText }: BpeVocabulary): boolean {
  return (
    byteIds.every((id, byte) => id === byte) &&
    merges.every(({ id }, rank) => id === 256 + rank) &&
    special.length === 1 &&
    special[0]!.content === endOfTextToken &&
    endOfText === 256 + merges.length
  );
}

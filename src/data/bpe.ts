import { ConfigError, DataError } from "../errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Byte-level BPE (Sennrich et al., arXiv 1508.07909; Radford et al., GPT-2, 2019). Ids 0–255 are bytes, each further id joins
 * two earlier ones, and the last id ends a document.
 *
 * Our own, because the well-kept library with a trainer (`tokenizers`) lets its Node binding choose no vocabulary size and
 * can't run in a browser. Files are in its format.
 */

/** GPT-2's split into words: merges never cross it. */
const wordPattern = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const endOfTextToken = "<|endoftext|>";
const pairKey = (a: number, b: number) => a * 0x100000 + b;
const maxVocabSize = 0x100000;
/** Words whose ids are remembered while encoding. */
const maxCachedWords = 200_000;

const encoder = new TextEncoder();

/** A pair and how often it occurs in the words, for the trainer's queue. */
interface Candidate {
  readonly count: number;
  readonly a: number;
  readonly b: number;
}

/** More frequent first; among equals the pair of smaller ids. */
function isBefore(x: Candidate, y: Candidate): boolean {
  if (x.count !== y.count) return x.count > y.count;
  return x.a !== y.a ? x.a < y.a : x.b < y.b;
}

/** A binary heap whose top comes before all others. */
class CandidateQueue {
  readonly #items: Candidate[] = [];

  push(item: Candidate): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[i] = items[parent]!;
      i = parent;
    }
    items[i] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, last)) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = last;
    return top;
  }
}

/**
 * Learns the merges of a vocabulary from texts: joins the most frequent pair of neighbours, again and again.
 *
 * @param vocabSize - number of ids, with the bytes and the end of text: at least 257
 * @returns a tokenizer, with fewer ids if the texts have no more pairs
 * @throws ConfigError if `vocabSize` is not an integer in [257, 2²⁰]
 */
export function trainBpe(texts: Iterable<string>, vocabSize: number): BpeTokenizer {
  if (!Number.isInteger(vocabSize) || vocabSize < 257 || vocabSize > maxVocabSize) {
    throw new ConfigError(`BPE vocabulary ${vocabSize}: expected an integer from 257 to ${maxVocabSize}`);
  }
  const wordCounts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(wordPattern)) wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
  }
  const words = [...wordCounts.keys()].map((word) => Array.from(encoder.encode(word)));
  const frequencies = [...wordCounts.values()];
  const counts = new Map<number, number>();
  const places = new Map<number, Set<number>>();
  const touched = new Set<number>();
  const change = (a: number, b: number, by: number, word: number) => {
    const key = pairKey(a, b);
    counts.set(key, (counts.get(key) ?? 0) + by);
    if (by > 0) {
      const known = places.get(key);
      if (known === undefined) places.set(key, new Set([word]));
      else known.add(word);
    }
    touched.add(key);
  };
  words.forEach((ids, word) => {
    for (let i = 0; i + 1 < ids.length; i++) change(ids[i]!, ids[i + 1]!, frequencies[word]!, word);
  });
  const queue = new CandidateQueue();
  const enqueue = () => {
    for (const key of touched) {
      const count = counts.get(key)!;
      if (count > 0) queue.push({ count, a: Math.floor(key / 0x100000), b: key % 0x100000 });
    }
    touched.clear();
  };
  enqueue();

  const merges: [number, number][] = [];
  while (merges.length < vocabSize - 257) {
    const best = queue.pop();
    if (best === undefined) break;
    const { a, b, count } = best;
    const key = pairKey(a, b);
    if (counts.get(key) !== count) continue;
    const id = 256 + merges.length;
    merges.push([a, b]);
    for (const word of places.get(key)!) {
      const ids = words[word]!;
      const frequency = frequencies[word]!;
      for (let i = 0; i + 1 < ids.length; i++) {
        if (ids[i] !== a || ids[i + 1] !== b) continue;
        if (i > 0) {
          change(ids[i - 1]!, a, -frequency, word);
          change(ids[i - 1]!, id, frequency, word);
        }
        if (i + 2 < ids.length) {
          change(b, ids[i + 2]!, -frequency, word);
          change(id, ids[i + 2]!, frequency, word);
        }
        ids.splice(i, 2, id);
      }
    }
    counts.delete(key);
    places.delete(key);
    touched.delete(key);
    enqueue();
  }
  return new BpeTokenizer(merges);
}

/** The printable character that stands for each byte in files (GPT-2's alphabet). */
function byteCharacters(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

export class BpeTokenizer implements Tokenizer {
  readonly id: string;
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly #merges: readonly (readonly [number, number])[];
  readonly #joined = new Map<number, number>();
  readonly #bytes: Uint8Array[];
  readonly #cache = new Map<string, readonly number[]>();

  /** @param merges - the pair of ids that each id from 256 on joins, in the order of learning */
  constructor(merges: readonly (readonly [number, number])[]) {
    this.#merges = merges;
    this.vocabSize = 257 + merges.length;
    this.endOfText = 256 + merges.length;
    this.#bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
    let hash = 2166136261;
    merges.forEach(([a, b], i) => {
      const id = 256 + i;
      const [first, second] = [this.#bytes[a], this.#bytes[b]];
      if (first === undefined || second === undefined) {
        throw new DataError(`BPE merge ${i} joins ids ${a} and ${b}: expected ids below ${id}`);
      }
      const joined = new Uint8Array(first.length + second.length);
      joined.set(first);
      joined.set(second, first.length);
      this.#bytes.push(joined);
      this.#joined.set(pairKey(a, b), id);
      hash = Math.imul(hash ^ a, 16777619);
      hash = Math.imul(hash ^ b, 16777619);
    });
    this.#bytes.push(new Uint8Array(0));
    this.id = `bpe-${this.vocabSize}-${(hash >>> 0).toString(16)}`;
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    for (const [word] of text.matchAll(wordPattern)) {
      let known = this.#cache.get(word);
      if (known === undefined) {
        known = this.#encodeWord(word);
        if (this.#cache.size >= maxCachedWords) this.#cache.clear();
        this.#cache.set(word, known);
      }
      for (const id of known) ids.push(id);
    }
    return ids;
  }

  /** Joins the neighbours whose merge was learnt first, until none is left. */
  #encodeWord(word: string): number[] {
    const ids = Array.from(encoder.encode(word));
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < ids.length; i++) {
        best = Math.min(best, this.#joined.get(pairKey(ids[i]!, ids[i + 1]!)) ?? Number.POSITIVE_INFINITY);
      }
      if (best === Number.POSITIVE_INFINITY) return ids;
      const [a, b] = this.#merges[best - 256]!;
      for (let i = 0; i + 1 < ids.length; i++) {
        if (ids[i] === a && ids[i + 1] === b) ids.splice(i, 2, best);
      }
    }
  }

  bytes(id: number): Uint8Array {
    return this.#bytes[id] ?? new Uint8Array(0);
  }

  /** The vocabulary as a `tokenizer.json` of Hugging Face's tokenizers. */
  toJSON(): object {
    const characters = byteCharacters();
    const name = (id: number) => Array.from(this.#bytes[id]!, (byte) => characters[byte]!).join("");
    const vocab: Record<string, number> = {};
    for (let id = 0; id < this.endOfText; id++) vocab[name(id)] = id;
    vocab[endOfTextToken] = this.endOfText;
    return {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [
        {
          id: this.endOfText,
          content: endOfTextToken,
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges: this.#merges.map(([a, b]) => [name(a), name(b)]),
      },
    };
  }

  /**
   * Reads what {@link toJSON} wrote.
   *
   * @throws DataError if it is no byte-level BPE in the order of this class
   */
  static fromJSON(json: unknown): BpeTokenizer {
    const model = (json as { model?: { type?: unknown; vocab?: unknown; merges?: unknown } } | null)?.model;
    if (
      model?.type !== "BPE" ||
      typeof model.vocab !== "object" ||
      model.vocab === null ||
      !Array.isArray(model.merges)
    ) {
      throw new DataError("tokenizer: expected a tokenizer.json whose model is of type BPE");
    }
    const vocab = model.vocab as Record<string, number>;
    const characters = byteCharacters();
    characters.forEach((character, byte) => {
      if (vocab[character] !== byte) {
        throw new DataError(
          `tokenizer: byte ${byte} has id ${vocab[character]}: expected ids 0–255 to be the bytes`,
        );
      }
    });
    const merges = (model.merges as unknown[]).map((merge, i): [number, number] => {
      const pair = typeof merge === "string" ? merge.split(" ") : (merge as string[]);
      const [a, b] = [vocab[pair[0]!], vocab[pair[1]!]];
      if (a === undefined || b === undefined || vocab[`${pair[0]}${pair[1]}`] !== 256 + i) {
        throw new DataError(`tokenizer: merge ${i}: expected it to make id ${256 + i} of known tokens`);
      }
      return [a, b];
    });
    return new BpeTokenizer(merges);
  }
}

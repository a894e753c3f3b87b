import { ConfigError } from "../errors.ts";
import { BpeTokenizer, maxVocabSize, pairKey, pairLimit } from "./bpeTokenizer.ts";
import { wordEnd } from "./splitWords.ts";

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
 * The most frequent pair of neighbours in words, joined again and again. All words lie in one linked list, and each pair knows its places, so
 * that a merge costs what it changes, however long a word is.
 *
 * @param words - bytes of each word
 * @param frequencies - how often each occurs
 * @returns the pair that each id from 256 on joins, in the order of learning; fewer than `numMerges` if there are no more pairs
 */
function learnMerges(
  words: readonly Uint8Array[],
  frequencies: readonly number[],
  numMerges: number,
): [number, number][] {
  const size = words.reduce((sum, word) => sum + word.length, 0);
  const ids = new Int32Array(size);
  /** −1 at the ends of words. */
  const next = new Int32Array(size).fill(-1);
  const previous = new Int32Array(size).fill(-1);
  const frequencyAt = new Float64Array(size);
  const counts = new Map<number, number>();
  const places = new Map<number, number[]>();
  const touched = new Set<number>();
  /** The pair that begins at a place comes, or goes; places of pairs that went are passed over later. */
  const change = (at: number, a: number, b: number, by: number) => {
    const key = pairKey(a, b);
    counts.set(key, (counts.get(key) ?? 0) + by);
    if (by > 0) {
      const known = places.get(key);
      if (known === undefined) places.set(key, [at]);
      else known.push(at);
    }
    touched.add(key);
  };
  let start = 0;
  words.forEach((word, i) => {
    for (let at = start; at < start + word.length; at++) {
      ids[at] = word[at - start]!;
      frequencyAt[at] = frequencies[i]!;
      if (at > start) {
        previous[at] = at - 1;
        next[at - 1] = at;
        change(at - 1, ids[at - 1]!, ids[at]!, frequencies[i]!);
      }
    }
    start += word.length;
  });
  const queue = new CandidateQueue();
  const enqueue = () => {
    for (const key of touched) {
      const count = counts.get(key)!;
      if (count > 0) queue.push({ count, a: Math.floor(key / pairLimit), b: key % pairLimit });
    }
    touched.clear();
  };
  enqueue();
  const merges: [number, number][] = [];
  while (merges.length < numMerges) {
    const best = queue.pop();
    if (best === undefined) break;
    const { a, b, count } = best;
    const key = pairKey(a, b);
    if (counts.get(key) !== count) continue;
    const id = 256 + merges.length;
    merges.push([a, b]);
    // From left to right: of three equal letters the first two are joined.
    for (const at of Int32Array.from(places.get(key)!).sort()) {
      const after = next[at]!;
      if (ids[at] !== a || after < 0 || ids[after] !== b) continue;
      const [before, following] = [previous[at]!, next[after]!];
      const frequency = frequencyAt[at]!;
      if (before >= 0) {
        change(before, ids[before]!, a, -frequency);
        change(before, ids[before]!, id, frequency);
      }
      if (following >= 0) {
        change(after, b, ids[following]!, -frequency);
        change(at, id, ids[following]!, frequency);
        previous[following] = at;
      }
      next[at] = following;
      ids[at] = id;
      ids[after] = -1;
    }
    counts.delete(key);
    places.delete(key);
    touched.delete(key);
    enqueue();
  }
  return merges;
}

type WordCounts = Map<string, number>;

function checkSize(vocabSize: number): void {
  if (!Number.isInteger(vocabSize) || vocabSize < 257 || vocabSize > maxVocabSize) {
    throw new ConfigError(`BPE vocabulary ${vocabSize}: expected an integer from 257 to ${maxVocabSize}`);
  }
}

function countWords(counts: WordCounts, text: string): void {
  for (let start = 0; start < text.length; ) {
    const end = wordEnd(text, start);
    const word = text.slice(start, end);
    counts.set(word, (counts.get(word) ?? 0) + 1);
    start = end;
  }
}

function learnVocabulary(counts: WordCounts, vocabSize: number): BpeTokenizer {
  const words = [...counts.keys()].map((word) => encoder.encode(word));
  return BpeTokenizer.ofMerges(learnMerges(words, [...counts.values()], vocabSize - 257));
}

/**
 * Learns the merges of a vocabulary from texts: joins the most frequent pair of neighbours, again and again.
 *
 * @param vocabSize - number of ids, with the bytes and the end of text: at least 257
 * @returns a tokenizer, with fewer ids if the texts have no more pairs
 * @throws ConfigError if `vocabSize` is not an integer in [257, 2²⁰]
 */
export function trainBpe(texts: Iterable<string>, vocabSize: number): BpeTokenizer {
  checkSize(vocabSize);
  const counts: WordCounts = new Map();
  for (const text of texts) countWords(counts, text);
  return learnVocabulary(counts, vocabSize);
}

/** {@link trainBpe} on texts that come one after the other. */
export async function trainBpeOnStream(
  texts: AsyncIterable<string>,
  vocabSize: number,
): Promise<BpeTokenizer> {
  checkSize(vocabSize);
  const counts: WordCounts = new Map();
  for await (const text of texts) countWords(counts, text);
  return learnVocabulary(counts, vocabSize);
}

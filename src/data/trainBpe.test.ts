import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { splitWords } from "./splitWords.ts";
import { trainBpe } from "./trainBpe.ts";

/** Counts all pairs anew for every merge: slow, and plainly what the algorithm says. */
function naiveMerges(text: string, vocabSize: number): (readonly [number, number])[] {
  const words = [...splitWords(text)].map((word) => Array.from(new TextEncoder().encode(word)));
  const merges: (readonly [number, number])[] = [];
  while (merges.length < vocabSize - 257) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        const key = `${word[i]} ${word[i + 1]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const ranked = [...counts]
      .map(([key, count]) => ({ pair: key.split(" ").map(Number) as [number, number], count }))
      .sort((x, y) => y.count - x.count || x.pair[0] - y.pair[0] || x.pair[1] - y.pair[1]);
    const [best] = ranked;
    if (best === undefined) break;
    const [a, b] = best.pair;
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === a && word[i + 1] === b) word.splice(i, 2, 256 + merges.length);
    }
    merges.push(best.pair);
  }
  return merges;
}

/** Bytes of each merge, which say the merges but for their names. */
const learned = (text: string, vocabSize: number) => {
  const tokenizer = trainBpe([text], vocabSize);
  return Array.from({ length: tokenizer.vocabSize - 257 }, (_, i) => [...tokenizer.bytes(256 + i)]);
};

function bytesOf(merges: readonly (readonly [number, number])[]): number[][] {
  const bytes = Array.from({ length: 256 }, (_, byte) => [byte]);
  for (const [a, b] of merges) bytes.push([...bytes[a]!, ...bytes[b]!]);
  return bytes.slice(256);
}

test("merges are those of counting all pairs anew, also where equal letters overlap", () => {
  const letters = fc.constantFrom("a", "a", "a", "b", "c", "é", " ", "1");
  fc.assert(
    fc.property(
      fc.string({ unit: letters, maxLength: 80 }),
      fc.integer({ min: 257, max: 290 }),
      (text, size) => {
        assert.deepEqual(learned(text, size), bytesOf(naiveMerges(text, size)));
      },
    ),
    { numRuns: 300, seed: 5 },
  );
});

test("a word of many letters is learned and encoded whole", () => {
  let state = 1;
  const word = Array.from({ length: 300_000 }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return "abcdefgh"[(state >>> 12) % 8];
  }).join("");
  const tokenizer = trainBpe([word], 300);
  const ids = tokenizer.encode(word);
  assert.equal(Buffer.concat(ids.map((id) => tokenizer.bytes(id))).toString(), word);
  assert.ok(ids.length < word.length / 1.5);
});

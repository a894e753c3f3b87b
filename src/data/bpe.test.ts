import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { BpeTokenizer, trainBpe } from "./bpe.ts";
import { byteTokenizer } from "./byteTokenizer.ts";
import { decode, StreamDecoder } from "./tokenizer.ts";

const reference = JSON.parse(readFileSync(new URL("./bpe.reference.json", import.meta.url), "utf8")) as {
  corpus: string[];
  vocabSize: number;
  cases: { text: string; ids: number[] }[];
};
const trained = trainBpe(reference.corpus, reference.vocabSize);
/** Any text that has a UTF-8 form. */
const anyText = fc.string({ unit: "binary", maxLength: 60 });

test("gives the ids that Hugging Face's tokenizers gives with the same file", () => {
  assert.ok(reference.cases.length > 8);
  for (const { text, ids } of reference.cases) assert.deepEqual(trained.encode(text), ids, text);
});

test("learns the merges that counting all pairs anew each time gives", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 12 }),
      (words, n) => {
        const text = words.join(" ");
        let sequences = (text.match(/ ?\S+/g) ?? []).map((w) => Array.from(w, (c) => c.charCodeAt(0)));
        const merges: [number, number][] = [];
        while (merges.length < n) {
          const counts = new Map<string, { a: number; b: number; count: number }>();
          for (const ids of sequences) {
            for (let i = 0; i + 1 < ids.length; i++) {
              const [a, b] = [ids[i]!, ids[i + 1]!];
              const known = counts.get(`${a},${b}`) ?? { a, b, count: 0 };
              counts.set(`${a},${b}`, { ...known, count: known.count + 1 });
            }
          }
          const [best] = [...counts.values()].sort((x, y) => y.count - x.count || x.a - y.a || x.b - y.b);
          if (best === undefined) break;
          const id = 256 + merges.length;
          merges.push([best.a, best.b]);
          sequences = sequences.map((ids) => {
            const joined: number[] = [];
            for (let i = 0; i < ids.length; i++) {
              if (ids[i] === best.a && ids[i + 1] === best.b) {
                joined.push(id);
                i++;
              } else joined.push(ids[i]!);
            }
            return joined;
          });
        }
        // Overlapping pairs ("aaa") count twice in this census, as they do in the trainer.
        const own = trainBpe([text], 257 + n);
        assert.equal(own.id, new BpeTokenizer(merges).id);
        assert.deepEqual(own.encode(text), sequences.flat());
      },
    ),
  );
});

for (const [name, tokenizer] of [
  ["BPE", trained],
  ["bytes", byteTokenizer()],
] as const) {
  test(`${name}: decoding what was encoded gives the text back`, () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = tokenizer.encode(text);
        assert.equal(decode(tokenizer, ids), text);
        assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.endOfText));
      }),
    );
  });

  test(`${name}: a stream shows no character before it is complete`, () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const decoder = new StreamDecoder(tokenizer);
        let shown = "";
        for (const id of tokenizer.encode(text)) {
          shown += decoder.push(id);
          assert.ok(text.startsWith(shown));
        }
        assert.equal(shown + decoder.end(), text);
      }),
    );
  });
}

test("cut characters become U+FFFD, the end of text nothing", () => {
  const bytes = byteTokenizer();
  assert.equal(decode(bytes, [0xe9, 0xb2, 65, bytes.endOfText]), "�A");
});

test("a file read back is the same tokenizer", () => {
  const copy = BpeTokenizer.fromJSON(JSON.parse(JSON.stringify(trained)));
  assert.equal(copy.id, trained.id);
  assert.equal(copy.vocabSize, reference.vocabSize);
  assert.equal(copy.endOfText, reference.vocabSize - 1);
  for (const { text, ids } of reference.cases) assert.deepEqual(copy.encode(text), ids);
});

test("refuses foreign files and impossible sizes, and says what it expects", () => {
  const file = JSON.parse(JSON.stringify(trained)) as {
    model: { type: string; vocab: object; merges: unknown[] };
  };
  assert.throws(() => BpeTokenizer.fromJSON(null), /expected a tokenizer\.json whose model is of type BPE/);
  assert.throws(() => BpeTokenizer.fromJSON({ model: { ...file.model, type: "Unigram" } }), /of type BPE/);
  const shuffled = { ...file.model, vocab: { ...file.model.vocab, "!": 0 } };
  assert.throws(
    () => BpeTokenizer.fromJSON({ model: shuffled }),
    /byte 33 has id 0: expected ids 0–255 to be the bytes/,
  );
  const merges = [["q", "zz"], ...file.model.merges];
  assert.throws(() => BpeTokenizer.fromJSON({ model: { ...file.model, merges } }), /merge 0: expected/);
  for (const size of [256, 300.5, Number.NaN]) assert.throws(() => trainBpe(["a"], size), /BPE vocabulary/);
});

test("a text with too few pairs gives a smaller vocabulary", () => {
  assert.equal(trainBpe(["ab"], 1000).vocabSize, 258);
  assert.equal(trainBpe([], 1000).vocabSize, 257);
});

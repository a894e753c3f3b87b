import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { DataError } from "../errors.ts";
import { BpeTokenizer } from "./bpeTokenizer.ts";
import { byteTokenizer } from "./byteTokenizer.ts";
import { decode, StreamDecoder } from "./tokenizer.ts";
import { trainBpe } from "./trainBpe.ts";

interface Case {
  readonly text: string;
  readonly ids: readonly number[];
}

const reference = JSON.parse(
  readFileSync(new URL("./bpeTokenizer.reference.json", import.meta.url), "utf8"),
) as {
  corpus: string[];
  vocabSize: number;
  cases: Case[];
  foreign: { file: unknown; cases: Case[] }[];
  /** `cases` is the message where the library itself refuses the file. */
  variants: { path: (string | number)[]; value: unknown; cases: Case[] | string }[];
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
        assert.equal(own.id, BpeTokenizer.ofMerges(merges).id);
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

test("files made elsewhere give the ids that they give there, and go out as they came", () => {
  for (const { file, cases } of reference.foreign) {
    const tokenizer = BpeTokenizer.fromJSON(file);
    const again = BpeTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)));
    assert.equal(again.id, tokenizer.id);
    assert.notEqual(tokenizer.id, trained.id);
    for (const { text, ids } of cases) {
      assert.deepEqual(tokenizer.encode(text), ids, text);
      assert.deepEqual(again.encode(text), ids, text);
      const plain = text.replaceAll(/<\|endoftext\|>|<\|endo/g, "");
      assert.equal(decode(tokenizer, tokenizer.encode(plain)), plain);
    }
  }
  const [first, several] = reference.foreign.map(({ file }) => BpeTokenizer.fromJSON(file));
  assert.equal(first!.endOfText, 0);
  assert.equal(several!.endOfText, 1);
});

test("a variant of a file gives the ids that it gives there, or is refused by the name of the field", () => {
  let refused = 0;
  for (const { path, value, cases } of reference.variants) {
    const file = structuredClone(reference.foreign[0]!.file) as Record<string | number, unknown>;
    let place = file;
    for (const key of path.slice(0, -1)) place = place[key] as Record<string | number, unknown>;
    place[path.at(-1)!] = value;
    const what = `${path.join(".")} ${JSON.stringify(value)}`;
    let tokenizer: BpeTokenizer;
    try {
      tokenizer = BpeTokenizer.fromJSON(file);
    } catch (error) {
      assert.ok(error instanceof DataError, what);
      const named = String(path.find((key) => typeof key === "string" && key !== "model"));
      assert.ok(error.message.includes(named), `${what}: ${error.message}`);
      assert.ok(error.message.length < 250 && !error.message.includes("\n"), error.message);
      refused++;
      continue;
    }
    assert.ok(typeof cases !== "string", `${what} is read, though the library refuses it: ${cases}`);
    for (const { text, ids } of cases) assert.deepEqual(tokenizer.encode(text), ids, `${what}: ${text}`);
  }
  assert.ok(refused >= 15 && refused < reference.variants.length - 3, `${refused} refused`);
});

test("no field of a file passes unread: one more anywhere is refused by name", () => {
  const { file } = reference.foreign[0]!;
  for (const path of [
    [],
    ["pre_tokenizer"],
    ["decoder"],
    ["post_processor"],
    ["model"],
    ["added_tokens", 0],
  ]) {
    const changed = structuredClone(file) as Record<string | number, never>;
    let place: Record<string | number, unknown> = changed;
    for (const key of path) place = place[key] as Record<string | number, unknown>;
    place.surprise = true;
    assert.throws(
      () => BpeTokenizer.fromJSON(changed),
      (error: Error) => error instanceof DataError && /surprise true/.test(error.message),
      path.join("."),
    );
  }
});

test("refuses files that can't be right, and impossible sizes, and says what it expects", () => {
  const file = JSON.parse(JSON.stringify(trained)) as {
    model: { type: string; vocab: Record<string, unknown>; merges: unknown[] };
    added_tokens: object[];
  };
  const refuse = (change: (copy: typeof file) => void, pattern: RegExp) => {
    const copy = structuredClone(file);
    change(copy);
    assert.throws(
      () => BpeTokenizer.fromJSON(copy),
      (error: Error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, pattern);
        return true;
      },
    );
  };
  assert.throws(() => BpeTokenizer.fromJSON(null), /expected a tokenizer\.json whose model is of type BPE/);
  refuse((copy) => {
    copy.model.type = "Unigram";
  }, /of type "Unigram": expected .* of type BPE/);
  refuse((copy) => {
    copy.model.vocab["!"] = 0;
  }, /both have id 0/);
  refuse((copy) => {
    copy.model.vocab["!"] = 1e9;
  }, /token "!": id 1000000000: expected 0 to 399/);
  refuse((copy) => {
    copy.model.vocab["!"] = null;
  }, /token "!": id null/);
  refuse((copy) => {
    copy.model.vocab.surprise = copy.model.vocab["!"];
    delete copy.model.vocab["!"];
  }, /byte 33 \("!"\) has no id/);
  refuse((copy) => {
    Object.defineProperty(copy.model.vocab, "__proto__", { value: 400, enumerable: true });
  }, /token "__proto__": is no byte, made by no merge/);
  refuse((copy) => copy.model.merges.unshift(["q", "zz"]), /merges\[0\] \["q","zz"\]: expected two tokens/);
  refuse((copy) => copy.model.merges.push(copy.model.merges[0]), /is merge 0 again/);
  refuse((copy) => copy.model.merges.push("a b c"), /merges\[\d+\] "a b c"/);
  refuse((copy) => copy.model.merges.reverse(), /expected bytes or what earlier merges make/);
  refuse((copy) => {
    copy.added_tokens = [];
  }, /<\|endoftext\|>": is no byte, made by no merge, and none of added_tokens/);
  refuse((copy) => {
    copy.added_tokens = [{ ...copy.added_tokens[0], id: 3 }];
  }, /id 3 differs from model\.vocab's 399/);
  for (const size of [256, 300.5, Number.NaN]) assert.throws(() => trainBpe(["a"], size), /BPE vocabulary/);
});

test("the name of the special token is its id, and nothing of its own when decoded", () => {
  const { endOfText } = trained;
  const [one, two] = [trained.encode("one"), trained.encode(" two")];
  assert.deepEqual(trained.encode("<|endoftext|>one<|endoftext|> two"), [
    endOfText,
    ...one,
    endOfText,
    ...two,
  ]);
  assert.equal(decode(trained, trained.encode("one<|endoftext|> two")), "one two");
});

test("long words take the merges that joining the earliest pair again and again gives", () => {
  const merges = (JSON.parse(JSON.stringify(trained)) as { model: { merges: [string, string][] } }).model
    .merges;
  const rank = new Map(merges.map(([a, b], i) => [`${a} ${b}`, i]));
  const vocab = (JSON.parse(JSON.stringify(trained)) as { model: { vocab: Record<string, number> } }).model
    .vocab;
  const slowly = (word: string): number[] => {
    const parts = Array.from(word);
    for (;;) {
      const ranks = parts.slice(1).map((part, i) => rank.get(`${parts[i]} ${part}`) ?? Infinity);
      const best = Math.min(...ranks);
      if (!Number.isFinite(best)) return parts.map((part) => vocab[part]!);
      parts.splice(ranks.indexOf(best), 2, merges[best]!.join(""));
    }
  };
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("the", "he", "in", "an", "e", "t", "h", "a", "n", "i", "s", "o"), {
        minLength: 1,
        maxLength: 60,
      }),
      (parts) => {
        const word = parts.join("");
        assert.deepEqual(trained.encode(word), slowly(word));
      },
    ),
  );
  // A million letters: only one that isn't quadratic ends.
  const letters = "thein".repeat(200_000);
  assert.equal(decode(trained, trained.encode(letters)), letters);
});

test("a text with too few pairs gives a smaller vocabulary", () => {
  assert.equal(trainBpe(["ab"], 1000).vocabSize, 258);
  assert.equal(trainBpe([], 1000).vocabSize, 257);
});

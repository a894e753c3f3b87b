import assert from "node:assert/strict";
import fc from "fast-check";
import { BpeTokenizer, decode } from "../../src/data/index.ts";
import { accepted, border, refused } from "../border.ts";

interface TokenizerFile {
  readonly added_tokens: { id: number; content: string }[];
  readonly model: { vocab: Record<string, number>; merges: [string, string][] };
}

/** GPT-2's alphabet: printable bytes stand for themselves, the others for what comes after U+0100. */
const alphabet = (() => {
  const printable = [
    [33, 126],
    [161, 172],
    [174, 255],
  ].flatMap(([first, last]) => Array.from({ length: last! - first! + 1 }, (_, i) => first! + i));
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !printable.includes(byte));
  return new Map([
    ...printable.map((byte) => [byte, String.fromCharCode(byte)] as const),
    ...others.map((byte, i) => [byte, String.fromCharCode(256 + i)] as const),
  ]);
})();

/** The field of a file that another program heeds, and what it may hold there. */
const foreignFields: readonly [path: string, value: unknown][] = [
  ["normalizer", { type: "Lowercase" }],
  ["pre_tokenizer.add_prefix_space", true],
  ["pre_tokenizer.use_regex", false],
  ["pre_tokenizer", { type: "Digits", individual_digits: true }],
  ["pre_tokenizer", { type: "Sequence", pretokenizers: [] }],
  ["pre_tokenizer", null],
  ["post_processor", { type: "TemplateProcessing", single: [], pair: [], special_tokens: {} }],
  ["decoder", { type: "WordPiece", prefix: "##", cleanup: true }],
  ["truncation", { max_length: 4, strategy: "LongestFirst", stride: 0, direction: "Right" }],
  ["padding", { strategy: "BatchLongest" }],
  ["model.dropout", 0.1],
  ["model.unk_token", "<unk>"],
  ["model.byte_fallback", true],
  ["model.ignore_merges", true],
  ["model.end_of_word_suffix", "</w>"],
  ["model.continuing_subword_prefix", "##"],
  ["model.of_the_future", 1],
  ["of_the_future", {}],
];

type Damage =
  | { readonly kind: "none" }
  | { readonly kind: "foreign"; readonly field: number }
  | { readonly kind: "value"; readonly path: readonly string[]; readonly value: unknown };

interface Input {
  /** Shuffles the ids. */
  readonly order: readonly number[];
  /** Pairs of tokens that there are, by their number modulo how many there are. */
  readonly merges: readonly (readonly [number, number])[];
  readonly special: readonly string[];
  readonly asText: boolean;
  readonly damage: Damage;
  readonly text: string;
}

function fileOf({ order, merges, special, asText }: Input): TokenizerFile {
  const tokens = [..."the ab'", ...Array.from({ length: 249 }, (_, i) => i)].map((each) =>
    typeof each === "string" ? alphabet.get(each.charCodeAt(0))! : "",
  );
  const all = [...new Set([...tokens.filter((token) => token !== ""), ...alphabet.values()])];
  const pairs: [string, string][] = [];
  for (const [i, j] of merges) {
    // The first few are letters of the texts, so that merges happen.
    const reach = Math.min(all.length, 8);
    const pick = (n: number) =>
      n % 2 === 0 ? all[n % reach]! : (pairs.at(-1 - (n % (pairs.length || 1)))?.join("") ?? all[n % reach]!);
    const pair: [string, string] = [pick(i), pick(j)];
    if (pairs.some(([a, b]) => a === pair[0] && b === pair[1])) continue;
    pairs.push(pair);
  }
  const names = [...new Set([...special, ...all, ...pairs.map((pair) => pair.join(""))])];
  order.forEach((to, i) => {
    const [a, b] = [i % names.length, to % names.length];
    [names[a], names[b]] = [names[b]!, names[a]!];
  });
  const vocab = Object.fromEntries(names.map((name, id) => [name, id]));
  const step = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: vocab[content]!,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: step,
    post_processor: null,
    decoder: step,
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
      merges: (asText ? pairs.map((pair) => pair.join(" ")) : pairs) as [string, string][],
    },
  } as TokenizerFile;
}

function withValue(file: object, path: readonly string[], value: unknown): object {
  const copy = structuredClone(file) as Record<string, unknown>;
  let place = copy;
  for (const key of path.slice(0, -1)) {
    if (typeof place[key] !== "object" || place[key] === null) return copy;
    place = place[key] as Record<string, unknown>;
  }
  place[path.at(-1)!] = value;
  return copy;
}

const spaces = "\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000";
/** The words of GPT-2's split, by its rules one character after the other. */
function words(text: string): string[] {
  const characters = [...text];
  const kind = (c: string | undefined) =>
    c === undefined
      ? "end"
      : spaces.includes(c) || (c >= "\u2000" && c <= "\u200a")
        ? "space"
        : /\p{L}/u.test(c)
          ? "letter"
          : /\p{N}/u.test(c)
            ? "number"
            : "other";
  const found: string[] = [];
  for (let i = 0; i < characters.length; ) {
    const rest = characters.slice(i, i + 3).join("");
    const short = ["'s", "'d", "'m", "'t", "'ll", "'ve", "'re"].find((one) => rest.startsWith(one));
    let end = i;
    if (short !== undefined) end += short.length;
    else {
      const first = characters[i] === " " && kind(characters[i + 1]) !== "space" ? i + 1 : i;
      if (first < characters.length && kind(characters[first]) !== "space") {
        end = first;
        while (kind(characters[end]) === kind(characters[first])) end++;
      } else {
        while (kind(characters[end]) === "space") end++;
        // The last white space belongs to what follows, if it isn't alone.
        if (end < characters.length && end - i > 1) end--;
      }
    }
    found.push(characters.slice(i, end).join(""));
    i = end;
  }
  return found;
}

/** Ids by the definition: of all neighbours the pair that was learnt first is joined, the leftmost of these, until there is none. */
function encodePlainly(file: TokenizerFile, text: string): number[] {
  const { vocab, merges } = file.model;
  const ranks = new Map(merges.map((pair, rank) => [typeof pair === "string" ? pair : pair.join(" "), rank]));
  const special = [...file.added_tokens].sort((a, b) => b.content.length - a.content.length);
  const pieces: (string | number)[] = [];
  let plain = "";
  for (let i = 0; i < text.length; ) {
    const token = special.find(({ content }) => text.startsWith(content, i));
    if (token === undefined) plain += text[i++];
    else {
      pieces.push(plain, token.id);
      plain = "";
      i += token.content.length;
    }
  }
  return [...pieces, plain].flatMap((piece) =>
    typeof piece === "number"
      ? [piece]
      : words(piece).flatMap((word) => {
          const parts = Array.from(Buffer.from(word), (byte) => alphabet.get(byte)!);
          for (;;) {
            const own = parts.slice(1).map((part, i) => ranks.get(`${parts[i]} ${part}`) ?? Infinity);
            const best = Math.min(Infinity, ...own);
            if (best === Infinity) return parts.map((part) => vocab[part]!);
            const at = own.indexOf(best);
            parts.splice(at, 2, parts[at]! + parts[at + 1]!);
          }
        }),
  );
}

const anyValue = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined));
const fields = ["version", "added_tokens", "normalizer", "pre_tokenizer", "decoder", "model", "__proto__"];
const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: "none" }) },
  {
    weight: 2,
    arbitrary: fc.nat({ max: foreignFields.length - 1 }).map((field): Damage => ({ kind: "foreign", field })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.oneof(
          fc.constantFrom(...fields).map((field) => [field]),
          fc.constantFrom("vocab", "merges", "type", "dropout", "__proto__").map((field) => ["model", field]),
          fc.constantFrom("a", "0", "<|endoftext|>", "the").map((token) => ["model", "vocab", token]),
          fc.constantFrom("0", "1", "length").map((at) => ["model", "merges", at]),
        ),
        anyValue,
      )
      .filter(([path, value]) => path.at(-1) !== "length" || value === 0)
      .map(([path, value]): Damage => ({ kind: "value", path, value })),
  },
);

const piece = fc.oneof(
  fc.constantFrom("the", " the", "ab", "'s", "'ll", "  ", "\n", "\u0085", "\ufeff", "12", "é", "鲸", "🐋"),
  fc.constantFrom("<|endoftext|>", "<pad>", "<|endo", "</s>"),
  fc.string({ unit: "grapheme", maxLength: 3 }),
);

export default border<Input>({
  oracle:
    "byte-level BPE by its definition, one join after the other, over a split written anew; fields that other programs heed",
  inputs: fc.record<Input>(
    {
      order: fc.array(fc.nat({ max: 600 }), { maxLength: 300 }),
      merges: fc.array(fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 99 })), { maxLength: 30 }),
      special: fc.constantFrom(
        ["<|endoftext|>"],
        ["</s>"],
        [],
        ["<pad>", "<|endoftext|>"],
        ["<|endo", "<|endoftext|>"],
      ),
      asText: fc.boolean(),
      damage,
      text: fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    },
    { noNullPrototype: true },
  ),
  check: (input) => {
    const { damage, text } = input;
    const file = fileOf(input);
    if (damage.kind === "value") {
      const tokenizer = BpeTokenizer.fromJSON(withValue(file, damage.path, damage.value));
      assert.ok(
        tokenizer.encode(text).every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize),
      );
      return;
    }
    if (damage.kind === "foreign") {
      const [path, value] = foreignFields[damage.field]!;
      try {
        refused(() => BpeTokenizer.fromJSON(withValue(file, path.split("."), value)), path);
      } catch (error) {
        assert.ok(
          (error as Error).message.includes(path),
          `${path} isn't named: ${(error as Error).message}`,
        );
        throw error;
      }
    }
    const tokenizer = accepted(() => BpeTokenizer.fromJSON(file));
    const ids = tokenizer.encode(text);
    assert.deepEqual(ids, encodePlainly(file, text));
    assert.ok(ids.every((id) => id < tokenizer.vocabSize));
    const shown = file.added_tokens
      .map(({ content }) => content)
      .sort((a, b) => b.length - a.length)
      .reduce((rest, content) => rest.replaceAll(content, ""), text);
    // A name that appears when another one is taken out is plain text.
    if (decode(tokenizer, ids) !== shown) {
      assert.ok(file.added_tokens.length > 1);
    }
    const again = BpeTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)));
    assert.equal(again.id, tokenizer.id);
    assert.equal(again.endOfText, tokenizer.endOfText);
    assert.deepEqual(again.encode(text), ids);
  },
});

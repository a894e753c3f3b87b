import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isWhiteSpace, splitWords } from "./splitWords.ts";

/** GPT-2's expression as it stands, over this Node's letters and numbers. */
const pattern =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const pieces = [
  ..."aZé中ß1٣½ \t\n\r'’\".,—_#\u0085\ufeff\u00a0\u2003\u3000\u0301\ud800\udc00\u0000",
  ...["😀", "𝒳", "𠀀", "𝟘", "  ", "\r\n", "'s", "'S", "'ll", "'l", "'re", "'v", "'ve", "don't", " the"],
];

test("words are those of GPT-2's expression", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      assert.deepEqual(
        [...splitWords(text)],
        [...text.matchAll(pattern)].map(([word]) => word),
      );
    }),
    { numRuns: 3000, seed: 1 },
  );
});

test("letters that Unicode has had since version 17 end words; white space is Unicode's", () => {
  assert.deepEqual(
    [...splitWords("a\u{10940}b 1\u{11de0}2")],
    ["a", "\u{10940}", "b", " 1", "\u{11de0}", "2"],
  );
  const units = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));
  assert.deepEqual(
    units.filter(isWhiteSpace),
    units.filter((unit) => /^\p{White_Space}$/u.test(unit)),
  );
});

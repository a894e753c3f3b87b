/**
 * Letters and numbers of Unicode 17, which Node 24 knows. The regular expressions of Hugging Face's tokenizers (0.23) know Unicode 16: for
 * them these are other characters, and a word ends there.
 */
const newLetters =
  "\\u088f\\u0c5c\\u0cdc\\ua7ce\\ua7cf\\ua7d2\\ua7d4\\ua7f1\\u{10940}-\\u{10959}\\u{10ec5}-\\u{10ec7}\\u{11db0}-\\u{11ddb}" +
  "\\u{16ea0}-\\u{16eb8}\\u{16ebb}-\\u{16ed3}\\u{16ff2}\\u{16ff3}\\u{187f8}-\\u{187ff}\\u{18d09}-\\u{18d1e}\\u{18d80}-\\u{18df2}" +
  "\\u{1e6c0}-\\u{1e6de}\\u{1e6e0}-\\u{1e6e2}\\u{1e6e4}\\u{1e6e5}\\u{1e6e7}-\\u{1e6ed}\\u{1e6f0}-\\u{1e6f4}\\u{1e6fe}\\u{1e6ff}" +
  "\\u{2b73a}-\\u{2b73f}\\u{2cea2}-\\u{2cead}\\u{323b0}-\\u{33479}";
const newNumbers = "\\u{11de0}-\\u{11de9}\\u{16ff4}-\\u{16ff6}";
const letter = `[\\p{L}--[${newLetters}]]`;
const number = `[\\p{N}--[${newNumbers}]]`;
const space = "\\p{White_Space}";

/**
 * GPT-2's split into words: merges never cross it. White space is Unicode's, as in the regular expressions of Hugging Face's tokenizers:
 * JavaScript's `\s` lacks U+0085 and holds U+FEFF.
 */
const wordPattern = new RegExp(
  `'(?:[sdmt]|ll|ve|re)| ?${letter}+| ?${number}+| ?[^${space}${letter}${number}]+|${space}+(?!\\P{White_Space})|${space}+`,
  "gv",
);

/** Words of a text, which together are the text. */
export function* splitWords(text: string): Generator<string> {
  for (const [word] of text.matchAll(wordPattern)) yield word;
}

/** Whether a UTF-16 unit is white space as {@link splitWords} takes it; all of it lies in the basic plane. */
export function isWhiteSpace(unit: string): boolean {
  return /^\p{White_Space}$/u.test(unit);
}

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
 * What GPT-2's split tells apart: letters 1, numbers 2, white space 3, all else 4. White space is Unicode's, as in the regular expressions of
 * Hugging Face's tokenizers: JavaScript's `\s` lacks U+0085 and holds U+FEFF.
 */
const patterns = [letter, number, space].map((pattern) => new RegExp(pattern, "v"));
const spaceKind = 3;
const otherKind = 4;

/** Kinds of UTF-16 units and of pairs of them, as far as they were met: asked of the patterns once. */
const unitKinds = new Uint8Array(65536);
const pairKinds = new Map<number, number>();

function kindByPattern(character: string): number {
  const at = patterns.findIndex((pattern) => pattern.test(character));
  return at < 0 ? otherKind : at + 1;
}

/** Kind of a code point. */
function kindOf(point: number): number {
  if (point > 0xffff) {
    const known = pairKinds.get(point);
    if (known !== undefined) return known;
    const kind = kindByPattern(String.fromCodePoint(point));
    pairKinds.set(point, kind);
    return kind;
  }
  const known = unitKinds[point]!;
  if (known > 0) return known;
  const kind = kindByPattern(String.fromCharCode(point));
  unitKinds[point] = kind;
  return kind;
}

/** Where a run of one kind ends. */
function runEnd(text: string, start: number, kind: number): number {
  let i = start;
  while (i < text.length) {
    const point = text.codePointAt(i)!;
    if (kindOf(point) !== kind) break;
    i += point > 0xffff ? 2 : 1;
  }
  return i;
}

const [blank, apostrophe] = [0x20, 0x27];
const code = (unit: string) => unit.charCodeAt(0);
const shortEndings: readonly number[] = [..."sdmt"].map(code);
const longEndings: readonly (readonly number[])[] = ["ll", "ve", "re"].map((ending) => [...ending].map(code));

/** Units of `'s`, `'ll` and the like at a place, 0 if there is none. */
function contraction(text: string, start: number): number {
  const [first, second] = [text.charCodeAt(start + 1), text.charCodeAt(start + 2)];
  if (shortEndings.includes(first)) return 2;
  return longEndings.some(([a, b]) => a === first && b === second) ? 3 : 0;
}

/**
 * Where the word that begins at a place ends, by GPT-2's split, which merges never cross:
 * `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Read unit by unit, which is faster than the expression.
 *
 * @param start - below the length of `text`
 */
export function wordEnd(text: string, start: number): number {
  const unit = text.charCodeAt(start);
  if (unit === apostrophe) {
    const length = contraction(text, start);
    if (length > 0) return start + length;
  }
  const begin = unit === blank && start + 1 < text.length ? start + 1 : start;
  const kind = kindOf(text.codePointAt(begin)!);
  if (kind !== spaceKind) return runEnd(text, begin, kind);
  const end = runEnd(text, start, spaceKind);
  // The last of several stays with what follows.
  return end < text.length && end - start > 1 ? end - 1 : end;
}

/** Words of a text, which together are the text. */
export function* splitWords(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = wordEnd(text, start);
    yield text.slice(start, end);
    start = end;
  }
}

/** Whether a UTF-16 unit is white space as {@link wordEnd} takes it; all of it lies in the basic plane. */
export function isWhiteSpace(unit: string): boolean {
  return kindOf(unit.charCodeAt(0)) === spaceKind;
}

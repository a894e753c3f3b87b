import { DataError } from "../errors.ts";
import { byteCharacters } from "./bpeFile.ts";
import { type Fields, isFields, shown } from "./tokenizerFields.ts";

/** Values of a key that are honoured; null for all. */
type Values = readonly unknown[] | null;
type Keys = Readonly<Record<string, Values>>;

const metaspace: Keys = {
  replacement: null,
  prepend_scheme: null,
  split: null,
  str_rep: null,
  // Python takes `false` of old files for the scheme `never`.
  add_prefix_space: [true],
};
const byteLevel: Keys = { add_prefix_space: null, trim_offsets: null, use_regex: null };
const replace: Keys = { pattern: null, content: null };

/** Parts of a pipeline, their types and keys: those that are held to the ids of Python's library. Others are refused. */
const knownTypes: Readonly<Record<string, Readonly<Record<string, Keys>>>> = {
  normalizer: {
    Sequence: { normalizers: null },
    NFC: {},
    NFD: {},
    NFKC: {},
    NFKD: {},
    Lowercase: {},
    StripAccents: {},
    Prepend: { prepend: null },
    Replace: replace,
    BertNormalizer: {
      clean_text: [true],
      handle_chinese_chars: [true, false],
      strip_accents: [null],
      lowercase: [true, false],
    },
  },
  pre_tokenizer: {
    Sequence: { pretokenizers: null },
    ByteLevel: byteLevel,
    Split: { pattern: null, behavior: ["Isolated", "MergedWithPrevious"], invert: [false] },
    Digits: { individual_digits: null },
    Metaspace: metaspace,
    Punctuation: { behavior: ["Isolated", "Contiguous"] },
    BertPreTokenizer: {},
  },
  post_processor: {
    Sequence: { processors: null },
    ByteLevel: byteLevel,
    TemplateProcessing: { single: null, pair: null, special_tokens: null },
    BertProcessing: { sep: null, cls: null },
  },
  decoder: {
    Sequence: { decoders: null },
    ByteLevel: byteLevel,
    Replace: replace,
    ByteFallback: {},
    Fuse: {},
    Strip: { content: null, start: null, stop: null },
    Metaspace: metaspace,
    WordPiece: { prefix: ["##"], cleanup: [true, false] },
  },
  model: {
    BPE: {
      vocab: null,
      merges: null,
      unk_token: null,
      fuse_unk: null,
      byte_fallback: null,
      ignore_merges: null,
      dropout: [null, 0],
      continuing_subword_prefix: [null, ""],
      end_of_word_suffix: [null, ""],
    },
    Unigram: { vocab: null, unk_id: null, byte_fallback: [false] },
    WordPiece: {
      vocab: null,
      unk_token: null,
      max_input_chars_per_word: null,
      continuing_subword_prefix: ["##"],
    },
  },
};

const wholeFile: Keys = {
  version: null,
  truncation: [null],
  padding: [null],
  added_tokens: null,
  ...Object.fromEntries(Object.keys(knownTypes).map((part) => [part, null])),
};

const addedToken: Keys = {
  id: null,
  content: null,
  single_word: [false],
  lstrip: [true, false],
  rstrip: [true, false],
  normalized: [true, false],
  special: [true, false],
};

/** The steps of a part: those of a sequence one by one. */
export function stepsOf(part: unknown): Fields[] {
  if (!isFields(part)) return [];
  const inner = part.normalizers ?? part.pretokenizers ?? part.processors ?? part.decoders;
  return part.type === "Sequence" && Array.isArray(inner) ? [part, ...inner.flatMap(stepsOf)] : [part];
}

function checkKeys(fields: Fields, known: Keys, where: string): void {
  for (const [key, value] of Object.entries(fields)) {
    if (key === "type") continue;
    if (!Object.hasOwn(known, key))
      throw new DataError(
        `tokenizer ${where}${key} ${shown(value)}: isn't known; expected ${Object.keys(known).join(", ") || "no keys"}`,
      );
    const values = known[key]!;
    if (values !== null && !values.includes(value))
      throw new DataError(
        `tokenizer ${where}${key} ${shown(value)}: expected ${values.map(shown).join(" or ")}; others aren't honoured`,
      );
  }
}

/**
 * Holds a `tokenizer.json` to what Hugging Face's library in JavaScript does as Python's: `scripts/references/tokenizerFamilies.py`.
 *
 * @throws DataError naming the first part, key or value that gives other ids there, or isn't known to give the same
 */
export function checkPipeline(file: Fields): void {
  for (const [name, types] of Object.entries(knownTypes)) {
    const part = file[name] ?? null;
    if (name === "model" && !isFields(part))
      throw new DataError(`tokenizer model ${shown(part)}: expected one of ${Object.keys(types).join(", ")}`);
    if (part !== null && !isFields(part))
      throw new DataError(`tokenizer ${name} ${shown(part)}: expected an object or null`);
    for (const step of stepsOf(part)) {
      const keys = Object.hasOwn(types, String(step.type)) ? types[String(step.type)] : undefined;
      if (keys === undefined)
        throw new DataError(
          `tokenizer ${name} of type ${shown(step.type)}: isn't read; expected ${Object.keys(types).join(", ")}`,
        );
      checkKeys(step, keys, `${name}.`);
    }
  }
  // After the model, whose lack says that another kind of file was given.
  checkKeys(file, wholeFile, "");
  checkAddedTokens(file.added_tokens ?? []);
  checkSteps(file);
  checkModel(file);
}

function checkAddedTokens(added: unknown): void {
  if (!Array.isArray(added)) throw new DataError(`tokenizer added_tokens ${shown(added)}: expected a list`);
  added.forEach((token: unknown, i) => {
    const where = `added_tokens[${i}]`;
    if (!isFields(token) || typeof token.content !== "string" || !Number.isInteger(token.id))
      throw new DataError(`tokenizer ${where} ${shown(token)}: expected a token with its id and content`);
    checkKeys(token, addedToken, `${where} (${shown(token.content)}).`);
  });
}

/** Steps that are done as in Python only beside others. */
function checkSteps(file: Fields): void {
  const normalizers = stepsOf(file.normalizer);
  const steps = stepsOf(file.pre_tokenizer).filter(({ type }) => type !== "Sequence");
  for (const [i, step] of steps.entries()) {
    if (step.type === "ByteLevel" && step.add_prefix_space === true && i > 0)
      throw new DataError(
        `tokenizer pre_tokenizer.add_prefix_space true after ${shown(steps[i - 1]!.type)}: expected false, or ByteLevel as the first step`,
      );
    if (step.type === "Split" && step.behavior === "MergedWithPrevious") {
      const text = patternText(step);
      const isGone = normalizers.some(
        (one) => one.type === "Replace" && patternText(one) === text && !String(one.content).includes(text!),
      );
      if (text === null || !isGone)
        throw new DataError(
          `tokenizer pre_tokenizer.behavior "MergedWithPrevious" of ${shown(step.pattern)}: expected "Isolated", or a normalizer that replaces all of it`,
        );
    }
    if (step.type === "BertPreTokenizer" && !normalizers.some(({ type }) => type === "BertNormalizer"))
      throw new DataError(
        `tokenizer pre_tokenizer "BertPreTokenizer" without a BertNormalizer: expected both, as U+0085 and U+FEFF are split otherwise`,
      );
  }
}

/** What a step looks for, if it is a text and no regular expression. */
function patternText({ pattern }: Fields): string | null {
  const text = isFields(pattern) ? pattern.String : pattern;
  return typeof text === "string" ? text : null;
}

/** @throws DataError for ids that aren't whole, or of two tokens, for merges of what there isn't, and for unknown characters that aren't done as in Python */
function checkModel(file: Fields): void {
  const model = file.model as Fields;
  if (model.type === "Unigram") {
    checkPieces(model);
    return;
  }
  if (!isFields(model.vocab))
    throw new DataError(`tokenizer model.vocab ${shown(model.vocab)}: expected tokens with their ids`);
  const vocab = new Map(Object.entries(model.vocab));
  const seen = new Map<unknown, string>();
  for (const [token, id] of vocab) {
    if (!Number.isInteger(id) || (id as number) < 0)
      throw new DataError(`tokenizer token ${shown(token)}: id ${shown(id)}: expected an integer ≥ 0`);
    if (seen.has(id))
      throw new DataError(`tokenizer tokens ${shown(seen.get(id))} and ${shown(token)}: both have id ${id}`);
    seen.set(id, token);
  }
  const { unk_token: unknown = null } = model;
  if (unknown !== null && !vocab.has(String(unknown)))
    throw new DataError(`tokenizer model.unk_token ${shown(unknown)}: expected a token of model.vocab`);
  if (model.type === "WordPiece") {
    if (unknown === null)
      throw new DataError("tokenizer model.unk_token null: expected a token of model.vocab");
    return;
  }
  if (!Array.isArray(model.merges))
    throw new DataError(`tokenizer model.merges ${shown(model.merges)}: expected a list of pairs`);
  model.merges.forEach((merge: unknown, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    const isPair = Array.isArray(pair) && pair.length === 2;
    if (!isPair || ![pair[0], pair[1], `${pair[0]}${pair[1]}`].every((token) => vocab.has(token)))
      throw new DataError(
        `tokenizer model.merges[${i}] ${shown(merge)}: expected two tokens that together are one of model.vocab`,
      );
  });
  if (knowsAllBytes(file, vocab)) return;
  if (unknown === null)
    throw new DataError(
      "tokenizer model.unk_token null: expected a token, as not all bytes are in model.vocab and characters may be unknown",
    );
  if (model.fuse_unk === true)
    throw new DataError(
      "tokenizer model.fuse_unk true: expected false, as not all bytes are in model.vocab and characters may be unknown",
    );
}

/** Whether nothing can be unknown to a BPE. */
function knowsAllBytes(
  { pre_tokenizer: split, model }: Fields,
  vocab: ReadonlyMap<string, unknown>,
): boolean {
  if (stepsOf(split).some(({ type }) => type === "ByteLevel"))
    return byteCharacters().every((character) => vocab.has(character));
  const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  return (
    (model as Fields).byte_fallback === true &&
    Array.from({ length: 256 }, (_, byte) => byteToken(byte)).every((token) => vocab.has(token))
  );
}

function checkPieces({ vocab, unk_id: unknown }: Fields): void {
  const isPiece = (piece: unknown) =>
    Array.isArray(piece) && piece.length === 2 && typeof piece[0] === "string" && Number.isFinite(piece[1]);
  if (!Array.isArray(vocab))
    throw new DataError(`tokenizer model.vocab ${shown(vocab)}: expected a list of pieces with their scores`);
  const wrong = vocab.findIndex((piece) => !isPiece(piece));
  if (wrong >= 0)
    throw new DataError(
      `tokenizer model.vocab[${wrong}] ${shown(vocab[wrong])}: expected a piece and its score`,
    );
  const seen = new Map<string, number>();
  for (const [i, [piece]] of (vocab as [string, number][]).entries()) {
    if (seen.has(piece))
      throw new DataError(`tokenizer token ${shown(piece)}: has ids ${seen.get(piece)} and ${i}`);
    seen.set(piece, i);
  }
  if (!Number.isInteger(unknown) || (unknown as number) < 0 || (unknown as number) >= vocab.length)
    throw new DataError(
      `tokenizer model.unk_id ${shown(unknown)}: expected an integer from 0 to ${vocab.length - 1}`,
    );
}

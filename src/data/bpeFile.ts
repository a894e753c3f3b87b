import { DataError } from "../errors.ts";
import { type Fields, isFields, shown } from "./tokenizerFields.ts";

/** All that decides the ids of a byte-level BPE. */
export interface BpeVocabulary {
  /** Id of each byte. */
  readonly byteIds: readonly number[];
  /** Pairs in the order of learning, and the id that each makes. */
  readonly merges: readonly { readonly a: number; readonly b: number; readonly id: number }[];
  /** Tokens that a text holds by name, and that stand for no bytes. */
  readonly special: readonly { readonly id: number; readonly content: string }[];
  /** The special token that ends a document; the id after the last one where there is no special token. */
  readonly endOfText: number;
}

/** The printable character that stands for each byte in files (GPT-2's alphabet). */
export function byteCharacters(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

const byteOf = new Map(byteCharacters().map((character, byte) => [character, byte]));

/** The byte that a character of GPT-2's alphabet stands for; undefined for others. */
export const byteOfCharacter = (character: string): number | undefined => byteOf.get(character);

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** @param bytes - what each id stands for */
export function writeBpeFile(
  { byteIds, merges, special }: BpeVocabulary,
  bytes: readonly Uint8Array[],
): object {
  const characters = byteCharacters();
  const name = (id: number) => Array.from(bytes[id]!, (byte) => characters[byte]!).join("");
  const ids = [...byteIds, ...merges.map(({ id }) => id)].sort((a, b) => a - b);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map(({ id, content }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries([
        ...ids.map((id) => [name(id), id]),
        ...special.map(({ id, content }) => [content, id]),
      ]),
      merges: merges.map(({ a, b }) => [name(a), name(b)]),
    },
  };
}

/** What a field may be, by its own word; `undefined` if it may be left out. */
type Allowed = readonly [(value: unknown) => boolean, string];

const oneOf = (...values: readonly unknown[]): Allowed => [
  (value) => values.includes(value),
  values
    .filter((value) => value !== undefined)
    .map((value) => JSON.stringify(value))
    .join(" or "),
];
const anything: Allowed = [() => true, "anything"];

/** A ByteLevel step; `add_prefix_space` counts for the pre-tokenizer alone. */
const byteLevelStep = (prefixSpace: Allowed): Readonly<Record<string, Allowed>> => ({
  type: oneOf("ByteLevel"),
  add_prefix_space: prefixSpace,
  trim_offsets: anything, // where a token lies in the text, which nobody asks for here
  use_regex: oneOf(true, undefined),
});

/** Short forms of values in messages: a vocabulary isn't printed whole. */

function check(fields: Fields, where: string, allowed: Readonly<Record<string, Allowed>>): void {
  for (const key of Object.keys(fields)) {
    if (!Object.hasOwn(allowed, key))
      throw new DataError(
        `tokenizer ${where}${key} ${shown(fields[key])}: a field that isn't known, and may change ids`,
      );
  }
  for (const [key, [allows, words]] of Object.entries(allowed)) {
    const value = fields[key];
    if (!allows(value))
      throw new DataError(
        `tokenizer ${where}${key} ${shown(value)}: expected ${words}; others give other ids`,
      );
  }
}

/** A step of the pipeline that is a ByteLevel step. */
function checkStep(value: unknown, where: string, prefixSpace: Allowed): void {
  if (!isFields(value))
    throw new DataError(`tokenizer ${where} ${shown(value)}: expected one of type "ByteLevel"`);
  if (value.type !== "ByteLevel")
    throw new DataError(`tokenizer ${where} of type ${shown(value.type)}: expected "ByteLevel"`);
  check(value, `${where}.`, byteLevelStep(prefixSpace));
}

function readSpecial(added: unknown, vocab: ReadonlyMap<string, unknown>): BpeVocabulary["special"] {
  if (!Array.isArray(added)) throw new DataError(`tokenizer added_tokens ${shown(added)}: expected a list`);
  return added.map((token: unknown, i) => {
    const where = `added_tokens[${i}]`;
    if (!isFields(token)) throw new DataError(`tokenizer ${where} ${shown(token)}: expected a token`);
    check(token, `${where}.`, {
      id: [Number.isInteger, "an integer"],
      content: [(value) => typeof value === "string" && value !== "", "a text"],
      single_word: oneOf(false),
      lstrip: oneOf(false),
      rstrip: oneOf(false),
      normalized: anything, // no normalizer is read
      special: oneOf(true),
    });
    const { id, content } = token as { id: number; content: string };
    if (vocab.has(content) && vocab.get(content) !== id)
      throw new DataError(
        `tokenizer ${where} ${shown(content)}: id ${id} differs from model.vocab's ${shown(vocab.get(content))}`,
      );
    return { id, content };
  });
}

/**
 * Reads a `tokenizer.json`.
 *
 * @throws DataError naming the first field that would give other ids, its value and what is read
 */
export function readBpeFile(
  json: unknown,
  { endOfTextToken, maxVocabSize }: { readonly endOfTextToken: string; readonly maxVocabSize: number },
): BpeVocabulary {
  if (!isFields(json) || !isFields(json.model) || json.model.type !== "BPE") {
    const type = isFields(json) && isFields(json.model) ? ` of type ${shown(json.model.type)}` : "";
    throw new DataError(`tokenizer${type}: expected a tokenizer.json whose model is of type BPE`);
  }
  const { model } = json;
  const empty = oneOf(null, "", undefined);
  check(json, "", {
    version: anything,
    truncation: oneOf(null, undefined),
    padding: oneOf(null, undefined),
    added_tokens: anything,
    normalizer: oneOf(null, undefined),
    pre_tokenizer: anything,
    post_processor: anything,
    decoder: anything,
    model: anything,
  });
  checkStep(json.pre_tokenizer, "pre_tokenizer", oneOf(false));
  // It moves offsets and adds nothing.
  if (json.post_processor !== null && json.post_processor !== undefined)
    checkStep(json.post_processor, "post_processor", anything);
  // Without one, programs join tokens as they stand in the file, which nobody means.
  if (json.decoder !== null && json.decoder !== undefined) checkStep(json.decoder, "decoder", anything);
  check(model, "model.", {
    type: anything,
    dropout: oneOf(null, 0, undefined),
    unk_token: oneOf(null, undefined),
    continuing_subword_prefix: empty,
    end_of_word_suffix: empty,
    fuse_unk: anything, // nothing is unknown where every byte is a token
    byte_fallback: oneOf(false, undefined),
    ignore_merges: oneOf(false, undefined),
    vocab: [isFields, "tokens with their ids"],
    merges: [Array.isArray, "a list of pairs"],
  });

  const vocab = new Map(Object.entries(model.vocab as Fields));
  const special = readSpecial(json.added_tokens ?? [], vocab);
  const names = new Map([...vocab, ...special.map(({ content, id }) => [content, id] as const)]);
  if (names.size >= maxVocabSize)
    throw new DataError(`tokenizer: ${names.size} tokens: expected fewer than ${maxVocabSize}`);
  const seen = new Map<unknown, string>();
  for (const [token, id] of names) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= names.size)
      throw new DataError(
        `tokenizer token ${shown(token)}: id ${shown(id)}: expected 0 to ${names.size - 1}, as there are ${names.size} tokens`,
      );
    if (seen.has(id))
      throw new DataError(`tokenizer tokens ${shown(seen.get(id))} and ${shown(token)}: both have id ${id}`);
    seen.set(id, token);
  }
  const idOf = vocab as ReadonlyMap<string, number>;
  const byteIds = byteCharacters().map((character, byte) => {
    const id = idOf.get(character);
    if (id === undefined)
      throw new DataError(
        `tokenizer: byte ${byte} (${shown(character)}) has no id: expected all 256 bytes in model.vocab`,
      );
    return id;
  });

  const pairs = new Map<string, number>();
  const made = new Set<number>(byteIds);
  const merges = (model.merges as unknown[]).map((merge, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    const [first, second] = Array.isArray(pair) && pair.length === 2 ? (pair as string[]) : [];
    const [a, b, id] = [idOf.get(first!), idOf.get(second!), idOf.get(`${first}${second}`)];
    if (a === undefined || b === undefined || id === undefined)
      throw new DataError(
        `tokenizer model.merges[${i}] ${shown(merge)}: expected two tokens that together are one of model.vocab`,
      );
    if (!made.has(a) || !made.has(b))
      throw new DataError(
        `tokenizer model.merges[${i}] ${shown(merge)}: expected bytes or what earlier merges make`,
      );
    const key = `${a} ${b}`;
    if (pairs.has(key))
      throw new DataError(`tokenizer model.merges[${i}] ${shown(merge)}: is merge ${pairs.get(key)} again`);
    pairs.set(key, i);
    made.add(id);
    return { a, b, id };
  });
  const specialIds = new Set(special.map(({ id }) => id));
  for (const [token, id] of idOf) {
    if (!made.has(id) && !specialIds.has(id))
      throw new DataError(
        `tokenizer token ${shown(token)}: is no byte, made by no merge, and none of added_tokens`,
      );
    if (made.has(id) && specialIds.has(id))
      throw new DataError(`tokenizer added_tokens ${shown(token)}: is a byte or made by a merge as well`);
  }
  if (special.length === 0) return { byteIds, merges, special, endOfText: names.size };
  const end = special.find(({ content }) => content === endOfTextToken) ?? special[0]!;
  if (special.length > 1 && end.content !== endOfTextToken) {
    const listed = special.map(({ content }) => shown(content)).join(", ");
    throw new DataError(
      `tokenizer added_tokens: ${listed}: expected ${JSON.stringify(endOfTextToken)} or a single one, which ends documents, or none`,
    );
  }
  return { byteIds, merges, special, endOfText: end.id };
}

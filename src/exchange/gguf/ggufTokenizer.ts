import { isDeepStrictEqual } from "node:util";
import type { Tokenizer } from "../../data/index.ts";
import { ExchangeError } from "../../errors.ts";
import { type Fields, isFields } from "../configKeys.ts";
import { bool, type GgufFields, type GgufValue, string, uint32 } from "./ggufValue.ts";

/** Kinds of tokens in a file. Source: llama.h, `llama_token_type`. */
const tokenTypes = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

/** What a `tokenizer.json` splits texts into words by. */
type Split = { readonly digits: boolean } | { readonly pattern: string };

/** A pre-tokenizer of llama.cpp, and when it splits as a `tokenizer.json` does. */
interface PreTokenizer {
  /** `tokenizer.ggml.pre`. */
  readonly name: string;
  readonly split: Split;
  /** `ignore_merges` of the model; any if it is undefined. */
  readonly ignoreMerges?: boolean;
}

const words = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const threeDigits = `${contractions}|${words}|\\p{N}{1,3}|${rest}`;

/** In the order in which they are tried. Source: llama-vocab.cpp of llama.cpp. */
const preTokenizers: readonly PreTokenizer[] = [
  { name: "gpt-2", split: { digits: false } },
  { name: "smollm", split: { digits: true } },
  { name: "llama-bpe", split: { pattern: threeDigits }, ignoreMerges: true },
  { name: "dbrx", split: { pattern: threeDigits }, ignoreMerges: false },
  { name: "qwen2", split: { pattern: `${contractions}|${words}|\\p{N}|${rest}` } },
];

const steps = (part: unknown): readonly Fields[] => {
  if (!isFields(part)) return [];
  return part.type === "Sequence" && Array.isArray(part.pretokenizers) ? part.pretokenizers : [part];
};

/** How a file splits texts, in a form to compare; null for other pipelines. */
function splitOf(file: Fields): Split | null {
  const [first, second, ...more] = steps(file.pre_tokenizer);
  const isByteLevel = (step: Fields | undefined, usesRegex: boolean) =>
    step?.type === "ByteLevel" && step.add_prefix_space === false && (step.use_regex ?? true) === usesRegex;
  if (more.length > 0) return null;
  if (second === undefined) return isByteLevel(first, true) ? { digits: false } : null;
  if (first?.type === "Digits" && first.individual_digits === true && isByteLevel(second, true))
    return { digits: true };
  const pattern = isFields(first?.pattern) ? first.pattern.Regex : undefined;
  const isSplit = first?.type === "Split" && first.behavior === "Isolated" && first.invert !== true;
  return isSplit && typeof pattern === "string" && isByteLevel(second, false) ? { pattern } : null;
}

/** The tokenizer of a file, and what llama.cpp does otherwise. */
export interface GgufTokenizer {
  readonly fields: GgufFields;
  readonly notes: readonly string[];
}

const strings = (value: readonly string[]): GgufValue => ({ type: "array", of: "string", value });

/**
 * A tokenizer in the terms of llama.cpp: tokens, their kinds, merges, and the name of the pre-tokenizer that splits as this one does.
 *
 * @param file - its `tokenizer.json`
 * @param vocabSize - ids of the model; those beyond the tokenizer's are unused
 * @throws ExchangeError naming the part that llama.cpp hasn't
 */
export function ggufTokenizer(file: Fields, tokenizer: Tokenizer, vocabSize: number): GgufTokenizer {
  const fail = (problem: string): never => {
    throw new ExchangeError(`tokenizer ${problem}`);
  };
  const model = file.model as Fields;
  const ignoreMerges = model.ignore_merges === true;
  const split = splitOf(file);
  const pre = preTokenizers.find(
    (one) => isDeepStrictEqual(one.split, split) && (one.ignoreMerges ?? ignoreMerges) === ignoreMerges,
  );
  if (pre === undefined || (ignoreMerges && pre.ignoreMerges === undefined))
    return fail(
      `pre_tokenizer ${JSON.stringify(file.pre_tokenizer).slice(0, 80)}${ignoreMerges ? " with ignore_merges" : ""}: llama.cpp has none that splits so; expected byte-level BPE with the split of ${preTokenizers.map(({ name }) => name).join(", ")}`,
    );
  const normalizer = isFields(file.normalizer) ? file.normalizer.type : null;
  if (normalizer !== null && normalizer !== "NFC")
    fail(`normalizer of type ${JSON.stringify(normalizer)}: llama.cpp has none; expected none, or NFC`);

  const tokens = new Array<string>(vocabSize);
  const kinds = new Array<number>(vocabSize).fill(tokenTypes.normal);
  for (const [token, id] of Object.entries(model.vocab as Record<string, number>)) tokens[id] = token;
  for (const added of (file.added_tokens ?? []) as Fields[]) {
    const { id, content, special } = added as { id: number; content: string; special?: boolean };
    for (const side of ["lstrip", "rstrip", "single_word"])
      if (added[side] === true)
        fail(
          `added_tokens ${JSON.stringify(content)}: ${side} true: llama.cpp takes a token as it stands; expected false`,
        );
    tokens[id] = content;
    kinds[id] = special === true ? tokenTypes.control : tokenTypes.userDefined;
  }
  for (let id = 0; id < vocabSize; id++) {
    if (tokens[id] !== undefined) continue;
    tokens[id] = `[PAD${id}]`;
    kinds[id] = tokenTypes.unused;
  }
  const merges = (model.merges as (string | [string, string])[]).map((merge) =>
    typeof merge === "string" ? merge : merge.join(" "),
  );
  const begin = beginOf(tokenizer);
  if (begin === undefined)
    return fail(
      "post_processor: puts more than one token before a text, or some after it; llama.cpp puts one before it",
    );
  return {
    fields: {
      "tokenizer.ggml.model": string("gpt2"),
      "tokenizer.ggml.pre": string(pre.name),
      "tokenizer.ggml.tokens": strings(tokens),
      "tokenizer.ggml.token_type": { type: "array", of: "int32", value: kinds },
      "tokenizer.ggml.merges": strings(merges),
      "tokenizer.ggml.bos_token_id": uint32(begin ?? tokenizer.endOfText),
      "tokenizer.ggml.eos_token_id": uint32(tokenizer.endOfText),
      "tokenizer.ggml.add_bos_token": bool(begin !== null),
      "tokenizer.ggml.add_eos_token": bool(false),
    },
    notes:
      normalizer === null
        ? []
        : ["llama.cpp doesn't normalize texts (NFC): letters with combining accents get other ids there"],
  };
}

/** The token that stands before a prompt; null for none, undefined for what isn't one token before it. */
function beginOf(tokenizer: Tokenizer): number | null | undefined {
  const text = "a";
  const plain = tokenizer.encode(text);
  const whole = tokenizer.encodePrompt?.(text) ?? plain;
  if (isDeepStrictEqual(whole, plain)) return null;
  return isDeepStrictEqual(whole.slice(1), plain) ? whole[0] : undefined;
}

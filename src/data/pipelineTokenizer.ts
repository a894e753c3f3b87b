import { createHash } from "node:crypto";
import { Tokenizer as Pipeline } from "@huggingface/tokenizers";
import { DataError } from "../errors.ts";
import { byteOfCharacter } from "./bpeFile.ts";
import type { Tokenizer } from "./tokenizer.ts";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Parts of a pipeline by their types, held to the ids of Python's library; others are refused. */
const knownTypes = {
  normalizer: ["Sequence", "NFC", "Prepend", "Replace"],
  pre_tokenizer: ["Sequence", "ByteLevel", "Split", "Digits", "Metaspace"],
  post_processor: ["Sequence", "ByteLevel", "TemplateProcessing"],
  decoder: ["Sequence", "ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"],
} as const;

/** Values of a field that are known to be honoured, where not all are. */
const knownValues: Readonly<Record<string, readonly unknown[]>> = {
  behavior: ["Isolated", "MergedWithPrevious"],
  invert: [false],
  dropout: [null, 0],
  continuing_subword_prefix: [null, ""],
  end_of_word_suffix: [null, ""],
  truncation: [null],
  padding: [null],
};

/** Tokens that end a text in models whose tokenizer doesn't say it, the first that there is. */
const usualEnds = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

const encoder = new TextEncoder();

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

/** The steps of a part: those of a sequence one by one. */
function stepsOf(part: unknown): Fields[] {
  if (!isFields(part)) return [];
  const inner = part.normalizers ?? part.pretokenizers ?? part.processors ?? part.decoders;
  return part.type === "Sequence" && Array.isArray(inner) ? [part, ...inner.flatMap(stepsOf)] : [part];
}

function checkValues(fields: Fields, where: string): void {
  for (const [key, value] of Object.entries(fields)) {
    const known = knownValues[key];
    if (known !== undefined && value !== undefined && !known.includes(value))
      throw new DataError(
        `tokenizer ${where}${key} ${shown(value)}: expected ${known.map(shown).join(" or ")}`,
      );
  }
}

/** @throws DataError naming the first part that isn't known to be honoured */
function checkFile(file: Fields): void {
  for (const [name, types] of Object.entries(knownTypes)) {
    const part = file[name] ?? null;
    if (part !== null && !isFields(part))
      throw new DataError(`tokenizer ${name} ${shown(part)}: expected an object or null`);
    for (const step of stepsOf(part)) {
      if (!(types as readonly unknown[]).includes(step.type))
        throw new DataError(
          `tokenizer ${name} of type ${shown(step.type)}: isn't read; expected ${types.join(", ")}`,
        );
      checkValues(step, `${name}.`);
    }
  }
  checkValues(file, "");
  const { model } = file;
  if (!isFields(model) || model.type !== "BPE")
    throw new DataError(
      `tokenizer${isFields(model) ? ` of type ${shown(model.type)}` : ""}: expected a tokenizer.json whose model is of type BPE`,
    );
  checkValues(model, "model.");
  checkModel(model);
}

/** @throws DataError for ids that aren't whole, or of two tokens, and for merges of what there isn't */
function checkModel(model: Fields): void {
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
}

/** What a checkpoint keeps of a {@link PipelineTokenizer}. */
interface StoredPipeline {
  readonly format: "huggingface-tokenizer";
  readonly endOfText: number;
  readonly file: Fields;
}

/**
 * A `tokenizer.json` of other models, with all steps of its pipeline: normalizer, pre-tokenizer, byte fallback, added tokens. It is read by
 * Hugging Face's own library in JavaScript.
 */
export class PipelineTokenizer implements Tokenizer {
  readonly id: string;
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly #file: Fields;
  readonly #pipeline: Pipeline;
  readonly #bytes = new Map<number, Uint8Array>();

  /**
   * @param file - contents of a `tokenizer.json`
   * @param endOfTextToken - the token that ends a document. Default the first of the usual ones that there is.
   * @throws DataError naming the part that isn't known to be honoured
   */
  constructor(file: unknown, endOfTextToken: string | null = null) {
    if (!isFields(file)) throw new DataError("tokenizer: expected a JSON object");
    checkFile(file);
    this.#file = file;
    try {
      this.#pipeline = new Pipeline(file, {});
    } catch (error) {
      throw new DataError(`tokenizer: can't be read: ${(error as Error).message.split("\n")[0]}`, {
        cause: error,
      });
    }
    const vocab = this.#pipeline.get_vocab(true);
    this.vocabSize = Math.max(...vocab.values()) + 1;
    const end = endOfTextToken ?? usualEnds.find((token) => vocab.has(token)) ?? null;
    const endOfText = end === null ? undefined : vocab.get(end);
    if (endOfText === undefined)
      throw new DataError(
        end === null
          ? `tokenizer: has none of ${usualEnds.join(", ")}: expected eos_token in a tokenizer_config.json beside it, which ends documents`
          : `tokenizer: has no token ${shown(end)}, which is to end documents`,
      );
    this.endOfText = endOfText;
    for (const [token, id] of vocab) this.#bytes.set(id, this.#bytesOf(token));
    for (const [id, added] of this.#pipeline.get_added_tokens_decoder())
      this.#bytes.set(id, encoder.encode(added.special ? "" : added.content));
    this.#bytes.set(endOfText, new Uint8Array(0));
    const digest = createHash("sha256")
      .update(JSON.stringify([file, endOfText]))
      .digest("hex");
    this.id = `pipeline-${this.vocabSize}-${digest.slice(0, 16)}`;
  }

  /** What a token of the model stands for inside of a text; what decoders strip at its beginning stays. */
  #bytesOf(token: string): Uint8Array {
    const steps = stepsOf(this.#file.decoder);
    const has = (type: string) => steps.some((step) => step.type === type);
    if (has("ByteLevel")) {
      const bytes = Array.from(token, byteOfCharacter);
      return bytes.includes(undefined) ? encoder.encode(token) : Uint8Array.from(bytes as number[]);
    }
    const byte = has("ByteFallback") ? /^<0x([0-9A-F]{2})>$/.exec(token) : null;
    if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
    let text = token;
    for (const step of steps) {
      if (step.type === "Metaspace") text = text.replaceAll(String(step.replacement ?? "▁"), " ");
      if (step.type !== "Replace") continue;
      const pattern = (step.pattern as { String?: unknown } | undefined)?.String;
      if (typeof pattern !== "string" || typeof step.content !== "string")
        throw new DataError(`tokenizer decoder.pattern ${shown(step.pattern)}: expected a String`);
      text = text.replaceAll(pattern, step.content);
    }
    return encoder.encode(text);
  }

  encode(text: string): number[] {
    return this.#pipeline.encode(text, { add_special_tokens: false }).ids;
  }

  encodePrompt(text: string): number[] {
    return this.#pipeline.encode(text).ids;
  }

  bytes(id: number): Uint8Array {
    return this.#bytes.get(id) ?? new Uint8Array(0);
  }

  spelling(id: number): Uint8Array {
    const added = this.#pipeline.get_added_tokens_decoder().get(id);
    return added === undefined ? this.bytes(id) : encoder.encode(added.content);
  }

  /** The file as it was read. */
  toFile(): object {
    return this.#file;
  }

  toJSON(): StoredPipeline {
    return { format: "huggingface-tokenizer", endOfText: this.endOfText, file: this.#file };
  }

  /** Whether {@link fromJSON} reads a stored tokenizer. */
  static isStored(stored: unknown): stored is StoredPipeline {
    return isFields(stored) && stored.format === "huggingface-tokenizer";
  }

  /** @throws DataError as the constructor */
  static fromJSON({ file, endOfText }: StoredPipeline): PipelineTokenizer {
    const added = isFields(file) && Array.isArray(file.added_tokens) ? (file.added_tokens as Fields[]) : [];
    const token = added.find(({ id }) => id === endOfText)?.content;
    if (typeof token !== "string")
      throw new DataError(`tokenizer: has no added token of id ${endOfText}, which ends documents`);
    return new PipelineTokenizer(file, token);
  }
}

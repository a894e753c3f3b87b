import { createHash } from "node:crypto";
import { Tokenizer as Pipeline } from "@huggingface/tokenizers";
import { DataError } from "../errors.ts";
import { byteOfCharacter } from "./bpeFile.ts";
import { checkPipeline, stepsOf } from "./pipelineChecks.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type Fields, isFields, shown } from "./tokenizerFields.ts";

/** Tokens that end a text in models whose tokenizer doesn't say it, the first that there is. */
const usualEnds = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]"];

const encoder = new TextEncoder();

/** What `cleanup` of a WordPiece decoder takes the space away before, token by token as Python does it. */
const cleanedUp = new Set([".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"]);

/** Spaces to one of Rust and JavaScript alone. */
const oddSpaces = "[\\u0085\\ufeff]";

/** Where added tokens that take the spaces beside them stand beside spaces that the two libraries see otherwise; null if none takes any. */
function oddPlaces(added: readonly Fields[]): RegExp | null {
  const parts = added.flatMap(({ content, lstrip, rstrip }) => {
    const token = String(content).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    return [
      ...(lstrip === true ? [`${oddSpaces}[\\s\\u0085]*${token}`] : []),
      ...(rstrip === true ? [`${token}[\\s\\u0085]*${oddSpaces}`] : []),
    ];
  });
  return parts.length === 0 ? null : new RegExp(parts.join("|"), "u");
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
  readonly #oddPlaces: RegExp | null;

  /**
   * @param file - contents of a `tokenizer.json`
   * @param endOfTextToken - the token that ends a document. Default the first of the usual ones that there is.
   * @throws DataError naming the part that isn't known to be honoured
   */
  constructor(file: unknown, endOfTextToken: string | null = null) {
    if (!isFields(file)) throw new DataError("tokenizer: expected a JSON object");
    checkPipeline(file);
    this.#file = file;
    try {
      this.#pipeline = new Pipeline(file, {});
    } catch (error) {
      throw new DataError(`tokenizer: can't be read: ${(error as Error).message.split("\n")[0]}`, {
        cause: error,
      });
    }
    this.#oddPlaces = oddPlaces((file.added_tokens ?? []) as Fields[]);
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
      if (step.type === "WordPiece") {
        const { prefix = "##", cleanup = true } = step as { prefix?: string; cleanup?: boolean };
        if (text.startsWith(prefix)) text = text.slice(prefix.length);
        else if (!(cleanup && cleanedUp.has(text))) text = ` ${text}`;
      }
      if (step.type === "Metaspace") text = text.replaceAll(String(step.replacement ?? "▁"), " ");
      if (step.type !== "Replace") continue;
      const pattern = (step.pattern as { String?: unknown } | undefined)?.String;
      if (typeof pattern !== "string" || typeof step.content !== "string")
        throw new DataError(`tokenizer decoder.pattern ${shown(step.pattern)}: expected a String`);
      text = text.replaceAll(pattern, step.content);
    }
    return encoder.encode(text);
  }

  /** @throws DataError for a text in which an added token takes spaces that Python's library takes otherwise */
  encode(text: string): number[] {
    return this.#ids(text, false);
  }

  /** @throws DataError as {@link encode} */
  encodePrompt(text: string): number[] {
    return this.#ids(text, true);
  }

  #ids(text: string, addSpecialTokens: boolean): number[] {
    const found = this.#oddPlaces?.exec(text);
    if (found)
      throw new DataError(
        `tokenizer: text holds ${shown(found[0])}, an added token with lstrip or rstrip beside U+0085 or U+FEFF: expected other spaces`,
      );
    return this.#pipeline.encode(text, { add_special_tokens: addSpecialTokens }).ids;
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

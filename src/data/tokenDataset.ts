import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ConfigError, DataError } from "../errors.ts";
import { checkSeed } from "../numbers/index.ts";
import { AtomicFile, writeFileAtomically } from "./atomicFile.ts";
import { BpeTokenizer } from "./bpeTokenizer.ts";
import { byteTokenizer } from "./byteTokenizer.ts";
import {
  type DocumentOptions,
  formatOf,
  readDocuments,
  readFileDocuments,
  type SourceFile,
  sourceFiles,
} from "./documents.ts";
import { PipelineTokenizer } from "./pipelineTokenizer.ts";
import { namedFormat, parquetColumnBytes, readBytes } from "./records/index.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type TokenFile, TokenSource } from "./tokenSource.ts";
import { trainBpeOnStream } from "./trainBpe.ts";

export interface TokenDatasetOptions extends DocumentOptions {
  /** `"bytes"`, a BPE of so many ids trained on the source, the path of a `tokenizer.json`, or a tokenizer. */
  readonly tokenizer: "bytes" | { readonly bpe: number } | string | Tokenizer;
  /** Share of the documents that is kept for validation, in (0, 1); without meaning where the source has a split for it. */
  readonly validationFraction: number;
  /** Chooses the validation documents. */
  readonly seed: number;
  /** Folder for token files and trained vocabularies. */
  readonly cacheDirectory: string;
}

/** Tokens for training and validation. */
export interface TokenDataset extends Disposable {
  readonly train: TokenSource;
  readonly validation: TokenSource;
  readonly tokenizer: Tokenizer;
  readonly numDocuments: number;
  /** Whether the source says itself what to validate on. */
  readonly hasOwnSplit: boolean;
  /** Bytes of text in both parts. */
  readonly numBytes: number;
  /** Names the tokens and their order in both parts, wherever the files lie. */
  readonly identity: string;
}

/** A BPE is trained on no more text than this; more changes few merges. */
const maxTrainingCharacters = 16 * 2 ** 20;
const formatVersion = 3;

const sidecarSchema = z.object({
  version: z.literal(formatVersion),
  bytesPerToken: z.union([z.literal(2), z.literal(4)]),
  trainTokens: z.number().int(),
  validationTokens: z.number().int(),
  numDocuments: z.number().int(),
  numBytes: z.number().int(),
  identity: z.string(),
  tailSplit: z.boolean(),
});

type Sidecar = z.infer<typeof sidecarSchema>;

function hashOf(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/** Whether a document is kept for validation: decided by its name alone, so that adding documents moves no other one. */
export function isValidation(key: string, seed: number, fraction: number): boolean {
  const digest = createHash("sha256")
    .update(`${seed}\0${path.basename(key)}`)
    .digest();
  return digest.readUInt32LE(0) / 2 ** 32 < fraction;
}

/**
 * The tokenizer of a `tokenizer.json`: what Rotor's own trainer makes, and any other pipeline around a BPE that is known to be honoured. The
 * token that ends a document is `eos_token` of a `tokenizer_config.json` beside it, or the usual one.
 *
 * @throws DataError if it can't be read or used
 */
export function readTokenizer(file: string): Tokenizer {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new DataError(`tokenizer "${file}": expected "bytes", {bpe: n} or a readable tokenizer.json`, {
      cause: error,
    });
  }
  const json = parseJson(text, file);
  const end = endOfTextBeside(file);
  try {
    return tokenizerOf(json, end);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${file}: ${error.message}`, { cause: error });
  }
}

/** A file as Python's library takes it: what has merges is a BPE, whether it says so or not, as GPT-2's doesn't. */
function withModelType(json: unknown): unknown {
  const { model } = (json ?? {}) as { model?: { type?: unknown; merges?: unknown } | null };
  return model?.type === undefined && Array.isArray(model?.merges)
    ? { ...(json as object), model: { type: "BPE", ...model } }
    : json;
}

function tokenizerOf(file: unknown, end: string | null): Tokenizer {
  const json = withModelType(file);
  try {
    const own = BpeTokenizer.fromJSON(json);
    if (end === null || decodesTo(own, end)) return own;
  } catch (error) {
    // Of plain byte-level files the plain reader says best what is wrong.
    if (!(error instanceof DataError) || isPlain(json)) throw error;
  }
  return new PipelineTokenizer(json, end);
}

/** The tokenizer that `data.tokenizer` names: `bytes`, or a file. @throws as {@link readTokenizer} */
export const namedTokenizer = (name: string): Tokenizer =>
  name === "bytes" ? byteTokenizer() : readTokenizer(name);

/** Whether the token that ends documents has this name. */
function decodesTo(tokenizer: BpeTokenizer, end: string): boolean {
  const { added_tokens: added } = tokenizer.toJSON() as { added_tokens: { id: number; content: string }[] };
  return added.length === 0 || added.some(({ id, content }) => id === tokenizer.endOfText && content === end);
}

/** Whether a file is of the kind that Rotor's own trainer writes: bytes, split as GPT-2 does, and nothing else. */
function isPlain(json: unknown): boolean {
  const {
    normalizer,
    pre_tokenizer: split,
    model,
  } = (json ?? {}) as Record<string, { type?: unknown } | null>;
  const { use_regex: usesRegex = true, add_prefix_space: addsSpace } = (split ?? {}) as Record<
    string,
    unknown
  >;
  const isPlainSplit = split?.type === "ByteLevel" && usesRegex === true && addsSpace === false;
  return (model ?? null) === null || (model?.type === "BPE" && (normalizer ?? null) === null && isPlainSplit);
}

/** `eos_token` of a `tokenizer_config.json` in the same folder, or null. */
function endOfTextBeside(file: string): string | null {
  const beside = path.join(path.dirname(file), "tokenizer_config.json");
  let text: string;
  try {
    text = readFileSync(beside, "utf8");
  } catch {
    return null;
  }
  const { eos_token: end } = (parseJson(text, beside) ?? {}) as { eos_token?: unknown };
  const content = (end as { content?: unknown } | null | undefined)?.content ?? end ?? null;
  if (content === null || typeof content === "string") return content;
  throw new DataError(
    `${beside}: eos_token ${JSON.stringify(end).slice(0, 60)}: expected a token, an object with its content, or null`,
  );
}

async function loadTokenizer(files: readonly SourceFile[], options: TokenDatasetOptions): Promise<Tokenizer> {
  const { tokenizer } = options;
  if (typeof tokenizer === "string") return namedTokenizer(tokenizer);
  if (!("bpe" in tokenizer)) return tokenizer;
  const file = path.join(
    options.cacheDirectory,
    `bpe-${hashOf(files, options.format, options.field, tokenizer.bpe)}.json`,
  );
  try {
    return BpeTokenizer.fromJSON(readCached(file));
  } catch (error) {
    // Not there yet, or damaged.
    if (!(error instanceof DataError)) throw error;
  }
  const trained = await trainBpeOnStream(sampleTexts(files, options), tokenizer.bpe);
  writeFileAtomically(file, JSON.stringify(trained));
  return trained;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${file}: is not JSON`, { cause: error });
  }
}

/** Bytes of a file as they are read, that is, unpacked. */
async function readSize(file: SourceFile, options: DocumentOptions): Promise<number> {
  if (formatOf(file, options) === "parquet") return parquetColumnBytes(file.path, options.field ?? "text");
  if (namedFormat(file.path).compression === null) return file.size;
  let size = 0;
  for await (const chunk of readBytes(file.path)) size += chunk.length;
  return size;
}

/** Text for training a vocabulary, nothing of a validation split: all of it, or of a larger source every n-th part. */
async function* sampleTexts(files: readonly SourceFile[], options: DocumentOptions): AsyncGenerator<string> {
  const training = files.filter(({ split }) => split !== "validation");
  let total = 0;
  for (const file of training) total += await readSize(file, options);
  const every = Math.max(1, Math.ceil(total / maxTrainingCharacters));
  let index = 0;
  for await (const { text } of readDocuments(training, options)) {
    if (index++ % every === 0) yield text;
  }
}

/**
 * Trains a byte-level BPE of so many ids on texts, as `openTokenDataset` does for `{ bpe: n }`.
 *
 * @throws DataError if the source is missing, empty or not UTF-8; ConfigError for an impossible size
 */
export async function trainTokenizer(options: DocumentOptions, size: number): Promise<BpeTokenizer> {
  return trainBpeOnStream(sampleTexts(sourceFiles(options), options), size);
}

/** Whether a source says itself what to validate on. */
const hasValidationSplit = (files: readonly SourceFile[]) =>
  files.some(({ split }) => split === "validation");

/** Streams all documents through the tokenizer into two token files. */
async function writeTokens(
  files: readonly SourceFile[],
  tokenizer: Tokenizer,
  options: TokenDatasetOptions,
  base: string,
): Promise<Sidecar> {
  const bytesPerToken = tokenizer.vocabSize <= 65536 ? 2 : 4;
  const pack = (ids: readonly number[]) => {
    const packed = bytesPerToken === 2 ? Uint16Array.from(ids) : Uint32Array.from(ids);
    return new Uint8Array(packed.buffer);
  };
  using train = new AtomicFile(`${base}.train.bin`);
  using validation = new AtomicFile(`${base}.validation.bin`);
  const identity = createHash("sha256").update(tokenizer.id);
  let [trainTokens, validationTokens, numDocuments, numBytes] = [0, 0, 0, 0];
  const hasSplit = hasValidationSplit(files);
  for (const file of files) {
    for await (const { key, text, last } of readFileDocuments(file, options)) {
      const ids = tokenizer.encode(text);
      if (last) ids.push(tokenizer.endOfText);
      numBytes += Buffer.byteLength(text);
      if (last) numDocuments++;
      const packed = pack(ids);
      const isKept = hasSplit
        ? file.split === "validation"
        : isValidation(key, options.seed, options.validationFraction);
      identity.update(isKept ? "validation" : "train").update(packed);
      if (isKept) {
        validation.write(packed);
        validationTokens += ids.length;
      } else {
        train.write(packed);
        trainTokens += ids.length;
      }
    }
  }
  const source = `data source ${JSON.stringify(options.source)}`;
  if (numBytes === 0) throw new DataError(`${source}: holds no text`);
  if (hasSplit && (trainTokens === 0 || validationTokens === 0))
    throw new DataError(
      `${source}: its ${trainTokens === 0 ? "training" : "validation"} split holds no text`,
    );
  // One document can't be split by documents, and chance may put all on one side: then the tail is kept for validation.
  const tailSplit = trainTokens === 0 || validationTokens === 0;
  const sidecar: Sidecar = {
    version: formatVersion,
    bytesPerToken,
    trainTokens,
    validationTokens,
    numDocuments,
    numBytes,
    identity: identity.digest("hex").slice(0, 16),
    tailSplit,
  };
  train.commit();
  validation.commit();
  writeFileAtomically(`${base}.json`, JSON.stringify(sidecar));
  return sidecar;
}

/**
 * Opens a source as tokens. The text is tokenised once, in a stream, into files in the cache folder; afterwards only these are
 * read, window by window if they are large. Validation documents are those of the data set's own split, if it has one; else they are chosen by a
 * hash of their names, and of a single document the tail is kept.
 *
 * @throws DataError if the source is missing, empty or not UTF-8; ConfigError for impossible options
 */
export async function openTokenDataset(options: TokenDatasetOptions): Promise<TokenDataset> {
  const { validationFraction } = options;
  if (!(validationFraction > 0 && validationFraction < 1)) {
    throw new ConfigError(`validationFraction ${validationFraction}: expected a number between 0 and 1`);
  }
  checkSeed("data seed", options.seed);
  const files = sourceFiles(options);
  const tokenizer = await loadTokenizer(files, options);
  const key = hashOf(
    formatVersion,
    files,
    options.format,
    options.field,
    tokenizer.id,
    validationFraction,
    options.seed,
  );
  const base = path.join(options.cacheDirectory, key);
  const sidecar = readSidecar(base) ?? (await writeTokens(files, tokenizer, options, base));
  const part = (name: string, start: number, length: number): TokenFile => ({
    path: `${base}.${name}.bin`,
    start,
    length,
    bytesPerToken: sidecar.bytesPerToken,
  });
  let [train, validation] = [
    part("train", 0, sidecar.trainTokens),
    part("validation", 0, sidecar.validationTokens),
  ];
  let { identity } = sidecar;
  if (sidecar.tailSplit) {
    const [whole, name] =
      sidecar.trainTokens > 0 ? [sidecar.trainTokens, "train"] : [sidecar.validationTokens, "validation"];
    const kept = Math.max(1, Math.floor(whole * validationFraction));
    identity = hashOf(identity, kept);
    train = part(name as string, 0, (whole as number) - kept);
    validation = part(name as string, (whole as number) - kept, kept);
  }
  const sources = [new TokenSource(train), new TokenSource(validation)] as const;
  return {
    train: sources[0],
    validation: sources[1],
    tokenizer,
    numDocuments: sidecar.numDocuments,
    hasOwnSplit: hasValidationSplit(files),
    numBytes: sidecar.numBytes,
    identity,
    [Symbol.dispose]() {
      for (const source of sources) source[Symbol.dispose]();
    },
  };
}

/** What stands beside token files, or null if they must be made (anew): they are a cache. */
function readSidecar(base: string): Sidecar | null {
  const value = readCached(`${base}.json`);
  const parsed = sidecarSchema.safeParse(value);
  if (!parsed.success) return null;
  const { bytesPerToken, trainTokens, validationTokens } = parsed.data;
  const isWhole = (name: string, tokens: number) =>
    statSync(`${base}.${name}.bin`, { throwIfNoEntry: false })?.size === tokens * bytesPerToken;
  return isWhole("train", trainTokens) && isWhole("validation", validationTokens) ? parsed.data : null;
}

/** A cached value, or undefined if it is missing or damaged. */
function readCached(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

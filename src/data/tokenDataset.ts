import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ConfigError, DataError } from "../errors.ts";
import { AtomicFile, writeFileAtomically } from "./atomicFile.ts";
import { BpeTokenizer, trainBpe } from "./bpe.ts";
import { byteTokenizer } from "./byteTokenizer.ts";
import { type DocumentOptions, readDocuments, type SourceFile, sourceFiles } from "./documents.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type TokenFile, TokenSource } from "./tokenSource.ts";

export interface TokenDatasetOptions extends DocumentOptions {
  /** `"bytes"`, a BPE of so many ids trained on the source, or the path of a `tokenizer.json`. */
  readonly tokenizer: "bytes" | { readonly bpe: number } | string;
  /** Share of the documents that is kept for validation, in (0, 1). */
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
  /** Bytes of text in both parts. */
  readonly numBytes: number;
  /** Names the tokens and their order in both parts, wherever the files lie. */
  readonly identity: string;
}

/** A BPE is trained on no more text than this; more changes few merges. */
const maxTrainingCharacters = 16 * 2 ** 20;
const formatVersion = 2;

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
function isValidation(key: string, seed: number, fraction: number): boolean {
  const digest = createHash("sha256")
    .update(`${seed}\0${path.basename(key)}`)
    .digest();
  return digest.readUInt32LE(0) / 2 ** 32 < fraction;
}

function loadTokenizer(files: readonly SourceFile[], options: TokenDatasetOptions): Tokenizer {
  const { tokenizer } = options;
  if (tokenizer === "bytes") return byteTokenizer();
  if (typeof tokenizer === "string") {
    let text: string;
    try {
      text = readFileSync(tokenizer, "utf8");
    } catch (error) {
      throw new DataError(
        `tokenizer "${tokenizer}": expected "bytes", {bpe: n} or a readable tokenizer.json`,
        { cause: error },
      );
    }
    return BpeTokenizer.fromJSON(parseJson(text, tokenizer));
  }
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
  const trained = trainBpe(sampleTexts(files, options), tokenizer.bpe);
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

/** Text for training a vocabulary: all of it, or of a larger source every n-th part. */
function* sampleTexts(files: readonly SourceFile[], options: DocumentOptions): Generator<string> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const every = Math.max(1, Math.ceil(total / maxTrainingCharacters));
  let index = 0;
  for (const { text } of readDocuments(files, options)) {
    if (index++ % every === 0) yield text;
  }
}

/** Streams all documents through the tokenizer into two token files. */
function writeTokens(
  files: readonly SourceFile[],
  tokenizer: Tokenizer,
  options: TokenDatasetOptions,
  base: string,
): Sidecar {
  const bytesPerToken = tokenizer.vocabSize <= 65536 ? 2 : 4;
  const pack = (ids: readonly number[]) => {
    const packed = bytesPerToken === 2 ? Uint16Array.from(ids) : Uint32Array.from(ids);
    return new Uint8Array(packed.buffer);
  };
  using train = new AtomicFile(`${base}.train.bin`);
  using validation = new AtomicFile(`${base}.validation.bin`);
  const identity = createHash("sha256").update(tokenizer.id);
  let [trainTokens, validationTokens, numDocuments, numBytes] = [0, 0, 0, 0];
  for (const { key, text, last } of readDocuments(files, options)) {
    const ids = tokenizer.encode(text);
    if (last) ids.push(tokenizer.endOfText);
    numBytes += Buffer.byteLength(text);
    if (last) numDocuments++;
    const packed = pack(ids);
    const isKept = isValidation(key, options.seed, options.validationFraction);
    identity.update(isKept ? "validation" : "train").update(packed);
    if (isKept) {
      validation.write(packed);
      validationTokens += ids.length;
    } else {
      train.write(packed);
      trainTokens += ids.length;
    }
  }
  if (numBytes === 0) throw new DataError(`data source ${JSON.stringify(options.source)}: holds no text`);
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
 * read, window by window if they are large. Validation documents are chosen by a hash of their names; of a single document
 * the tail is kept.
 *
 * @throws DataError if the source is missing, empty or not UTF-8; ConfigError for impossible options
 */
export function openTokenDataset(options: TokenDatasetOptions): TokenDataset {
  const { validationFraction } = options;
  if (!(validationFraction > 0 && validationFraction < 1)) {
    throw new ConfigError(`validationFraction ${validationFraction}: expected a number between 0 and 1`);
  }
  const files = sourceFiles(options);
  const tokenizer = loadTokenizer(files, options);
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
  const sidecar = readSidecar(base) ?? writeTokens(files, tokenizer, options, base);
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

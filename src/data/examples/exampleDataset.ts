import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ConfigError, DataError } from "../../errors.ts";
import { AtomicFile, writeFileAtomically } from "../atomicFile.ts";
import { type DocumentOptions, readRecords, sourceFiles } from "../documents.ts";
import { isValidation } from "../tokenDataset.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { TokenSource } from "../tokenSource.ts";
import type { ChatTemplate } from "./chatTemplate.ts";
import { type ExampleKind, exampleFields, exampleOf, optionalFields } from "./exampleTokens.ts";
import { type ExampleRange, PackedExamples } from "./packedExamples.ts";

export interface ExampleDatasetOptions extends DocumentOptions {
  readonly examples: ExampleKind;
  readonly tokenizer: Tokenizer;
  /** Of conversations. */
  readonly template: ChatTemplate | null;
  /** Tokens of a row, `L`: longer examples are cut. */
  readonly length: number;
  readonly validationFraction: number;
  /** Chooses the validation examples. */
  readonly seed: number;
  /** Folder for token files. */
  readonly cacheDirectory: string;
}

/** Examples for training and validation, in rows. */
export interface ExampleDataset extends Disposable {
  readonly tokenizer: Tokenizer;
  readonly train: PackedExamples;
  readonly validation: PackedExamples;
  readonly numExamples: number;
  readonly hasOwnSplit: boolean;
  /** What a person should know: what was cut or left out. */
  readonly notes: readonly string[];
  readonly identity: string;
}

const formatVersion = 2;
const part = z.object({ tokens: z.number().int(), examples: z.number().int() });
const sidecarSchema = z.object({
  version: z.literal(formatVersion),
  train: part,
  validation: part,
  identity: z.string(),
});
type Sidecar = z.infer<typeof sidecarSchema>;

/** Bit of a stored token that says that it is to be learned. */
const learnedBit = 2 ** 31;

const parts = ["train", "validation"] as const;

async function writeExamples(options: ExampleDatasetOptions, base: string): Promise<Sidecar> {
  const { examples, tokenizer, seed, validationFraction, field, source } = options;
  const files = sourceFiles(options);
  const hasSplit = files.some(({ split }) => split === "validation");
  using trainTokens = new AtomicFile(`${base}.train.bin`);
  using validationTokens = new AtomicFile(`${base}.validation.bin`);
  const tokens = { train: trainTokens, validation: validationTokens };
  const sizes: Record<(typeof parts)[number], number[]> = { train: [], validation: [] };
  const identity = createHash("sha256").update(`${tokenizer.id} ${examples}`);
  for (const file of files) {
    const fields = exampleFields(examples, field);
    for await (const { where, key, values } of readRecords(file, fields, options, optionalFields(examples))) {
      const { ids, counts } = exampleOf(examples, values, options, where);
      const packed = Uint32Array.from(ids, (id, i) => (counts[i] ? id + learnedBit : id));
      const isKept = hasSplit ? file.split === "validation" : isValidation(key, seed, validationFraction);
      const to = isKept ? "validation" : "train";
      const bytes = new Uint8Array(packed.buffer);
      identity.update(to).update(bytes);
      tokens[to].write(bytes);
      sizes[to].push(ids.length);
    }
  }
  const total = sizes.train.length + sizes.validation.length;
  if (total < 2)
    throw new DataError(
      `data source ${JSON.stringify(source)}: holds ${total} examples; expected two or more, to train and to validate on`,
    );
  for (const name of parts)
    writeFileAtomically(`${base}.${name}.sizes`, new Uint8Array(Uint32Array.from(sizes[name]).buffer));
  for (const name of parts) tokens[name].commit();
  const described = (name: (typeof parts)[number]) => ({
    tokens: sizes[name].reduce((a, b) => a + b, 0),
    examples: sizes[name].length,
  });
  const sidecar: Sidecar = {
    version: formatVersion,
    train: described("train"),
    validation: described("validation"),
    identity: identity.digest("hex").slice(0, 16),
  };
  writeFileAtomically(`${base}.json`, JSON.stringify(sidecar));
  return sidecar;
}

function readSidecar(base: string): Sidecar | null {
  try {
    const parsed = sidecarSchema.safeParse(JSON.parse(readFileSync(`${base}.json`, "utf8")));
    const isWhole = (ending: string, size: number) =>
      statSync(`${base}.${ending}`, { throwIfNoEntry: false })?.size === size;
    if (!parsed.success) return null;
    const whole = parts.every(
      (name) =>
        isWhole(`${name}.bin`, 4 * parsed.data[name].tokens) &&
        isWhole(`${name}.sizes`, 4 * parsed.data[name].examples),
    );
    return whole ? parsed.data : null;
  } catch {
    return null;
  }
}

/**
 * Opens examples as tokens, in rows. They are rendered and tokenised once, into files in the cache folder. Validation examples are those of the
 * data set's own split, if it has one; else they are chosen by a hash of their names, and where chance keeps none, the last ones.
 *
 * @throws DataError naming the file and the record that can't be used; ConfigError for impossible options
 */
export async function openExampleDataset(options: ExampleDatasetOptions): Promise<ExampleDataset> {
  const { examples, tokenizer, template, length, validationFraction, seed } = options;
  if (examples === "chat" && template === null)
    throw new ConfigError(
      "config: data.examples chat: there is no chat template in what training begins with; expected data.chatTemplate, a file of Jinja or a tokenizer_config.json",
    );
  const files = sourceFiles(options);
  const key = createHash("sha256")
    .update(
      JSON.stringify([
        "examples",
        formatVersion,
        files,
        options.format,
        options.field,
        examples,
        template?.toJSON(),
        tokenizer.id,
        validationFraction,
        seed,
      ]),
    )
    .digest("hex")
    .slice(0, 16);
  const base = path.join(options.cacheDirectory, `examples-${key}`);
  const sidecar = readSidecar(base) ?? (await writeExamples(options, base));
  const opened = parts.map((name): ExampleRange => {
    const { tokens, examples: count } = sidecar[name];
    const source = new TokenSource({
      path: `${base}.${name}.bin`,
      start: 0,
      length: tokens,
      bytesPerToken: 4,
    });
    const bytes = readFileSync(`${base}.${name}.sizes`);
    const sizes = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const starts = new Float64Array(count + 1);
    for (let i = 0; i < count; i++) starts[i + 1] = starts[i]! + sizes[i]!;
    return { source, starts, from: 0, to: count };
  }) as [ExampleRange, ExampleRange];
  const [train, validation] = withTail(opened, validationFraction);
  const ranges = {
    train: new PackedExamples(train, length, tokenizer.vocabSize),
    validation: new PackedExamples(validation, length, tokenizer.vocabSize),
  };
  return {
    tokenizer,
    ...ranges,
    numExamples: sidecar.train.examples + sidecar.validation.examples,
    hasOwnSplit: files.some(({ split }) => split === "validation"),
    notes: notesOf(ranges, length),
    identity: sidecar.identity,
    [Symbol.dispose]() {
      for (const { source } of opened) source[Symbol.dispose]();
    },
  };
}

/** Where one part has no examples, the last of the other are kept. */
function withTail(
  [train, validation]: [ExampleRange, ExampleRange],
  share: number,
): [ExampleRange, ExampleRange] {
  if (train.to > 0 && validation.to > 0) return [train, validation];
  const whole = train.to > 0 ? train : validation;
  const kept = Math.max(1, Math.floor(whole.to * share));
  return [
    { ...whole, to: whole.to - kept },
    { ...whole, from: whole.to - kept },
  ];
}

function notesOf(
  { train, validation }: Pick<ExampleDataset, "train" | "validation">,
  length: number,
): string[] {
  const notes: string[] = [];
  const [cut, lost, idle] = (["numCut", "tokensCut", "numWithout"] as const).map(
    (name) => train[name] + validation[name],
  ) as [number, number, number];
  const total = train.numExamples + validation.numExamples;
  if (cut > 0)
    notes.push(
      `${cut} of ${total} examples are longer than training.length ${length} and were cut: ${lost} tokens less`,
    );
  if (idle > 0)
    notes.push(
      `${idle} of ${total} examples have nothing to learn within training.length ${length} and were left out`,
    );
  return notes;
}

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { z } from "zod";
import { AtomicFile, writeFileAtomically } from "../data/index.ts";
import { CheckpointError, OutputError } from "../errors.ts";
import { canonicalJson } from "./canonicalJson.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";

/** Version 1 had no seal. */
const formatVersion = 2;

const sidecarSchema = z.strictObject({
  format: z.literal("rotor-checkpoint"),
  version: z.number().int(),
  step: z.number().int().nonnegative(),
  sha256: z.string().length(64),
  byteLength: z.number().int(),
  config: z.unknown(),
  seed: z.number().int(),
  dataCursor: z.object({ step: z.number().int(), epochs: z.number() }),
  codeVersion: z.string(),
  /** Null for tasks without one. */
  tokenizer: z.unknown(),
  /** Of language models: names the content of the tokens. */
  data: z.string().optional(),
  /** Of language models that have one: how conversations are written as text. */
  chatTemplate: z.object({ source: z.string(), tokens: z.record(z.string(), z.string()) }).optional(),
  /** Of autoencoders. */
  image: z
    .object({ height: z.number().int(), width: z.number().int(), channels: z.number().int() })
    .optional(),
  /** Of transformers of codes: the autoencoder's run, step and identity. */
  codes: z
    .object({
      run: z.string(),
      step: z.number().int(),
      identity: z.string(),
      numClasses: z.number().int(),
    })
    .optional(),
  /** Of runs that don't train all of a model: the file of what isn't, which all checkpoints of the run share. */
  frozen: z.object({ sha256: z.string().length(64), byteLength: z.number().int() }).optional(),
  createdAt: z.string(),
  validationLoss: z.number().nullable(),
  /** SHA-256 of all fields above in their canonical form; absent in version 1. */
  seal: z.string().length(64).optional(),
});

/** What stands beside the tensors of a checkpoint. */
export type CheckpointSidecar = z.infer<typeof sidecarSchema>;

export interface Checkpoint {
  /** Path of the tensor file. */
  readonly file: string;
  readonly sidecar: CheckpointSidecar;
  readonly tensors: Map<string, StoredTensor>;
}

export type CheckpointContents = Omit<
  CheckpointSidecar,
  "format" | "version" | "sha256" | "byteLength" | "createdAt" | "seal"
>;

function directoryOf(runDirectory: string): string {
  return path.join(runDirectory, "checkpoints");
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** Where the tensors of a step's checkpoint lie, if there is one. */
export const checkpointFile = (runDirectory: string, step: number): string =>
  path.join(directoryOf(runDirectory), `${nameOf(step)}.safetensors`);

/** File of a run's folder that holds what isn't trained. */
export const frozenFile = "frozen.safetensors";

/** Of names of tensors that aren't trained, in the tensors of a checkpoint. */
export const frozenPrefix = "frozen.";

/**
 * Writes what a run doesn't train, once for all its checkpoints.
 *
 * @param tensors - by their dotted paths
 * @throws CheckpointError if it can't be written
 */
export function saveFrozen(
  runDirectory: string,
  tensors: ReadonlyMap<string, StoredTensor>,
): NonNullable<CheckpointSidecar["frozen"]> {
  const file = path.join(runDirectory, frozenFile);
  try {
    const hash = createHash("sha256");
    let byteLength = 0;
    using target = new AtomicFile(file);
    writeSafetensors(tensors, { format: "rotor" }, (bytes) => {
      hash.update(bytes);
      byteLength += bytes.length;
      target.write(bytes);
    });
    target.commit();
    return { sha256: hash.digest("hex"), byteLength };
  } catch (error) {
    throw new CheckpointError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** What {@link saveFrozen} wrote. @throws CheckpointError if it is missing, or not what the sidecar says */
function readFrozen(
  runDirectory: string,
  { sha256 }: NonNullable<CheckpointSidecar["frozen"]>,
): Map<string, StoredTensor> {
  const file = path.join(runDirectory, frozenFile);
  if (!existsSync(file))
    throw new CheckpointError(`${file}: is missing: it holds what the run doesn't train`);
  const hash = createHash("sha256");
  const { tensors } = readSafetensors(file, (bytes) => hash.update(bytes));
  if (hash.digest("hex") !== sha256)
    throw new CheckpointError(`${file}: checksum differs: it is damaged, or of another run`);
  return tensors;
}

/** SHA-256 of fields in their canonical form. */
function sealOf(fields: object): string {
  return createHash("sha256").update(canonicalJson(fields)).digest("hex");
}

/**
 * Saves a checkpoint: the tensors as safetensors, then a sidecar with their checksum. Both are written to a temporary file,
 * synced and renamed, and only the sidecar makes a checkpoint valid, so a process killed at any moment leaves the ones before
 * usable.
 *
 * @returns the path of the tensor file, and the seal of the sidecar
 * @throws CheckpointError if the disk is full or the folder can't be written; nothing is left behind then
 */
export function saveCheckpoint(
  runDirectory: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  contents: CheckpointContents,
): { readonly file: string; readonly seal: string } {
  const base = path.join(directoryOf(runDirectory), nameOf(contents.step));
  const file = `${base}.safetensors`;
  try {
    const hash = createHash("sha256");
    let byteLength = 0;
    // A checkpoint of the same step from an earlier try is no longer valid once its tensors change.
    rmSync(`${base}.json`, { force: true });
    {
      using target = new AtomicFile(file);
      writeSafetensors(tensors, { format: "rotor", step: String(contents.step) }, (bytes) => {
        hash.update(bytes);
        byteLength += bytes.length;
        target.write(bytes);
      });
      target.commit();
    }
    const fields: Omit<CheckpointSidecar, "seal"> = {
      format: "rotor-checkpoint",
      version: formatVersion,
      ...contents,
      sha256: hash.digest("hex"),
      byteLength,
      createdAt: new Date().toISOString(),
    };
    const seal = sealOf(fields);
    writeFileAtomically(`${base}.json`, `${canonicalJson({ ...fields, seal })}\n`);
    return { file, seal };
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    // What can't be written is named already.
    const what = error instanceof OutputError ? `checkpoint of step ${contents.step}` : `checkpoint ${file}`;
    throw new CheckpointError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** Steps of the checkpoints that have a sidecar, ascending. */
export function checkpointSteps(runDirectory: string): number[] {
  const directory = directoryOf(runDirectory);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .flatMap((name) => {
      const match = /^step-(\d+)\.json$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    })
    .sort((a, b) => a - b);
}

/** @throws CheckpointError unless the sidecar is as it was written, to the byte */
function checkSeal(text: string, json: object, fail: (problem: string) => never): void {
  const { seal, ...fields } = json as { readonly seal?: unknown };
  if (sealOf(fields) !== seal) fail("its seal doesn't fit its fields: it is damaged or was changed");
  if (text !== `${canonicalJson(json)}\n`) fail("isn't written as Rotor writes it: it was changed");
}

/**
 * Reads and verifies the checkpoint of a step: its sidecar by the seal, its tensors by their checksum. Sidecars of version 1 have no
 * seal, so that a change in them can't be seen.
 *
 * @throws CheckpointError if it is missing, damaged, changed, or of another program or version
 */
export function loadCheckpoint(runDirectory: string, step: number): Checkpoint {
  const { file, sidecar } = readSidecar(runDirectory, step);
  const hash = createHash("sha256");
  const { tensors } = readSafetensors(file, (bytes) => hash.update(bytes));
  if (hash.digest("hex") !== sidecar.sha256)
    throw new CheckpointError(`checkpoint ${file}: checksum differs: it is damaged`);
  if (sidecar.frozen !== undefined)
    for (const [name, tensor] of readFrozen(runDirectory, sidecar.frozen))
      tensors.set(`${frozenPrefix}${name}`, tensor);
  return { file, sidecar, tensors };
}

/** Reads and verifies the sidecar of a checkpoint. @throws CheckpointError as {@link loadCheckpoint} */
function readSidecar(runDirectory: string, step: number): Omit<Checkpoint, "tensors"> {
  const base = path.join(directoryOf(runDirectory), nameOf(step));
  const fail = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`checkpoint ${base}.json: ${problem}`, { cause });
  };
  let text = "";
  let json: unknown;
  try {
    text = readFileSync(`${base}.json`, "utf8");
    json = JSON.parse(text);
  } catch (error) {
    return fail(
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such checkpoint" : "is not JSON",
      error,
    );
  }
  const parsed = sidecarSchema.safeParse(json);
  if (!parsed.success) return fail("is not a checkpoint of Rotor");
  const sidecar = parsed.data;
  const isUnsealed = sidecar.version === 1 && sidecar.seal === undefined;
  if (sidecar.version !== formatVersion && !isUnsealed)
    fail(`has version ${sidecar.version}, this Rotor reads 1 and ${formatVersion}`);
  if (!isUnsealed) checkSeal(text, json as object, fail);
  if (sidecar.step !== step) fail(`is of step ${sidecar.step}: it is damaged`);
  return { file: `${base}.safetensors`, sidecar };
}

/** Whether a checkpoint is as it was written. Its tensors are read in parts, and not kept. */
export function isIntact(runDirectory: string, step: number): boolean {
  try {
    const { file, sidecar } = readSidecar(runDirectory, step);
    // What all checkpoints share is read whole only where it is used.
    const { frozen } = sidecar;
    if (frozen !== undefined && statSync(path.join(runDirectory, frozenFile)).size !== frozen.byteLength)
      return false;
    const descriptor = openSync(file, "r");
    try {
      const hash = createHash("sha256");
      const part = Buffer.alloc(2 ** 20);
      for (let count = readSync(descriptor, part); count > 0; count = readSync(descriptor, part))
        hash.update(part.subarray(0, count));
      return hash.digest("hex") === sidecar.sha256;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return false;
  }
}

/**
 * The newest checkpoint that can be read; damaged ones are passed over.
 *
 * @param warn - is told of every one passed over
 * @param open - reads and checks one of them
 * @throws CheckpointError if there is none
 */
export function latestCheckpoint(
  runDirectory: string,
  warn: (message: string) => void = () => {},
  open: (step: number) => Checkpoint = (step) => loadCheckpoint(runDirectory, step),
): Checkpoint {
  for (const step of checkpointSteps(runDirectory).reverse()) {
    try {
      return open(step);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      warn(`${error.message}; using the one before`);
    }
  }
  throw new CheckpointError(`run folder ${runDirectory}: has no usable checkpoint`);
}

/** The first difference between the tensors of two checkpoints, bit by bit, or null. */
export function firstDifference(
  left: ReadonlyMap<string, StoredTensor>,
  right: ReadonlyMap<string, StoredTensor>,
): string | null {
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(name), right.get(name)];
    if (a === undefined || b === undefined)
      return `tensor "${name}" is only in the ${a === undefined ? "second" : "first"}`;
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) {
      return `tensor "${name}" is ${a.dtype}[${a.shape.join()}] and ${b.dtype}[${b.shape.join()}]`;
    }
    const [x, y] = [a, b].map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    const place = x!.findIndex((byte, i) => byte !== y![i]);
    if (place >= 0) {
      const element = Math.floor(place / a.data.BYTES_PER_ELEMENT);
      return `tensor "${name}"[${element}] is ${a.data[element]} and ${b.data[element]}`;
    }
  }
  return null;
}

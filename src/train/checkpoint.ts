import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { EngineArray } from "../compile/index.ts";
import { AtomicFile, writeFileAtomically } from "../data/index.ts";
import { CheckpointError } from "../errors.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";

const formatVersion = 1;

const sidecarSchema = z.object({
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
  createdAt: z.string(),
  validationLoss: z.number().nullable(),
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
  "format" | "version" | "sha256" | "byteLength" | "createdAt"
>;

function directoryOf(runDirectory: string): string {
  return path.join(runDirectory, "checkpoints");
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** The leaves of a tree of engine arrays by their dotted paths. */
export function flattenState(root: unknown, prefix = ""): Map<string, EngineArray> {
  const leaves = new Map<string, EngineArray>();
  if (root instanceof EngineArray) return leaves.set(prefix, root);
  for (const [key, value] of Object.entries(root as Record<string, unknown>)) {
    for (const [name, leaf] of flattenState(value, prefix === "" ? key : `${prefix}.${key}`))
      leaves.set(name, leaf);
  }
  return leaves;
}

/**
 * The tree under a prefix of dotted paths, made of arrays of the engine without a copy. Parts without arrays are missing.
 *
 * @throws CheckpointError if there is no tensor under the prefix
 */
export function treeOfTensors(tensors: ReadonlyMap<string, StoredTensor>, prefix: string): unknown {
  const root: Record<string, unknown> = {};
  for (const [name, { data, shape }] of tensors) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const keys = name.slice(prefix.length + 1).split(".");
    let node: Record<string, unknown> = root;
    keys.slice(0, -1).forEach((key, i) => {
      node[key] ??= /^\d+$/.test(keys[i + 1]!) ? [] : {};
      node = node[key] as Record<string, unknown>;
    });
    node[keys.at(-1)!] = EngineArray.from(data, shape);
  }
  if (Object.keys(root).length === 0)
    throw new CheckpointError(`checkpoint: has no tensors under "${prefix}"`);
  return root;
}

/**
 * Saves a checkpoint: the tensors as safetensors, then a sidecar with their checksum. Both are written to a temporary file,
 * synced and renamed, and only the sidecar makes a checkpoint valid, so a process killed at any moment leaves the ones before
 * usable.
 *
 * @returns the path of the tensor file
 * @throws CheckpointError if the disk is full or the folder can't be written; nothing is left behind then
 */
export function saveCheckpoint(
  runDirectory: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  contents: CheckpointContents,
): string {
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
    const sidecar: CheckpointSidecar = {
      format: "rotor-checkpoint",
      version: formatVersion,
      ...contents,
      sha256: hash.digest("hex"),
      byteLength,
      createdAt: new Date().toISOString(),
    };
    writeFileAtomically(`${base}.json`, `${JSON.stringify(sidecar)}\n`);
    return file;
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`checkpoint ${file}: ${(error as Error).message}`, { cause: error });
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

/**
 * Reads and verifies the checkpoint of a step.
 *
 * @throws CheckpointError if it is missing, damaged or of another program or version
 */
export function loadCheckpoint(runDirectory: string, step: number): Checkpoint {
  const base = path.join(directoryOf(runDirectory), nameOf(step));
  const fail = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`checkpoint ${base}.json: ${problem}`, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(`${base}.json`, "utf8"));
  } catch (error) {
    return fail(
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such checkpoint" : "is not JSON",
      error,
    );
  }
  const parsed = sidecarSchema.safeParse(json);
  if (!parsed.success) return fail("is not a checkpoint of Rotor");
  const sidecar = parsed.data;
  if (sidecar.version !== formatVersion)
    fail(`has version ${sidecar.version}, this Rotor reads ${formatVersion}`);
  if (sidecar.step !== step) fail(`is of step ${sidecar.step}: it is damaged`);
  const file = `${base}.safetensors`;
  const hash = createHash("sha256");
  const { tensors } = readSafetensors(file, (bytes) => hash.update(bytes));
  if (hash.digest("hex") !== sidecar.sha256)
    throw new CheckpointError(`checkpoint ${file}: checksum differs: it is damaged`);
  return { file, sidecar, tensors };
}

/**
 * The newest checkpoint that can be read; damaged ones are passed over.
 *
 * @param warn - is told of every one passed over
 * @throws CheckpointError if there is none
 */
export function latestCheckpoint(
  runDirectory: string,
  warn: (message: string) => void = () => {},
): Checkpoint {
  for (const step of checkpointSteps(runDirectory).reverse()) {
    try {
      return loadCheckpoint(runDirectory, step);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      warn(`${error.message}; using the one before`);
    }
  }
  throw new CheckpointError(`run folder ${runDirectory}: has no usable checkpoint`);
}

/** Deletes all but the newest `keep` checkpoints and the one of step `best`, and what a process that was killed left behind. */
export function pruneCheckpoints(runDirectory: string, keep: number, best: number | null): void {
  const directory = directoryOf(runDirectory);
  const names = new Set(readdirSync(directory));
  for (const name of names) {
    const isOrphan = name.endsWith(".safetensors") && !names.has(name.replace(/safetensors$/, "json"));
    if (isOrphan || name.endsWith(".tmp")) rmSync(path.join(directory, name), { force: true });
  }
  for (const step of checkpointSteps(runDirectory).slice(0, -keep || undefined)) {
    if (step === best) continue;
    const base = path.join(directoryOf(runDirectory), nameOf(step));
    rmSync(`${base}.json`, { force: true });
    rmSync(`${base}.safetensors`, { force: true });
  }
}

/**
 * Puts the tensors of a checkpoint into the shape of a state.
 *
 * @param template - arrays of the expected shapes, by path
 * @throws CheckpointError naming the first tensor that is missing, unknown or of another shape
 */
export function matchTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  template: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: string }>,
  file: string,
): void {
  for (const [name, { shape, dtype }] of template) {
    const stored = tensors.get(name);
    if (stored === undefined) throw new CheckpointError(`checkpoint ${file}: tensor "${name}" is missing`);
    if (stored.dtype !== dtype || stored.shape.join() !== shape.join()) {
      throw new CheckpointError(
        `checkpoint ${file}: tensor "${name}" is ${stored.dtype}[${stored.shape.join()}], expected ${dtype}[${shape.join()}]`,
      );
    }
  }
  for (const name of tensors.keys()) {
    if (!template.has(name))
      throw new CheckpointError(`checkpoint ${file}: tensor "${name}" is not part of this model`);
  }
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

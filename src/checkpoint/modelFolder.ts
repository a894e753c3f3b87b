import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { arrayTypes, type StoredTensor, type TensorPlace, widen } from "../tensors/index.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensorsFile.ts";

const wholeFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Files of weights that run code when they are loaded. */
const pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth"];

interface FoundTensor {
  readonly file: SafetensorsFile;
  readonly place: TensorPlace;
}

/**
 * The weights of a folder as Hugging Face's hub has them: `model.safetensors`, or shards named by `model.safetensors.index.json`. They are read
 * piece by piece, so that a model is never in memory twice; float16 and bfloat16 become float32, exactly.
 */
export class ModelFolder implements Disposable {
  readonly #files = new DisposableStack();
  readonly #tensors: ReadonlyMap<string, FoundTensor>;
  #halves = new Uint16Array(0);

  /** @throws CheckpointError naming the file that is missing or damaged, or the tensor of which index and shards disagree */
  constructor(folder: string) {
    try {
      this.#tensors = this.#find(folder);
    } catch (error) {
      this.#files.dispose();
      throw error;
    }
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** Dimensions of a tensor. */
  shape(name: string): readonly number[] {
    return this.#tensors.get(name)!.place.shape;
  }

  /** The element type of a tensor here. */
  type(name: string): StoredTensor["dtype"] {
    const { dtype } = this.#tensors.get(name)!.place;
    return arrayTypes[dtype];
  }

  /** Fills `target` with the elements of a tensor of type `float32` from `from` on. @throws CheckpointError if the file has become shorter */
  read(name: string, target: Float32Array, from = 0): void {
    const { file, place } = this.#tensors.get(name)!;
    if (place.dtype === "F32") {
      file.read(place, new Uint8Array(target.buffer, target.byteOffset, target.byteLength), 4 * from);
      return;
    }
    if (this.#halves.length < target.length) this.#halves = new Uint16Array(target.length);
    const halves = this.#halves.subarray(0, target.length);
    file.read(place, new Uint8Array(halves.buffer, 0, halves.byteLength), 2 * from);
    widen(place.dtype as "F16" | "BF16", halves, target);
  }

  [Symbol.dispose](): void {
    this.#files.dispose();
  }

  #open(file: string): SafetensorsFile {
    return this.#files.use(openSafetensors(file, { halfPrecision: "widen" }));
  }

  #find(folder: string): Map<string, FoundTensor> {
    const [whole, index] = [path.join(folder, wholeFile), path.join(folder, indexFile)];
    if (existsSync(whole)) {
      if (existsSync(index))
        throw new CheckpointError(`${folder}: has ${wholeFile} and ${indexFile}: expected one of them`);
      const file = this.#open(whole);
      return new Map(file.places.map((place) => [place.name, { file, place }]));
    }
    if (!existsSync(index)) {
      const pickle = pickles.find((name) => existsSync(path.join(folder, name)));
      throw new CheckpointError(
        pickle === undefined
          ? `${folder}: has no ${wholeFile} and no ${indexFile}`
          : `${folder}: has ${pickle}, whose loading runs code, and no ${wholeFile}: save the model as safetensors`,
      );
    }
    return this.#findInShards(folder, index);
  }

  #findInShards(folder: string, index: string): Map<string, FoundTensor> {
    const fail = (problem: string, cause?: unknown): never => {
      throw new CheckpointError(`${index}: ${problem}`, { cause });
    };
    let json: unknown;
    try {
      json = JSON.parse(readFileSync(index, "utf8"));
    } catch (error) {
      return fail(error instanceof SyntaxError ? "is not JSON" : (error as Error).message, error);
    }
    const parsed = indexSchema.safeParse(json);
    if (!parsed.success) return fail("has no weight_map of tensors to files");
    const shardOf = new Map(Object.entries(parsed.data.weight_map));
    const shards = [...new Set(shardOf.values())];
    for (const shard of shards) {
      if (path.basename(shard) !== shard || !shard.endsWith(".safetensors"))
        fail(`file ${JSON.stringify(shard)}: expected a name that ends in .safetensors, in the same folder`);
      if (!existsSync(path.join(folder, shard))) fail(`file ${shard}: is missing`);
    }
    const tensors = new Map<string, FoundTensor>();
    for (const shard of shards) {
      const file = this.#open(path.join(folder, shard));
      for (const place of file.places) {
        const { name } = place;
        const named = shardOf.get(name);
        if (named !== shard)
          fail(
            `tensor "${name}": ${named === undefined ? "isn't in the index" : `is in ${named} by the index`}, and in the file ${shard}`,
          );
        tensors.set(name, { file, place });
      }
    }
    for (const [name, shard] of shardOf) {
      if (!tensors.has(name)) fail(`tensor "${name}": isn't in ${shard}, as the index says`);
    }
    return tensors;
  }
}

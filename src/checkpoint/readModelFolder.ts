import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";

const wholeFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Files of weights that run code when they are loaded. */
const pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth"];

/**
 * The tensors of a folder as Hugging Face's hub has them: `model.safetensors`, or shards named by `model.safetensors.index.json`. float16 and
 * bfloat16 are widened to float32, exactly.
 *
 * @throws CheckpointError naming the file that is missing or damaged, or the tensor of which index and shards disagree
 */
export function readModelFolder(folder: string): Map<string, StoredTensor> {
  const [whole, index] = [path.join(folder, wholeFile), path.join(folder, indexFile)];
  if (existsSync(whole)) {
    if (existsSync(index))
      throw new CheckpointError(`${folder}: has ${wholeFile} and ${indexFile}: expected one of them`);
    return readSafetensors(whole, undefined, { halfPrecision: "widen" }).tensors;
  }
  if (!existsSync(index)) {
    const pickle = pickles.find((name) => existsSync(path.join(folder, name)));
    throw new CheckpointError(
      pickle === undefined
        ? `${folder}: has no ${wholeFile} and no ${indexFile}`
        : `${folder}: has ${pickle}, whose loading runs code, and no ${wholeFile}: save the model as safetensors`,
    );
  }
  return readShards(folder, index);
}

function readShards(folder: string, index: string): Map<string, StoredTensor> {
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
  const tensors = new Map<string, StoredTensor>();
  for (const shard of shards) {
    const own = readSafetensors(path.join(folder, shard), undefined, { halfPrecision: "widen" }).tensors;
    for (const [name, tensor] of own) {
      const named = shardOf.get(name);
      if (named !== shard)
        fail(
          `tensor "${name}": ${named === undefined ? "isn't in the index" : `is in ${named} by the index`}, and in the file ${shard}`,
        );
      tensors.set(name, tensor);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name)) fail(`tensor "${name}": isn't in ${shard}, as the index says`);
  }
  return tensors;
}

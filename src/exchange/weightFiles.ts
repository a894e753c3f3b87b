import { writeFileSync } from "node:fs";
import path from "node:path";
import { AtomicFile } from "../data/index.ts";
import { ExchangeError } from "../errors.ts";
import { encodeHeader } from "../tensors/index.ts";

/** Element types of exported safetensors. */
export const weightTypes = ["float32", "float16", "bfloat16"] as const;

export type WeightType = (typeof weightTypes)[number];

/** A tensor of float32, made when it is asked for. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  make(): Float32Array;
}

const bytesOf = (type: WeightType) => (type === "float32" ? 4 : 2);

const sizeOf = ({ shape }: Weight) => shape.reduce((a, b) => a * b, 1);

/** The largest number that bfloat16 holds; larger ones of float32 would become infinite. */
const largestBfloat16 = 2 ** 127 * (2 - 2 ** -7);

/** Elements as a file has them: rounded to the nearest number, ties to even. @throws ExchangeError for numbers that become infinite */
function encoded(name: string, values: Float32Array, type: WeightType): Uint8Array {
  if (type === "float32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = new Uint16Array(values.length);
  if (type === "float16") new Float16Array(halves.buffer).set(values);
  else {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < bits.length; i++) halves[i] = (bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) >>> 16;
  }
  const infinite = type === "float16" ? 0x7c00 : 0x7f80;
  const place = halves.findIndex((half) => (half & infinite) === infinite);
  if (place >= 0)
    throw new ExchangeError(
      `tensor "${name}": holds ${values[place]}, beyond ${type === "float16" ? 65504 : largestBfloat16}, the largest of ${type}; expected float32`,
    );
  return new Uint8Array(halves.buffer);
}

/** Bytes of all tensors. */
export const weightBytes = (weights: readonly Weight[], type: WeightType): number =>
  weights.reduce((sum, weight) => sum + sizeOf(weight) * bytesOf(type), 0);

/** Tensors one after the other in files of at most so many bytes; a larger one has a file of its own. */
function shards(weights: readonly Weight[], type: WeightType, mostBytes: number): Weight[][] {
  const result: Weight[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const weight of weights) {
    const own = sizeOf(weight) * bytesOf(type);
    if (bytes + own > mostBytes) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(weight);
    bytes += own;
  }
  return result;
}

/** Writes one safetensors file. @throws ExchangeError for numbers that the type doesn't hold */
export function writeWeightFile(
  place: string,
  weights: readonly Weight[],
  type: WeightType,
  metadata: Readonly<Record<string, string>> = {},
): void {
  using file = new AtomicFile(place);
  const entries = weights.map((weight) => {
    const byteLength = sizeOf(weight) * bytesOf(type);
    return [weight.name, { dtype: type, shape: weight.shape, data: { byteLength } }] as const;
  });
  // Transformers asks for the format's name.
  file.write(encodeHeader(new Map(entries), { format: "pt", ...metadata }));
  for (const weight of weights) file.write(encoded(weight.name, weight.make(), type));
  file.commit();
}

/**
 * Writes weights as Hugging Face's hub has them: `model.safetensors`, or shards with `model.safetensors.index.json` if one file would be larger
 * than `mostBytes`.
 *
 * @throws ExchangeError for numbers that the type doesn't hold
 */
export function writeWeights(
  folder: string,
  weights: readonly Weight[],
  type: WeightType,
  mostBytes: number,
): void {
  const parts = shards(weights, type, mostBytes);
  const weightMap: Record<string, string> = {};
  parts.forEach((part, i) => {
    const number = (n: number) => String(n).padStart(5, "0");
    const name =
      parts.length === 1
        ? "model.safetensors"
        : `model-${number(i + 1)}-of-${number(parts.length)}.safetensors`;
    for (const weight of part) weightMap[weight.name] = name;
    writeWeightFile(path.join(folder, name), part, type);
  });
  if (parts.length > 1) {
    const index = { metadata: { total_size: weightBytes(weights, type) }, weight_map: weightMap };
    writeFileSync(path.join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, null, 2)}\n`);
  }
}

import { flattenShapes, ModelFolder, type StoredTensor } from "../checkpoint/index.ts";
import { transformerShapes } from "../config/index.ts";
import { CheckpointError } from "../errors.ts";
import { checkMemory } from "../memoryBudget.ts";
import { countParameters, type TransformerConfig } from "../nn/index.ts";
import { type Architecture, headNames } from "./architecture.ts";
import { emptyParts } from "./tensorRule.ts";

/** Numbers that are read at once: as float32 they fit in a core's second cache. */
const pieceSize = 1 << 16;

/** Reads tensors piece by piece, into the same memory again and again. */
class PieceReader {
  readonly #weights: ModelFolder;
  #memory = new Float32Array(pieceSize);

  constructor(weights: ModelFolder) {
    this.#weights = weights;
  }

  /**
   * Goes through a tensor in pieces of whole rows; a vector is one.
   *
   * @param visit - is given numbers that hold until the next call, and the row that they begin with
   * @throws what `fail` throws, for the first number that isn't finite
   */
  each(
    name: string,
    fail: (problem: string) => never,
    visit: (piece: Float32Array, row: number) => void,
  ): void {
    const shape = this.#weights.shape(name);
    const size = shape.reduce((a, b) => a * b, 1);
    const [rows, rowLength] = shape.length > 1 ? [shape[0]!, size / shape[0]!] : [1, size];
    const rowsAtOnce = Math.max(1, Math.floor(pieceSize / rowLength));
    if (this.#memory.length < rowLength) this.#memory = new Float32Array(rowLength);
    for (let row = 0; row < rows; row += rowsAtOnce) {
      const piece = this.#memory.subarray(0, Math.min(rowsAtOnce, rows - row) * rowLength);
      this.#weights.read(name, piece, row * rowLength);
      if (!areFinite(piece)) {
        const place = piece.findIndex((value) => !Number.isFinite(value));
        fail(`[${row * rowLength + place}] is ${piece[place]}: expected finite numbers`);
      }
      visit(piece, row);
    }
  }
}

/** Whether no exponent has all its bits set, as those of infinities and NaN have. */
function areFinite(values: Float32Array): boolean {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  // One more than such an exponent is the bit of the sign; a branch for each number would take longer.
  let signs = 0;
  for (let i = 0; i < bits.length; i++) signs |= (bits[i]! & 0x7f80_0000) + 0x0080_0000;
  return signs >= 0;
}

/**
 * The parameters that the weights of a folder hold, by their dotted paths. Each is made as its tensor is read: nothing of the file stays in memory.
 *
 * @throws MemoryError for a model larger than the memory, before anything is read; CheckpointError naming the first tensor that is missing, unknown,
 *   of another shape or type, or not finite
 */
export function readParameters(
  folder: string,
  { modelType, prefix, buffers, tensors }: Architecture,
  model: TransformerConfig,
): Map<string, StoredTensor> {
  const { total } = countParameters(model);
  checkMemory(`${folder}: a model of ${total} parameters`, 4 * total);
  using weights = new ModelFolder(folder);
  const reader = new PieceReader(weights);
  const failing =
    (name: string) =>
    (problem: string): never => {
      throw new CheckpointError(`${folder}: tensor "${name}": ${problem}`);
    };
  const shapes = flattenShapes(transformerShapes(model));
  const left = new Set(weights.names);
  // Files of a model without its head don't have the prefix.
  const hasPrefix = weights.names.some((name) => name.startsWith(prefix));
  const parameters = new Map<string, StoredTensor>();
  for (const rule of tensors(model)) {
    const names = rule.isOuter ? [rule.name, ...headNames] : [hasPrefix ? prefix + rule.name : rule.name];
    const name = names.find((one) => left.has(one)) ?? names[0]!;
    const fail = failing(name);
    if (!left.delete(name)) fail(`is missing: ${modelType} has it`);
    const own = rule.paths.map((parameter) => shapes.get(parameter)!.shape);
    const expected = rule.shape(own);
    const [type, shape] = [weights.type(name), weights.shape(name)];
    if (type !== "float32" || shape.join() !== expected.join())
      fail(`is ${type}[${shape.join()}], expected float32[${expected.join()}]`);
    const parts = emptyParts(own);
    reader.each(name, fail, (piece, row) => rule.place(piece, row, parts, own));
    rule.paths.forEach((parameter, i) => {
      parameters.set(parameter, { dtype: "float32", shape: own[i]!, data: parts[i]! });
    });
  }
  for (const name of left) {
    if (buffers?.test(name)) continue;
    const fail = failing(name);
    if (!model.tiedHead || !(headNames as readonly string[]).includes(name))
      fail(`isn't known of ${modelType}`);
    const isOther = "isn't the embedding, which tie_word_embeddings makes the head";
    const { shape, data } = parameters.get("embedding")!;
    if (weights.type(name) !== "float32" || weights.shape(name).join() !== shape.join()) fail(isOther);
    reader.each(name, fail, (piece, row) => {
      const begin = row * shape[1]!;
      if (piece.some((value, i) => value !== data[begin + i])) fail(isOther);
    });
  }
  return parameters;
}

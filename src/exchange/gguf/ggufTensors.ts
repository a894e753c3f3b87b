import type { StoredTensor } from "../../checkpoint/index.ts";
import { ExchangeError } from "../../errors.ts";
import type { TransformerConfig } from "../../nn/index.ts";
import { transposed } from "../tensorRule.ts";
import { type BlockTypeName, blockTypes } from "./blockTypes.ts";
import { frequencyFactors, type GgufArchitecture } from "./ggufArchitecture.ts";
import type { GgufTensor } from "./ggufFile.ts";

/** A tensor by llama.cpp's name, made of the model's parameters when it is asked for. */
interface NamedTensor {
  readonly name: string;
  /** Row by row; matrices are `[fan-out, fan-in]`. */
  readonly shape: readonly number[];
  make(): Float32Array;
  /** Element type whatever a person chose. Vectors are float32 anyway. */
  readonly keeps?: "float32";
}

type Parameters = ReadonlyMap<string, Pick<StoredTensor, "shape" | "data">>;

/** Names of what is in a block, but for queries, keys and values. */
const blockNames: Readonly<Record<string, string>> = {
  "attentionNorm.weight": "attn_norm.weight",
  "attentionNorm.bias": "attn_norm.bias",
  "attentionOutputNorm.weight": "post_attention_norm.weight",
  "mlpNorm.weight": "ffn_norm.weight",
  "mlpNorm.bias": "ffn_norm.bias",
  "mlpOutputNorm.weight": "post_ffw_norm.weight",
  "attention.wo": "attn_output.weight",
  "attention.bo": "attn_output.bias",
  "attention.qNorm.weight": "attn_q_norm.weight",
  "attention.kNorm.weight": "attn_k_norm.weight",
  "mlp.up": "ffn_up.weight",
  "mlp.upBias": "ffn_up.bias",
  "mlp.gate": "ffn_gate.weight",
  "mlp.gateBias": "ffn_gate.bias",
  "mlp.down": "ffn_down.weight",
  "mlp.downBias": "ffn_down.bias",
};

const outerNames: Readonly<Record<string, string>> = {
  embedding: "token_embd.weight",
  "position.embedding": "position_embd.weight",
  "norm.weight": "output_norm.weight",
  "norm.bias": "output_norm.bias",
  head: "output.weight",
};

/** Tables with a row for each id or place: the only matrices that stand as they are. */
const tables = new Set(["embedding", "position.embedding"]);

/** Rows of heads, from halves one after the other to neighbours that turn together. */
function withNeighbours(rows: Float32Array, headDim: number, width: number): Float32Array {
  const result = new Float32Array(rows.length);
  for (let row = 0; row < rows.length / width; row++) {
    const place = row % headDim;
    const [half, pair] = [Math.floor((2 * place) / headDim), place % (headDim / 2)];
    result.set(rows.subarray(row * width, (row + 1) * width), (row - place + 2 * pair + half) * width);
  }
  return result;
}

/** All tensors of a model under llama.cpp's names. */
function namedTensors(
  row: GgufArchitecture,
  model: TransformerConfig,
  parameters: Parameters,
): NamedTensor[] {
  const read = (path: string) => parameters.get(path)!;
  const values = (path: string) => read(path).data as Float32Array;
  /** A vector, or a matrix as `[fan-out, fan-in]`. */
  const rowsOf = (path: string): Float32Array => {
    const { shape } = read(path);
    return shape.length === 1 ? values(path) : transposed(values(path), shape[0]!, shape[1]!);
  };
  const shapeOf = (path: string) => read(path).shape.toReversed();
  const isNorm = (path: string) => /[nN]orm\.weight$/.test(path);
  const tensorOf = (name: string, path: string): NamedTensor => {
    if (tables.has(path))
      return {
        name,
        shape: read(path).shape,
        make: () => values(path),
        // As llama.cpp's own converter keeps it.
        ...(path === "embedding" ? {} : { keeps: "float32" }),
      };
    if (isNorm(path) && model.normGain === "zero-centered")
      return { name, shape: read(path).shape, make: () => values(path).map((gain) => gain + 1) };
    return { name, shape: shapeOf(path), make: () => rowsOf(path) };
  };
  const result: NamedTensor[] = [];
  for (const [path, name] of Object.entries(outerNames))
    if (parameters.has(path)) result.push(tensorOf(name, path));
  if (model.tiedHead && row.storesTiedHead)
    result.push({ name: outerNames.head!, shape: read("embedding").shape, make: () => values("embedding") });
  const factors = frequencyFactors(row, model);
  if (factors !== null)
    result.push({ name: "rope_freqs.weight", shape: [factors.length], make: () => factors });
  for (let layer = 0; layer < model.numLayers; layer++) {
    const own = (path: string) => `blocks.${layer}.${path}`;
    const block = (name: string) => `blk.${layer}.${name}`;
    for (const kind of ["weight", "bias"] as const) {
      const paths = ["q", "k", "v"].map((name) => own(`attention.${kind === "weight" ? "w" : "b"}${name}`));
      if (!parameters.has(paths[0]!)) continue;
      if (row.fusesHeads) {
        const shape = [
          paths.reduce((sum, path) => sum + shapeOf(path)[0]!, 0),
          ...shapeOf(paths[0]!).slice(1),
        ];
        result.push({ name: block(`attn_qkv.${kind}`), shape, make: () => joined(paths.map(rowsOf)) });
        continue;
      }
      ["q", "k", "v"].forEach((name, i) => {
        const path = paths[i]!;
        const turns = row.turnsNeighbours && name !== "v";
        result.push({
          name: block(`attn_${name}.${kind}`),
          shape: shapeOf(path),
          make: () =>
            turns ? withNeighbours(rowsOf(path), model.headDim, shapeOf(path)[1] ?? 1) : rowsOf(path),
        });
      });
    }
    for (const [path, name] of Object.entries(blockNames))
      if (parameters.has(own(path))) result.push(tensorOf(block(name), own(path)));
  }
  return result;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    result.set(part, start);
    start += part.length;
  }
  return result;
}

/** Elements that are encoded at once: whole blocks of every type. */
const chunk = 1 << 20;

/** The tensors of a file, and how many matrices have rows that are no whole blocks of the type: those are float16. */
export function ggufTensors(
  row: GgufArchitecture,
  model: TransformerConfig,
  parameters: Parameters,
  wanted: BlockTypeName,
): { readonly tensors: readonly GgufTensor[]; readonly numUnfit: number } {
  let numUnfit = 0;
  const tensors = namedTensors(row, model, parameters).map(({ name, shape, make, keeps }): GgufTensor => {
    const size = shape.reduce((a, b) => a * b);
    const fits = shape.at(-1)! % blockTypes[wanted].blockSize === 0;
    const isVector = shape.length === 1 || keeps === "float32";
    if (!isVector && !fits) numUnfit++;
    const type = blockTypes[isVector ? "float32" : fits ? wanted : "float16"];
    return {
      name,
      shape,
      typeNumber: type.typeNumber,
      byteLength: (size / type.blockSize) * type.blockBytes,
      write(sink) {
        const values = make();
        for (let start = 0; start < size; start += chunk) {
          const part = values.subarray(start, start + chunk);
          if (!part.every((value) => Math.abs(value) <= type.largest))
            throw new ExchangeError(
              `tensor "${name}": holds numbers above ${type.largest}, the largest of its element type; expected float32`,
            );
          sink(type.encode(part));
        }
      },
    };
  });
  return { tensors, numUnfit };
}

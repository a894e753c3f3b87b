/** How elements of a tensor are stored in a GGUF file. */
export interface BlockType {
  /** Number of the type of a tensor. Source: ggml.h, `ggml_type`. */
  readonly typeNumber: number;
  /** `general.file_type` of a file most of whose tensors are of the type. Source: llama.h, `llama_ftype`. */
  readonly fileType: number;
  /** Elements of a row that share a scale; rows are of whole blocks. */
  readonly blockSize: number;
  readonly blockBytes: number;
  /** The largest number that it holds. */
  readonly largest: number;
  /** Encodes whole blocks of finite numbers. */
  encode(values: Float32Array): Uint8Array;
}

const { fround } = Math;

/** Beyond it there is no number but infinity. */
const largestFloat16 = 65504;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

function encodeFloat16(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  for (let i = 0; i < values.length; i++) view.setFloat16(2 * i, values[i]!, true);
  return new Uint8Array(view.buffer);
}

const blockSize = 32;

/** Half away from zero, as C's `roundf`. */
const roundAway = (x: number) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/** `d = max|x|/127` in float16, then `round(x/d)` in 8 bits each. Arithmetic is float32, as in ggml's `quantize_row_q8_0_ref`. */
function encodeQ8(values: Float32Array): Uint8Array {
  const bytes = 2 + blockSize;
  const view = new DataView(new ArrayBuffer((values.length / blockSize) * bytes));
  for (let block = 0; block < values.length / blockSize; block++) {
    const [from, to] = [block * blockSize, block * bytes];
    let largest = 0;
    for (let i = 0; i < blockSize; i++) largest = Math.max(largest, Math.abs(values[from + i]!));
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    view.setFloat16(to, scale, true);
    for (let i = 0; i < blockSize; i++)
      view.setInt8(to + 2 + i, roundAway(fround(values[from + i]! * inverse)));
  }
  return new Uint8Array(view.buffer);
}

/**
 * `d = m/−8` in float16 with the element `m` of the largest size, then `min(15, ⌊x/d + 8.5⌋)` in 4 bits each: the lower half of a byte is of
 * the block's first 16 elements, the upper one of the others. As ggml's `quantize_row_q4_0_ref`.
 */
function encodeQ4(values: Float32Array): Uint8Array {
  const bytes = 2 + blockSize / 2;
  const view = new DataView(new ArrayBuffer((values.length / blockSize) * bytes));
  for (let block = 0; block < values.length / blockSize; block++) {
    const [from, to] = [block * blockSize, block * bytes];
    let largest = 0;
    for (let i = 0; i < blockSize; i++) {
      const value = values[from + i]!;
      if (Math.abs(value) > Math.abs(largest)) largest = value;
    }
    const scale = fround(largest / -8);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    view.setFloat16(to, scale, true);
    const nibble = (i: number) => Math.min(15, Math.trunc(fround(fround(values[from + i]! * inverse) + 8.5)));
    for (let i = 0; i < blockSize / 2; i++)
      view.setUint8(to + 2 + i, nibble(i) | (nibble(i + blockSize / 2) << 4));
  }
  return new Uint8Array(view.buffer);
}

/** Element types that can be written, by the names of a person's choice. */
export const blockTypes = {
  float32: {
    typeNumber: 0,
    fileType: 0,
    blockSize: 1,
    blockBytes: 4,
    largest: largestFloat32,
    encode: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  },
  float16: {
    typeNumber: 1,
    fileType: 1,
    blockSize: 1,
    blockBytes: 2,
    largest: largestFloat16,
    encode: encodeFloat16,
  },
  q8_0: {
    typeNumber: 8,
    fileType: 7,
    blockSize,
    blockBytes: 34,
    largest: 127 * largestFloat16,
    encode: encodeQ8,
  },
  q4_0: {
    typeNumber: 2,
    fileType: 2,
    blockSize,
    blockBytes: 18,
    largest: 8 * largestFloat16,
    encode: encodeQ4,
  },
} as const satisfies Readonly<Record<string, BlockType>>;

export type BlockTypeName = keyof typeof blockTypes;

export const ggufTypes = Object.keys(blockTypes) as readonly BlockTypeName[];

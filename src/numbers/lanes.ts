/**
 * Instructions of WebAssembly that work on four lanes of 32 bits at once, as bytes: as much of its assembly as random numbers take. An
 * instruction is a function of the code of its operands, so that code reads as the formula it computes.
 *
 * Source: WebAssembly core specification 2.0, section 5.4.9, "vector instructions".
 */
export type Code = readonly number[];

/** A whole number ≥ 0 in the binary format (LEB128). */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const isLast = value >= -64 && value < 64;
  return isLast ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)];
}

const instruction =
  (number: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, ...unsigned(number)];

const ofBytes = (words: Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): Code => [
  0xfd,
  0x0c,
  ...new Uint8Array(words.buffer),
];

export const lanes = {
  ints: (...values: readonly [number] | readonly [number, number, number, number]) =>
    ofBytes(Int32Array.from({ length: 4 }, (_, i) => values[i] ?? values[0])),
  floats: (value: number) => ofBytes(new Float32Array(4).fill(value)),
  /** One 32-bit integer, or one float, in all lanes. */
  fromInt: instruction(0x11),
  fromFloat: instruction(0x13),
  and: instruction(0x4e),
  or: instruction(0x50),
  xor: instruction(0x51),
  /** Bits of the first operand where the third has ones, else of the second. */
  select: instruction(0x52),
  addInts: instruction(0xae),
  left: (value: Code, by: number) => instruction(0xab)(value, int(by)),
  /** Copies of the highest bit come in. */
  rightSigned: (value: Code, by: number) => instruction(0xac)(value, int(by)),
  right: (value: Code, by: number) => instruction(0xad)(value, int(by)),
  toInts: instruction(0xf8),
  toFloats: instruction(0xfa),
  nearest: instruction(0x6a),
  /** Ones in all bits where `a ≤ b`. */
  lessEqual: instruction(0x45),
  abs: instruction(0xe0),
  sqrt: instruction(0xe3),
  add: instruction(0xe4),
  sub: instruction(0xe5),
  mul: instruction(0xe6),
  div: instruction(0xe7),
  min: instruction(0xe8),
  max: instruction(0xe9),
  /** Writes four lanes to the memory. */
  store: (address: Code, value: Code, offset: number): Code => [
    ...address,
    ...value,
    0xfd,
    0x0b,
    0,
    ...unsigned(offset),
  ],
};

export const int = (value: number): Code => [0x41, ...signed(value)];
export const addInt = (a: Code, b: Code): Code => [...a, ...b, 0x6a];
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];

/** Repeats `body` while `a < b`, two integers without sign that are read after it; runs it at least once. */
export const repeatWhileLess = (body: Code, a: Code, b: Code): Code => [
  0x03,
  0x40,
  ...body,
  ...a,
  ...b,
  0x49,
  0x0d,
  0,
  0x0b,
];

export type ParameterKind = "int" | "float";
const kinds: Readonly<Record<ParameterKind, number>> = { int: 0x7f, float: 0x7d };

/** Bytes of the memory of a module: one page. */
export const pageBytes = 65536;

/**
 * A module with one page of memory and one function without a result.
 *
 * @param parameters - locals `0 …`
 * @param ints - how many integer locals come after them
 * @param vectors - how many locals of four lanes come after those
 */
export function instantiate(
  parameters: readonly ParameterKind[],
  ints: number,
  vectors: number,
  body: Code,
): { readonly run: (...args: number[]) => void; readonly memory: ArrayBuffer } {
  const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
  const code = [2, ...unsigned(ints), 0x7f, ...unsigned(vectors), 0x7b, ...body, 0x0b];
  const module = new WebAssembly.Module(
    Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, parameters.length, ...parameters.map((kind) => kinds[kind]), 0]),
      ...section(3, [1, 0]),
      ...section(5, [1, 0, 1]),
      // Exports "m", memory 0, and "f", function 0.
      ...section(7, [2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0]),
      ...section(10, [1, ...unsigned(code.length), ...code]),
    ]),
  );
  const { m, f } = new WebAssembly.Instance(module).exports as {
    readonly m: WebAssembly.Memory;
    readonly f: (...args: number[]) => void;
  };
  return { run: f, memory: m.buffer as ArrayBuffer };
}

/** Element types of 16 bits as safetensors names them. */
export type HalfType = "F16" | "BF16";

/** The float32 of each of the 65536 numbers of float16, exactly. */
let float16Values: Float32Array<ArrayBuffer> | null = null;

function float16Table(): Float32Array<ArrayBuffer> {
  // Sign, 5 bits of exponent, 10 of fraction: `±2^(e−15)·(1 + f/1024)`, without the 1 and with e = 1 where e is 0; ∞ and NaN where it is 31.
  float16Values ??= Float32Array.from({ length: 0x10000 }, (_, bits) => {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const sign = bits < 0x8000 ? 1 : -1;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
  });
  return float16Values;
}

/** Numbers of 16 bits as float32, which holds each exactly. @param halves - bits of as many numbers as `target` takes */
export function widen(type: HalfType, halves: Uint16Array, target: Float32Array): void {
  const size = halves.length;
  if (type === "F16") {
    const values = float16Table();
    for (let i = 0; i < size; i++) target[i] = values[halves[i]!]!;
    return;
  }
  // A bfloat16 is the upper half of a float32.
  const bits = new Int32Array(target.buffer, target.byteOffset, size);
  for (let i = 0; i < size; i++) bits[i] = halves[i]! << 16;
}

import { DataError } from "../errors.ts";

/** `⌈log₂ K⌉`, the bits that a code of a codebook of `K` takes; none where there is only one. */
export function bitsPerCode(codebookSize: number): number {
  return codebookSize <= 1 ? 0 : 32 - Math.clz32(codebookSize - 1);
}

/**
 * Writes codes one after the other without gaps, the lowest bit first: bit `i` is bit `i mod 8` of byte `⌊i/8⌋`.
 *
 * @param sizes codebook sizes, in turn: code `i` is of `sizes[i mod sizes.length]`
 * @param target zeros, long enough
 * @throws DataError for a code that is out of range
 */
export function packBits(codes: Int32Array, sizes: readonly number[], target: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < codes.length; i++) {
    const size = sizes[i % sizes.length]!;
    const code = codes[i]!;
    if (code < 0 || code >= size)
      throw new DataError(`codes: ${code} at ${i}: expected an integer in [0, ${size})`);
    const bits = bitsPerCode(size);
    for (let b = 0; b < bits; b++, at++) target[at >> 3]! |= ((code >>> b) & 1) << (at & 7);
  }
}

/** Reads what {@link packBits} wrote. */
export function unpackBits(source: Uint8Array, sizes: readonly number[], target: Int32Array): void {
  let at = 0;
  for (let i = 0; i < target.length; i++) {
    const bits = bitsPerCode(sizes[i % sizes.length]!);
    let code = 0;
    for (let b = 0; b < bits; b++, at++) code |= ((source[at >> 3]! >> (at & 7)) & 1) << b;
    target[i] = code;
  }
}

import { totalmem } from "node:os";
import { MemoryError } from "./errors.ts";

/** Variable of the environment with the gigabytes (10⁹ bytes) that one thing may take. */
const limitVariable = "ROTOR_MEMORY_GB";

/** Bytes in words: `26.1 GB`. */
export const inGigabytes = (bytes: number): string =>
  bytes >= 1e9 ? `${Number((bytes / 1e9).toPrecision(3))} GB` : `${Number((bytes / 1e6).toPrecision(3))} MB`;

/**
 * Bytes that may be taken, and whose limit that is: `ROTOR_MEMORY_GB`, or the memory of the machine, of which a container may have been given
 * a part.
 *
 * @throws MemoryError if the variable is no number above 0
 */
export function memoryLimit(): { readonly bytes: number; readonly reason: string } {
  const text = process.env[limitVariable] ?? "";
  if (text !== "") {
    const gigabytes = Number(text);
    if (!(gigabytes > 0)) throw new MemoryError(`${limitVariable} "${text}": expected gigabytes above 0`);
    return { bytes: gigabytes * 1e9, reason: `${limitVariable} allows ${inGigabytes(gigabytes * 1e9)}` };
  }
  // 0 where nothing is known, and a number beyond all memory where nothing constrains.
  const constrained = process.constrainedMemory();
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return { bytes, reason: `this machine has ${inGigabytes(bytes)}` };
}

/**
 * Refuses what would take more memory than there is, before anything is made: sizes that a person, a file or a database states go through here.
 *
 * @param what - what takes it, with the size that was stated
 * @param bytes - at least; a lower bound is enough to refuse by
 * @throws MemoryError
 */
export function checkMemory(what: string, bytes: number): void {
  const limit = memoryLimit();
  if (!(bytes <= limit.bytes))
    throw new MemoryError(`${what}: needs ${inGigabytes(bytes)} or more, ${limit.reason}`);
}

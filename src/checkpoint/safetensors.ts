import { asBytes, encodeHeader, type StoredTensor, storedTensor } from "../tensors/index.ts";
import { openSafetensors, type ReadSafetensorsOptions } from "./safetensorsFile.ts";

export type { StoredTensor } from "../tensors/index.ts";

/**
 * Writes tensors in the safetensors format: the length of the header (8 bytes, little endian), the header as JSON, then the
 * elements of one tensor after the other, without a copy of them in memory.
 *
 * Source: github.com/huggingface/safetensors, README, "Format".
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  write: (bytes: Uint8Array) => void,
): void {
  write(encodeHeader(tensors, metadata));
  for (const { data } of tensors.values()) write(asBytes(data));
}

/**
 * Reads a safetensors file.
 *
 * @param onBytes - is given all bytes in order, for a checksum
 * @throws CheckpointError naming the file and what is wrong with it
 */
export function readSafetensors(
  file: string,
  onBytes: (bytes: Uint8Array) => void = () => {},
  options: ReadSafetensorsOptions = {},
): {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
} {
  using opened = openSafetensors(file, options, onBytes);
  const tensors = new Map<string, StoredTensor>();
  for (const place of opened.places) {
    const bytes = new Uint8Array(place.byteLength);
    opened.read(place, bytes);
    onBytes(bytes);
    tensors.set(place.name, storedTensor(place, bytes.buffer));
  }
  return { tensors, metadata: opened.metadata };
}

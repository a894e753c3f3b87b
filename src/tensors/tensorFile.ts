import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import {
  asBytes,
  encodeHeader,
  headerLength,
  lengthBytes,
  parseHeader,
  type StoredTensor,
  storedTensor,
} from "./safetensorsHeader.ts";

/** What the metadata of a file hold: which kind of file it is, what is said of its tensors (as JSON), and the SHA-256 of both. */
const metadataSchema = z.object({ format: z.string(), about: z.string(), sha256: z.string().length(64) });

async function sha256(...parts: readonly Uint8Array<ArrayBuffer>[]): Promise<string> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  const digest = await crypto.subtle.digest("SHA-256", whole);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the checksum is of: names, types and shapes with the text, then the elements. */
const summary = (tensors: ReadonlyMap<string, StoredTensor>, about: string) => {
  const entries = [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]);
  return new TextEncoder().encode(JSON.stringify([about, entries]));
};

/**
 * Tensors in one file that says what they are and whether it is whole: safetensors, which other programs read too, with a checksum and a text.
 *
 * @param format - names the kind of file
 * @param about - anything that JSON can hold
 * @returns parts of the file, in order
 */
export async function encodeTensorFile(
  format: string,
  about: unknown,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const text = JSON.stringify(about);
  const elements = [...tensors.values()].map(({ data }) => asBytes(data));
  const checksum = await sha256(summary(tensors, text), ...elements);
  return [encodeHeader(tensors, { format, about: text, sha256: checksum }), ...elements];
}

/** @throws CheckpointError unless the metadata of a file's tensors are those of its kind, and the checksum fits */
export async function checkTensorFile(
  format: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
): Promise<unknown> {
  const parsed = metadataSchema.safeParse(metadata);
  if (!parsed.success || parsed.data.format !== format)
    throw new CheckpointError(
      `${file}: its metadata say format ${JSON.stringify(metadata.format ?? null)}: expected "${format}"`,
    );
  const { about, sha256: expected } = parsed.data;
  const elements = [...tensors.values()].map(({ data }) => asBytes(data));
  if ((await sha256(summary(tensors, about), ...elements)) !== expected)
    throw new CheckpointError(`${file}: checksum differs: it is damaged`);
  return JSON.parse(about);
}

/**
 * Reads and checks what {@link encodeTensorFile} made.
 *
 * @param file - what to call it
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function decodeTensorFile(
  format: string,
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
): Promise<{ readonly about: unknown; readonly tensors: Map<string, StoredTensor> }> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`${file}: ${problem}`, { cause });
  };
  if (bytes.length < lengthBytes) fail("is no safetensors file: shorter than 8 bytes");
  const length = headerLength(bytes, bytes.length, fail);
  const begin = lengthBytes + length;
  const { metadata, places } = parseHeader(bytes.subarray(lengthBytes, begin), bytes.length, "refuse", fail);
  const tensors = new Map(
    places.map((place) => {
      const start = begin + place.start;
      return [place.name, storedTensor(place, bytes.slice(start, start + place.byteLength).buffer)];
    }),
  );
  return { about: await checkTensorFile(format, metadata, tensors, file), tensors };
}

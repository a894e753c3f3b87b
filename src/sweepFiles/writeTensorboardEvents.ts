import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A value of a metric, and when it was measured. */
export interface TimedScalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
}

/** Remainders of the Castagnoli polynomial, by byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
  return rest;
});

/** CRC-32C, rotated and shifted as TFRecord wants it. */
function maskedChecksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A length, its checksum, the event, its checksum. */
function record(event: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(event.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(event.length), true);
  view.setUint32(8, maskedChecksum(bytes.subarray(0, 8)), true);
  bytes.set(event, 12);
  view.setUint32(12 + event.length, maskedChecksum(event), true);
  return bytes;
}

/**
 * An event file of TensorBoard with scalars, in the order of the rows. Values are float32 there.
 *
 * Source: field numbers of event.proto and summary.proto, and the framing of TFRecord, TensorBoard 2.21.0.
 */
export function writeTensorboardEvents(rows: readonly TimedScalar[]): Uint8Array<ArrayBuffer> {
  const version = new BinaryWriter()
    .tag(1, WireType.Bit64)
    .double(rows[0]?.wallTime ?? 0)
    .tag(3, WireType.LengthDelimited)
    .string("brain.Event:2")
    .finish();
  const parts = [record(version)];
  for (const { tag, step, value, wallTime } of rows) {
    const scalar = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(tag)
      .tag(2, WireType.Bit32)
      .float(Math.fround(value))
      .finish();
    const summary = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(scalar).finish();
    const event = new BinaryWriter()
      .tag(1, WireType.Bit64)
      .double(wallTime)
      .tag(2, WireType.Varint)
      .int64(step)
      .tag(5, WireType.LengthDelimited)
      .bytes(summary)
      .finish();
    parts.push(record(event));
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { DataError } from "../errors.ts";
import { flattenInto, type RunRecord } from "./records.ts";

const blockSize = 32768;
const headerSize = 7;

/** Records of a file in LevelDB's log format, whose first block begins with W&B's own seven bytes. A record that is cut off ends the file. */
export function* logRecords(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let parts: Uint8Array[] = [];
  for (let at = headerSize; at + headerSize <= bytes.length; ) {
    const left = blockSize - (at % blockSize);
    if (left < headerSize) {
      at += left;
      continue;
    }
    const length = view.getUint16(at + 4, true);
    const kind = bytes[at + 6]!;
    at += headerSize;
    if (kind < 1 || kind > 4 || at + length > bytes.length) return;
    const part = bytes.subarray(at, at + length);
    at += length;
    if (kind === 1) yield part;
    else {
      parts = kind === 2 ? [part] : [...parts, part];
      if (kind === 4) yield Buffer.concat(parts);
    }
  }
}

/** Fields of a message: bytes of those with a length, numbers of the others. */
function* messageFields(bytes: Uint8Array): Generator<readonly [field: number, value: Uint8Array | number]> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.LengthDelimited) yield [field, reader.bytes()];
    else if (wire === WireType.Varint) yield [field, Number(reader.int64())];
    else reader.skip(wire);
  }
}

const text = (value: Uint8Array | number) =>
  typeof value === "number" ? String(value) : new TextDecoder().decode(value);

/** Items of a history, a summary or a configuration: a key or a path, and a value as JSON. */
function readItems(bytes: Uint8Array, field: number, into: Record<string, string>, prefix: string): void {
  for (const [number, item] of messageFields(bytes)) {
    if (number !== field || typeof item === "number") continue;
    const path: string[] = [];
    let json = "";
    for (const [part, value] of messageFields(item)) {
      if (part === 1 && text(value) !== "") path.unshift(text(value));
      else if (part === 2) path.push(text(value));
      else if (part === 16) json = text(value);
    }
    if (path[0]?.startsWith("_wandb") || json === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      // Python's NaN and Infinity.
      value = json;
    }
    flattenInto(into, `${prefix}${path.join(".")}`, value);
  }
}

/**
 * Reads the record that W&B keeps of a run on its machine (`run-….wandb`): configuration, history and how it ended, a row for each moment of
 * its history.
 *
 * Source: field numbers of wandb_internal.proto, W&B 0.31.0.
 *
 * @throws DataError if the bytes are no such record
 */
export function readWandbFile(bytes: Uint8Array, name: string): RunRecord[] {
  if (text(bytes.subarray(0, 4)) !== ":W&B") throw new DataError(`${name}: is no record of W&B`);
  const config: Record<string, string> = {};
  const run: Record<string, string> = { run: name, state: "running" };
  const summary: Record<string, string> = {};
  const history: Record<string, string>[] = [];
  try {
    for (const record of logRecords(bytes)) {
      for (const [field, value] of messageFields(record)) {
        if (typeof value === "number") continue;
        if (field === 2) {
          const row: Record<string, string> = {};
          readItems(value, 1, row, "");
          history.push(row);
        } else if (field === 3) readItems(value, 1, summary, "");
        else if (field === 5) readItems(value, 1, config, "config.");
        else if (field === 17)
          for (const [part, inner] of messageFields(value)) {
            if (part === 1) run.run = text(inner);
            if (part === 4 && typeof inner !== "number") readItems(inner, 1, config, "config.");
            if (part === 8) run.display_name = text(inner);
          }
        else if (field === 18) {
          run.state = "finished";
          for (const [part, inner] of messageFields(value))
            if (part === 1 && inner !== 0) run.state = "failed";
        }
      }
    }
  } catch (error) {
    throw new DataError(`${name}: the record of W&B is damaged`, { cause: error });
  }
  const rows = history.length > 0 ? history : [summary];
  return rows.map((row) => ({ ...run, ...config, ...row }));
}

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { DataError } from "../errors.ts";
import { setOwn } from "../reservedNames.ts";
import type { RunRecord } from "./records.ts";

type Value = Uint8Array | number;

function* messageFields(bytes: Uint8Array): Generator<readonly [field: number, value: Value]> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.LengthDelimited) yield [field, reader.bytes()];
    else if (wire === WireType.Varint) yield [field, Number(reader.int64())];
    else if (wire === WireType.Bit64) yield [field, reader.double()];
    else if (wire === WireType.Bit32) yield [field, reader.float()];
    else reader.skip(wire);
  }
}

const text = (value: Value) => (typeof value === "number" ? String(value) : new TextDecoder().decode(value));
const inside = (bytes: Value | undefined, field: number): Value | undefined => {
  if (bytes === undefined || typeof bytes === "number") return undefined;
  let found: Value | undefined;
  for (const [number, value] of messageFields(bytes)) if (number === field) found = value;
  return found;
};

/** Events of a file: a length, its checksum, the event, its checksum. One that is cut off ends the file. */
function* events(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 12 <= bytes.length; ) {
    const length = Number(view.getBigUint64(at, true));
    if (at + 12 + length > bytes.length) return;
    yield bytes.subarray(at + 12, at + 12 + length);
    at += 16 + length;
  }
}

/** A number of a scalar: as such, or as a tensor of one element. */
function scalar(value: Uint8Array): number | null {
  const simple = inside(value, 2);
  if (typeof simple === "number") return simple;
  const tensor = inside(value, 8);
  if (tensor === undefined || typeof tensor === "number") return null;
  const list = inside(tensor, 5);
  if (typeof list === "number") return list;
  const packed = list ?? inside(tensor, 4);
  if (packed === undefined || typeof packed === "number" || (packed.length !== 4 && packed.length !== 8))
    return null;
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return packed.length === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

const sessionStates = ["unknown", "finished", "failed", "running"];

/** google.protobuf.Value: a number, a text or a truth value. */
const plainValue = (value: Uint8Array) => {
  for (const [field, inner] of messageFields(value)) {
    if (field === 2 || field === 3) return text(inner);
    if (field === 4) return inner === 0 ? "false" : "true";
  }
  return "";
};

/**
 * Reads TensorBoard's event files of one run: scalars by their tags, a row for each step, beside the hyperparameters of the HPARAMS plugin.
 *
 * Source: field numbers of event.proto, summary.proto and the plugin's plugin_data.proto, TensorBoard 2.21.0.
 *
 * @throws DataError if a file is damaged
 */
export function readTensorboardEvents(files: readonly Uint8Array[], name: string): RunRecord[] {
  const settings: Record<string, string> = { run: name };
  const moments = new Map<number, Record<string, string>>();
  try {
    for (const bytes of files) {
      for (const event of events(bytes)) {
        let step = 0;
        let summary: Value | undefined;
        for (const [field, value] of messageFields(event)) {
          if (field === 2) step = Number(value);
          if (field === 5) summary = value;
        }
        if (summary === undefined || typeof summary === "number") continue;
        for (const [field, value] of messageFields(summary)) {
          if (field !== 1 || typeof value === "number") continue;
          const tag = text(inside(value, 1) ?? 0);
          const content = inside(inside(inside(value, 9), 1), 2);
          if (tag.startsWith("_hparams_/") && content !== undefined && typeof content !== "number") {
            const start = inside(content, 3);
            if (start !== undefined && typeof start !== "number")
              for (const [part, entry] of messageFields(start)) {
                if (part !== 1 || typeof entry === "number") continue;
                const setting = inside(entry, 2);
                if (setting !== undefined && typeof setting !== "number")
                  settings[`hparams.${text(inside(entry, 1) ?? 0)}`] = plainValue(setting);
              }
            const end = inside(content, 4);
            if (end !== undefined) settings.status = sessionStates[Number(inside(end, 1) ?? 0)] ?? "unknown";
            continue;
          }
          const number = scalar(value);
          if (number === null) continue;
          const moment = moments.get(step) ?? {};
          setOwn(moment, tag, String(number));
          moments.set(step, moment);
        }
      }
    }
  } catch (error) {
    throw new DataError(`${name}: an event file of TensorBoard is damaged`, { cause: error });
  }
  return [...moments]
    .sort(([a], [b]) => a - b)
    .map(([step, values]) => ({ ...settings, step: String(step), ...values }));
}

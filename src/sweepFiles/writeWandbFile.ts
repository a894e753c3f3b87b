import { crc32 } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { TimedScalar } from "./writeTensorboardEvents.ts";

/** What W&B's record of a run says besides its history. */
export interface WandbRun {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  /** Runs of one sweep are a group. */
  readonly group: string | null;
  readonly notes: string;
  readonly tags: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly summary: Readonly<Record<string, number>>;
  /** Seconds since 1970. */
  readonly startTime: number;
  /** 0 for one that finished; null for one that goes on. */
  readonly exitCode: number | null;
}

const blockSize = 32768;
const headerSize = 7;

/** Records in LevelDB's log format, whose first block begins with W&B's own seven bytes: its name, a number, a version. */
function logFile(records: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0)];
  let at = headerSize;
  const push = (part: Uint8Array) => {
    parts.push(part);
    at += part.length;
  };
  for (const record of records) {
    for (let from = 0, isFirst = true; isFirst || from < record.length; isFirst = false) {
      const left = blockSize - (at % blockSize);
      if (left < headerSize) push(new Uint8Array(left));
      const room = blockSize - (at % blockSize) - headerSize;
      const data = record.subarray(from, from + room);
      from += data.length;
      const isLast = from >= record.length;
      // Whole, first, middle, last.
      const kind = isFirst ? (isLast ? 1 : 2) : isLast ? 4 : 3;
      const header = new DataView(new ArrayBuffer(headerSize));
      header.setUint32(0, crc32(data, crc32(Uint8Array.of(kind))), true);
      header.setUint16(4, data.length, true);
      header.setUint8(6, kind);
      push(new Uint8Array(header.buffer));
      push(data);
    }
  }
  const bytes = new Uint8Array(at);
  let place = 0;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.length;
  }
  return bytes;
}

const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const put = (writer: BinaryWriter, field: number, bytes: Uint8Array) =>
  writer.tag(field, WireType.LengthDelimited).bytes(bytes);
const putText = (writer: BinaryWriter, field: number, text: string) =>
  writer.tag(field, WireType.LengthDelimited).string(text);

/** Numbers that JSON has no word for are texts, as W&B writes them. */
const valueJson = (value: unknown) =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner,
  );

/** A key with its value; in a history a path of one part, so that a slash in it stays. */
const item = (keyField: 1 | 2, key: string, value: unknown) =>
  message((writer) => {
    putText(writer, keyField, key);
    putText(writer, 16, valueJson(value));
  });

/**
 * The record that W&B keeps of a run on its machine, `run-<id>.wandb`: `wandb sync` sends it as a run that was made offline. Values of one
 * step are one row of its history, with their step and times.
 *
 * @param rows - in the order of their steps
 *
 * Source: field numbers of wandb_internal.proto, and the framing, of what W&B 0.31.0 writes.
 */
export function writeWandbFile(run: WandbRun, rows: readonly TimedScalar[]): Uint8Array<ArrayBuffer> {
  const records: Uint8Array[] = [];
  const add = (field: number, content: Uint8Array) =>
    records.push(
      message((writer) => {
        writer.tag(1, WireType.Varint).int64(records.length + 1);
        put(writer, field, content);
      }),
    );
  const version = message((writer) => {
    putText(writer, 1, "0.31.0");
    putText(writer, 2, "0.70.0");
  });
  add(
    21,
    message((writer) => put(writer, 1, version)),
  );
  const config = message((writer) => {
    for (const [key, value] of Object.entries(run.config)) put(writer, 1, item(1, key, value));
  });
  const start = message((writer) => {
    const seconds = Math.floor(run.startTime);
    writer.tag(1, WireType.Varint).int64(seconds);
    writer.tag(2, WireType.Varint).int32(Math.round((run.startTime - seconds) * 1e9));
  });
  add(
    17,
    message((writer) => {
      putText(writer, 1, run.id);
      putText(writer, 3, run.project);
      put(writer, 4, config);
      if (run.group !== null) putText(writer, 6, run.group);
      putText(writer, 8, run.name);
      putText(writer, 9, run.notes);
      for (const tag of run.tags) putText(writer, 10, tag);
      put(writer, 17, start);
    }),
  );
  let lastTime = run.startTime;
  for (const [step, values] of Map.groupBy(rows, (row) => row.step)) {
    lastTime = values.at(-1)!.wallTime;
    const cells: [string, number][] = [
      ["_step", step],
      ...values.map(({ tag, value }): [string, number] => [tag, value]),
      ["_timestamp", lastTime],
      ["_runtime", lastTime - run.startTime],
    ];
    const place = message((writer) => writer.tag(1, WireType.Varint).int64(step));
    add(
      2,
      message((writer) => {
        for (const [key, value] of cells) put(writer, 1, item(2, key, value));
        put(writer, 2, place);
      }),
    );
  }
  add(
    3,
    message((writer) => {
      for (const [key, value] of Object.entries(run.summary)) put(writer, 1, item(2, key, value));
    }),
  );
  const { exitCode } = run;
  if (exitCode !== null)
    add(
      18,
      message((writer) => {
        writer.tag(1, WireType.Varint).int32(exitCode);
        writer.tag(2, WireType.Varint).int32(Math.round(lastTime - run.startTime));
      }),
    );
  return logFile(records);
}

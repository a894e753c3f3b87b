import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineArray } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";
import { decodeTensorFile, encodeTensorFile, storedTensors, treeOfTensors } from "./index.ts";

const format = "test-state";

const state = () => ({
  params: [{ w: EngineArray.from(Float32Array.of(1, -0, Number.NaN, 1e-40), [2, 2]) }],
  count: EngineArray.from(Int32Array.of(-7), []),
  key: EngineArray.from(Uint32Array.of(0xffffffff, 1), [2]),
  flags: EngineArray.from(Uint8Array.of(1, 0, 1), [3]),
});

async function encoded(): Promise<Uint8Array<ArrayBuffer>> {
  const parts = await encodeTensorFile(format, { step: 3, text: "ü" }, storedTensors(state(), "state"));
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

test("a tensor file gives back what it was made of, to the bit", async () => {
  const { about, tensors } = await decodeTensorFile(format, await encoded(), "f");
  assert.deepEqual(about, { step: 3, text: "ü" });
  const read = treeOfTensors(tensors, "state") as ReturnType<typeof state>;
  const expected = state();
  const bits = ({ data }: EngineArray) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (const [a, b] of [
    [read.params[0]!.w, expected.params[0]!.w],
    [read.count, expected.count],
    [read.key, expected.key],
    [read.flags, expected.flags],
  ] as const) {
    assert.equal(a.dtype, b.dtype);
    assert.deepEqual(a.shape, b.shape);
    assert.deepEqual(bits(a), bits(b));
  }
});

test("a tensor file with any byte changed, or cut anywhere, is refused", async () => {
  const whole = await encoded();
  const refused = async (bytes: Uint8Array<ArrayBuffer>, what: string) =>
    assert.rejects(decodeTensorFile(format, bytes, "f"), CheckpointError, what);
  for (let place = 0; place < whole.length; place++) {
    const changed = whole.slice();
    changed[place]! ^= 1;
    await refused(changed, `byte ${place}`);
  }
  for (let length = 0; length < whole.length; length++) await refused(whole.slice(0, length), `${length}`);
  await assert.rejects(
    decodeTensorFile("other", whole, "f"),
    /^CheckpointError: f: its metadata say format "test-state": expected "other"$/,
  );
});

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { CheckpointError } from "../errors.ts";
import { repeatedKey } from "../tensors/repeatedKey.ts";
import { readSafetensors } from "./safetensors.ts";

const reference = JSON.parse(
  readFileSync(new URL("safetensorsHeader.reference.json", import.meta.url), "utf8"),
) as { cases: { header: string; bytes: number; error: string | null }[] };
const folder = mkdtempSync(path.join(tmpdir(), "rotor-header-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The message of the refusal, or null. */
function verdict(header: string, bytes: number): string | null {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = path.join(folder, "case.safetensors");
  writeFileSync(file, Buffer.concat([length, text, Buffer.alloc(bytes)]));
  try {
    readSafetensors(file);
    return null;
  } catch (error) {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.ok(!error.message.includes("\n"));
    return error.message;
  }
}

test("headers are accepted and refused as the safetensors library does, but for what Rotor says by name", () => {
  let stricter = 0;
  for (const { header, bytes, error } of reference.cases) {
    const own = verdict(header, bytes);
    if (error !== null) assert.notEqual(own, null, `${header}: read, though the library says ${error}`);
    else if (own !== null) {
      stricter++;
      // The library keeps the last of two tensors or entries of one name in silence.
      assert.match(
        own,
        /element type "\w+" is not read: expected F32, F64, I32, U32, BOOL$|holds "\w" twice in its header$/,
        header,
      );
    }
  }
  assert.ok(stricter >= 12);
  assert.match(
    verdict('{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}', 2)!,
    /"a": element type "BF16" is not read/,
  );
  assert.match(
    verdict('{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}', 4)!,
    /element type "F31" is unknown/,
  );
  assert.match(verdict('{"__metadata__":{},"__metadata__":{}}', 0)!, /holds "__metadata__" twice/);
});

test("a key that stands twice is found wherever it is, and none where keys differ", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(repeatedKey(JSON.stringify(value)), null)));
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (key, first, second) => {
      const name = JSON.stringify(key);
      const text = `{${name}:${JSON.stringify(first)},${name}:${JSON.stringify(second)}}`;
      assert.equal(repeatedKey(`[1,{"x":[${text}]}]`), key);
    }),
  );
  assert.equal(repeatedKey('{"a":1,"\\u0061":2}'), "a");
});

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { CheckpointError } from "../errors.ts";
import { readSafetensors } from "./safetensors.ts";

const { cases } = JSON.parse(
  readFileSync(new URL("./safetensorsVerdicts.reference.json", import.meta.url), "utf8"),
) as { cases: { name: string; file: string; taken?: string[]; refused?: string }[] };

/** What Rotor refuses and the library takes, and the words that say why. */
const stricter: readonly [name: RegExp, message: RegExp][] = [
  // The format forbids keys twice; the library takes the last tensor in silence.
  [/^a name twice(, escaped|, other bytes, the second alone)?$/, /holds "a" twice in its header/],
  [/^metadata with a key twice$/, /holds "a" twice in its header/],
  // The library reads it field after field; nobody writes that.
  [/^an array for a tensor$/, /its entry is malformed/],
  [/^name of a prototype$/, /tensor "__proto__": expected another name/],
  [/^dtype (\w+)$/, /tensor "a": element type "\w+" is not read: expected F32, F64, I32, U32, BOOL/],
];

test("files are taken and refused as the safetensors library does, but where Rotor says that it is stricter", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "safetensors-"));
  const file = path.join(folder, "a.safetensors");
  try {
    assert.ok(cases.length > 60);
    for (const [pattern] of stricter)
      assert.ok(
        cases.some(({ name }) => pattern.test(name)),
        `${pattern}`,
      );
    for (const { name, file: base64, taken } of cases) {
      writeFileSync(file, Buffer.from(base64, "base64"));
      const message = stricter.find(([pattern]) => pattern.test(name))?.[1];
      if (taken !== undefined && message === undefined) {
        assert.deepEqual([...readSafetensors(file).tensors.keys()].sort(), taken, name);
        continue;
      }
      assert.throws(
        () => readSafetensors(file),
        (error: unknown) =>
          error instanceof CheckpointError && (taken === undefined || message!.test(error.message)),
        name,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { readDocuments, sourceFiles } from "../../src/data/index.ts";
import { border } from "../border.ts";

const tables = fileURLToPath(new URL("../../src/data/testing/tables", import.meta.url));
const { texts } = JSON.parse(readFileSync(path.join(tables, "expected.json"), "utf8")) as {
  texts: Record<string, string[]>;
};

interface Input {
  readonly name: string;
  readonly cut: number | null;
  readonly bytes: readonly { readonly at: number; readonly byte: number }[];
}

export default border<Input>({
  oracle:
    "the texts that pyarrow, pandas and datasets wrote, for files as they are; that a Parquet without its end is none",
  inputs: fc.record<Input>(
    {
      name: fc.constantFrom(...Object.keys(texts)),
      cut: fc.option(fc.nat(), { freq: 4 }),
      bytes: fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }, { noNullPrototype: true }), {
        maxLength: 4,
      }),
    },
    { noNullPrototype: true },
  ),
  async check({ name, cut, bytes }) {
    const whole = readFileSync(path.join(tables, name));
    const damaged = Buffer.from(whole);
    for (const { at, byte } of bytes) damaged[at % damaged.length] = byte;
    const left = cut === null ? damaged : damaged.subarray(0, cut % damaged.length);
    const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-tables-"));
    try {
      const file = path.join(folder, name);
      writeFileSync(file, left);
      const read = await Array.fromAsync(readDocuments(sourceFiles({ source: file }), {}));
      if (left.equals(whole))
        assert.deepEqual(
          read.map(({ text }) => text),
          texts[name],
        );
      else if (cut !== null && name.endsWith(".parquet")) assert.fail("a Parquet without its end is taken");
      assert.ok(read.every(({ text }) => text.isWellFormed()));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
});

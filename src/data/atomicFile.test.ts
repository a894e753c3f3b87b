import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { writeFileAtomically } from "./atomicFile.ts";

test("a file appears whole; what can't be written is named in one line, and leaves nothing", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-atomic-"));
  const file = path.join(folder, "new", "file.txt");
  writeFileAtomically(file, "first");
  writeFileAtomically(file, Buffer.from("second"));
  assert.equal(readFileSync(file, "utf8"), "second");
  writeFileSync(path.join(folder, "a file"), "");
  mkdirSync(path.join(folder, "a folder", "full"), { recursive: true });
  const cases: [string, RegExp][] = [
    [path.join(folder, "a file", "below"), /a file\/below": .*a file is a file, expected a folder$/],
    [path.join(folder, "a folder"), /a folder": is a folder, expected a file$/],
    ["/dev/full/x", /^file "\/dev\/full\/x": /],
  ];
  for (const [place, message] of cases)
    assert.throws(() => writeFileAtomically(place, "x"), {
      name: "OutputError",
      code: "ROTOR_OUTPUT",
      message,
    });
  assert.deepEqual(readdirSync(folder).sort(), ["a file", "a folder", "new"]);
  rmSync(folder, { recursive: true });
});

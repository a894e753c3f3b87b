import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { appendRunEvents, RunEventReader, readRunEvents } from "./runEvents.ts";

const note = (message: string) => ({ kind: "note" as const, time: "2026-01-01T00:00:00Z", message });

test("a reader that looks again and again knows what a whole reading knows", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-events-"));
  try {
    const file = path.join(folder, "events.jsonl");
    const reader = new RunEventReader(folder);
    const check = (messages: readonly string[]) => {
      assert.deepEqual(reader.read(), messages.map(note));
      assert.deepEqual(reader.read(), readRunEvents(folder).slice(0, messages.length));
    };
    check([]);
    appendRunEvents(folder, [note("a"), note("é")]);
    check(["a", "é"]);
    const before = reader.read();
    assert.equal(reader.read(), before);
    // A line that is being written, and ends in the midst of a letter.
    const line = Buffer.from(`${JSON.stringify(note("ö"))}\n`);
    const middle = line.indexOf(0xc3) + 1;
    appendFileSync(file, line.subarray(0, middle));
    check(["a", "é"]);
    appendFileSync(file, line.subarray(middle));
    appendFileSync(file, "no event\n");
    check(["a", "é", "ö"]);
    assert.deepEqual(before.length, 2);
    rmSync(file);
    check([]);
    writeFileSync(file, `${JSON.stringify(note("anew"))}\n`);
    check(["anew"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import fc from "fast-check";
import { visibleLine, visibleText } from "../visibleText.ts";
import { clearLine, control, ownSequences, print, withoutStyle } from "./print.ts";

function printed(text: string): string {
  let all = "";
  print(text, { write: (piece) => (all += piece) });
  return all;
}

test("nothing in the command writes to the terminal but print.ts", () => {
  // main.ts tells older versions of Node, which can't read modules like print.ts, that they are too old.
  const allowed = ["print.ts", "main.ts"];
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".ts"));
  assert.ok(files.length > 30);
  for (const name of files) {
    if (allowed.includes(name) || name.endsWith(".test.ts")) continue;
    const text = readFileSync(path.join(import.meta.dirname, name), "utf8");
    assert.doesNotMatch(
      text,
      /console\.\w|std(out|err)\s*\.write|writeSync\(\s*[12]\b|[oO]utput\.write/,
      name,
    );
    if (name !== "style.ts") assert.doesNotMatch(text, /"picocolors"/, `${name}: colours come from style.ts`);
  }
});

test("what a terminal obeys becomes visible; line ends, tabs and letters stay", () => {
  const attacks = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\b",
    "\x7f",
    "\0",
    "\u202e",
    "\u2066",
    "\x90q",
  ];
  for (const attack of attacks) {
    const shown = printed(`a${attack}b`);
    assert.match(shown, /^a\\u[0-9a-f]{4}/, JSON.stringify(attack));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(shown, /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  }
  assert.equal(printed("ä\t漢字 😀\r\n→\n"), "ä\t漢字 😀\r\n→\n");
  assert.equal(visibleLine("a\nb\tc\x1b"), "a\\nb\\tc\\u001b");
});

test("JSON with control characters stays the same JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      const json = JSON.stringify([value, text, "\x7f\x9b\u2028"]);
      assert.deepEqual(JSON.parse(visibleText(json)), JSON.parse(json));
    }),
  );
});

test("Rotor's own sequences take effect, and data can't pass for them", () => {
  assert.equal(printed(`a${control("\x1b[1m")}b`), "a\x1b[1mb");
  assert.equal(printed(clearLine), "\r\x1b[K");
  assert.equal(printed(ownSequences("\x1b[34mchart\x1b[0m")), "\x1b[34mchart\x1b[0m");
  assert.equal(withoutStyle(`a${control("\x1b[1m")}b`), "ab");
  assert.equal(printed("\x000:1b5b324a;"), "\\u00000:1b5b324a;");
});

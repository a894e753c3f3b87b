import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { byteTokenizer, ChatTemplate, openExampleDataset } from "../index.ts";

function folder(): { readonly path: string } & Disposable {
  const made = mkdtempSync(path.join(tmpdir(), "rotor-examples-"));
  return { path: made, [Symbol.dispose]: () => rmSync(made, { recursive: true }) };
}

const jsonl = (file: string, rows: readonly unknown[]) => {
  writeFileSync(file, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return file;
};

const open = (
  own: { readonly path: string },
  source: string,
  more: Partial<Parameters<typeof openExampleDataset>[0]> = {},
) =>
  openExampleDataset({
    source,
    examples: "prompt-completion",
    tokenizer: byteTokenizer(),
    template: null,
    length: 16,
    validationFraction: 0.2,
    seed: 0,
    cacheDirectory: path.join(own.path, "cache"),
    ...more,
  });

const end = byteTokenizer().endOfText;

test("tools of a record reach the template, as a list or as the JSON of one; others are refused by line", async () => {
  using own = folder();
  const template = new ChatTemplate(
    "{% for t in tools or [] %}{{ t.name }}{% endfor %}{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
  );
  const chat = (tools?: unknown) => ({ messages: [{ role: "assistant", content: "x" }], tools });
  const tools = [{ name: "add" }];
  const rows = [chat(), chat(null), chat([]), chat(tools), chat(JSON.stringify(tools))];
  const source = jsonl(path.join(own.path, "data.jsonl"), rows);
  const more = { examples: "chat", template, validationFraction: 0.01 } as const;
  using data = await open(own, source, more);
  const { inputs, segments } = data.train.batch(0, data.train.numRows, 1);
  const seen = data.validation.batch(0, data.validation.numRows, 1);
  const texts = [
    ...inputs.filter((_, i) => segments[i]! > 0),
    ...seen.inputs.filter((_, i) => seen.segments[i]! > 0),
  ];
  assert.equal(texts.filter((id) => id === "d".charCodeAt(0)).length, 4);
  const wrong = jsonl(path.join(own.path, "wrong.jsonl"), [chat(), chat("add")]);
  await assert.rejects(
    () => open(own, wrong, more),
    /wrong\.jsonl: line 2: field "tools": expected a list of objects that describe tools, or null$/,
  );
});

test("completions and the end of the text are learned, prompts aren't; each example comes once an epoch, apart from others", async () => {
  using own = folder();
  const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `p${i}:`, completion: `c${i}` }));
  const source = jsonl(path.join(own.path, "data.jsonl"), rows);
  using data = await open(own, source);
  assert.equal(data.numExamples, 40);
  assert.deepEqual(data.notes, []);
  const found: string[] = [];
  for (const part of [data.train, data.validation]) {
    const batchSize = part.numRows;
    // An epoch, in an order of its own.
    assert.notDeepEqual(data.train.batch(0, 4, 1), data.train.batch(0, 4, 2));
    const { inputs, targets, segments, places, numCounted } = part.batch(0, batchSize, 3);
    assert.equal(numCounted, targets.filter((target) => target >= 0).length);
    for (let at = 0; at < inputs.length; at++) {
      if (segments[at] === 0) {
        assert.equal(targets[at], -100);
        continue;
      }
      if (places[at] !== 0) continue;
      let stop = at + 1;
      while (stop % 16 !== 0 && places[stop]! > 0) stop++;
      assert.equal(new Set(segments.slice(at, stop)).size, 1);
      const shown = (ids: Int32Array) =>
        Array.from(ids, (id) => (id === -100 ? "_" : id === end ? "$" : String.fromCharCode(id))).join("");
      found.push(`${shown(inputs.slice(at, stop))}|${shown(targets.slice(at, stop))}`);
    }
  }
  const expected = rows.map(({ prompt, completion }) => {
    const hidden = "_".repeat(prompt.length - 1);
    return `${prompt}${completion}|${hidden}${completion}$`;
  });
  assert.deepEqual(found.sort(), expected.sort());
  // From the cache the same.
  using again = await open(own, source);
  assert.equal(again.identity, data.identity);
  assert.deepEqual(again.train.batch(5, 3, 7), data.train.batch(5, 3, 7));
});

test("what is cut and what is left out is counted and said", async () => {
  using own = folder();
  const short = Array.from({ length: 20 }, (_, i) => ({ prompt: "a", completion: `${i}` }));
  const source = jsonl(path.join(own.path, "data.jsonl"), [
    ...short,
    // 21 tokens of 17 that fit, and one whose prompt fills all of them.
    { prompt: "0123456789", completion: "0123456789" },
    { prompt: "0123456789012345678", completion: "x" },
  ]);
  using data = await open(own, source);
  assert.deepEqual(data.notes, [
    "2 of 22 examples are longer than training.length 16 and were cut: 8 tokens less",
    "1 of 22 examples have nothing to learn within training.length 16 and were left out",
  ]);
});

test("a record that can't be used is named by file and line, and leaves no cache", async () => {
  using own = folder();
  const fails = (rows: readonly unknown[], says: RegExp, more: Parameters<typeof open>[2] = {}) =>
    assert.rejects(open(own, jsonl(path.join(own.path, "bad.jsonl"), rows), more), says);
  const good = { prompt: "a", completion: "b" };
  await fails([good, { prompt: "a" }], /bad\.jsonl: line 2 has no text in field "completion"$/);
  await fails([{ ...good, prompt: ["a"] }], /bad\.jsonl: line 1 has no text in field "prompt"$/);
  await fails(
    ['{"prompt": "\\ud800", "completion": "x"}'],
    /bad\.jsonl: line 1 has half of a surrogate pair/,
  );
  await fails([good], /holds 1 examples; expected two or more/);
  const template = new ChatTemplate(
    "{% for m in messages %}{% if m.content == 'boo' %}{{ raise_exception('no ghosts') }}{% endif %}{{ m.content }}{% endfor %}",
  );
  const chat = { examples: "chat", template } as const;
  const turn = { role: "user", content: "a" };
  await fails(
    [{ messages: [turn] }, { messages: [] }],
    /line 2: field "messages": expected a list of messages/,
    chat,
  );
  await fails([{ messages: [{ role: "user" }] }], /line 1: field "messages"/, chat);
  await fails([{ talk: [turn] }, { talk: "a" }], /line 2: field "talk"/, { ...chat, field: "talk" });
  await fails(
    [{ messages: [turn] }, { messages: [{ ...turn, content: "boo" }] }],
    /bad\.jsonl: line 2: the chat template says: no ghosts$/,
    chat,
  );
  await fails(
    [{ messages: [turn] }, { messages: [turn] }],
    /examples: none has a token to learn within training\.length 16/,
    chat,
  );
  await assert.rejects(
    open(own, path.join(own.path, "bad.jsonl"), { examples: "chat" }),
    /no chat template in what training begins with; expected data\.chatTemplate/,
  );
});

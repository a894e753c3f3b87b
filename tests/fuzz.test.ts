import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import fc from "fast-check";
import { answer } from "../fuzz/answer.ts";
import { type Border, borderModule, borderNames, loadBorder } from "../fuzz/border.ts";
import { corpusFolder, keepInCorpus, readCorpus } from "../fuzz/corpus.ts";
import { hunt } from "../fuzz/hunt.ts";
import { search } from "../fuzz/search.ts";

for (const name of borderNames()) {
  test(`${name}: what was ever found is answered rightly`, async () => {
    const border = await loadBorder(borderModule(name));
    for (const { file, found, input } of readCorpus(name)) {
      const given = await answer(border, input);
      assert.ok(!("what" in given), `${path.basename(file)} (${found}): ${JSON.stringify(given)}`);
    }
  });

  test(`${name}: generated inputs are answered rightly or refused`, async () => {
    const border = await loadBorder(borderModule(name));
    // A long run is `npm run fuzz`.
    const { shortRuns = 150 } = border;
    const counts = { right: 0, refused: 0, known: 0 };
    assert.equal(await search(border, { seed: 1, runs: shortRuns, counts }), null);
    assert.equal(counts.right + counts.refused, shortRuns);
    // An oracle that sees no answer holds nothing.
    assert.ok(counts.right > shortRuns / 20, `only ${counts.right} of ${shortRuns} inputs were answered`);
  });
}

test("the corpus has a border for each of its folders", () => {
  assert.deepEqual(
    readdirSync(corpusFolder).filter((name) => !name.endsWith(".md") && !borderNames().includes(name)),
    [],
  );
});

test("a hunt finds wrong answers and foreign errors, each once", async () => {
  const faulty = new URL("../fuzz/testing/faulty.ts", import.meta.url).href;
  const { right, refused, repeats, finds } = await hunt(faulty, { runs: 3000, seed: 1 });
  const inputOf = (pattern: RegExp) => {
    const own = finds.filter(({ kind, what }) => pattern.test(`${kind}: ${what}`));
    assert.equal(own.length, 1, finds.map(({ kind, what }) => `${kind}: ${what}`).join("; "));
    return (own[0]!.input as { n: number }).n;
  };
  assert.equal(finds.length, 2);
  assert.equal(inputOf(/^wrong answer: AssertionError/) % 100, 1);
  assert.equal(inputOf(/^foreign error: TypeError: no error of Rotor's \(fuzz\/testing\/faulty/) % 100, 2);
  assert.ok(right > 0 && refused > 0 && repeats > 0);
});

test("a hunt ends an input that hangs, and keeps it", async () => {
  const hanging = new URL("../fuzz/testing/hanging.ts", import.meta.url).href;
  const { finds } = await hunt(hanging, { runs: 600, seed: 1, patienceSeconds: 0.5 });
  assert.deepEqual(
    finds.map(({ kind, what }) => `${kind}: ${what}`),
    ["hang: takes longer than 0.5 s"],
  );
  assert.equal(typeof (finds[0]!.input as { n: unknown }).n, "number");
});

test("what a search finds is made small", async () => {
  const border: Border<unknown> = {
    oracle: "none",
    inputs: fc.integer({ min: 0, max: 1e6 }),
    check: (n) => assert.ok((n as number) < 700),
  };
  assert.equal((await search(border, { seed: 1, runs: 100 }))?.input, 700);
});

test("a hunt ends a border that takes too much memory", async () => {
  const hungry = new URL("../fuzz/testing/hungry.ts", import.meta.url).href;
  const { finds, peakMegabytes } = await hunt(hungry, { runs: 1000, seed: 1, memoryMegabytes: 200 });
  assert.deepEqual(
    finds.slice(0, 1).map(({ kind }) => kind),
    ["memory"],
  );
  assert.ok(peakMegabytes > 200 && peakMegabytes < 4000);
});

test("the corpus keeps every kind of value", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "corpus-"));
  try {
    const input = {
      numbers: [Number.NaN, Number.NEGATIVE_INFINITY, -0, 0, 0.1],
      missing: undefined,
      big: 2n ** 64n,
      bytes: Uint8Array.of(0, 255),
      typed: [new BigInt64Array([-1n]), new Float32Array([Number.NaN, 1.5]), new Int16Array(0)],
      tagged: { $: "number", value: 1 },
    };
    keepInCorpus("one", "a fault", input, folder);
    assert.deepEqual(
      readCorpus("one", folder).map(({ found, input }) => ({ found, input })),
      [{ found: "a fault", input }],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { apiReport, packageEntries } from "../scripts/apiReport.ts";

const folder = fileURLToPath(new URL("../api", import.meta.url));

test("the report of the public surface is what the package exports now", () => {
  const texts = apiReport();
  assert.equal(texts.size, packageEntries().size);
  assert.deepEqual(readdirSync(folder).sort(), [...texts.keys()].sort());
  const changed = [...texts].filter(([file, text]) => readFileSync(path.join(folder, file), "utf8") !== text);
  const names = changed.map(([file]) => file).join(", ");
  assert.equal(
    names,
    "",
    `the public surface changed (${names}): run npm run api, look at what changed, commit it`,
  );
  // The report sees what it should: a function, a class, a table.
  const optim = texts.get("rotor-optim.txt")!;
  assert.match(optim, /^function adamw\(options\?: AdamWOptions\): GradientTransformation$/m);
  assert.match(texts.get("rotor-quantize.txt")!, /^class CodeUsage \{\n(?: {2}.*\n)* {2}constructor\(/m);
  assert.match(optim, /^const optimizerMethods: \{ sgd, /m);
});

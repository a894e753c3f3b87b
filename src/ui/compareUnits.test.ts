import assert from "node:assert/strict";
import test from "node:test";
import { overrideConfig, parseConfig, presets } from "../config/index.ts";
import { compareUnits } from "./compareUnits.ts";

const tiny = parseConfig(presets.tiny);
const bpe = overrideConfig(tiny, { "data.tokenizer": { bpe: 512 } });

test("runs of one tokenizer and budget are compared by their losses, without a word", () => {
  const other = overrideConfig(tiny, { "optimizer.learningRate": 0.1, "training.seed": 3 });
  assert.deepEqual(compareUnits([tiny, other], [120, 120]), { by: "loss", notes: [] });
});

test("runs of different tokenizers are compared in bits per byte, and so are those of vocabularies trained on other texts", () => {
  const { by, notes } = compareUnits([tiny, bpe], [120, 120]);
  assert.equal(by, "bitsPerByte");
  assert.match(notes.join("\n"), /different tokenizers: bits per byte are compared, not losses per token/);
  const elsewhere = overrideConfig(bpe, { "data.source": "moby-dick" });
  const apart = compareUnits([bpe, elsewhere], [120, 120]);
  assert.equal(apart.by, "bitsPerByte");
  assert.match(apart.notes.join("\n"), /validated on different texts/);
  assert.equal(compareUnits([tiny, overrideConfig(tiny, { "data.source": "moby-dick" })], [1, 1]).by, "loss");
});

test("different numbers of tokens are said, whichever option makes them so", () => {
  const said = /learnt from different numbers of tokens: 123k, /;
  assert.match(compareUnits([tiny, tiny], [120, 60]).notes.join("\n"), said);
  for (const change of [
    { "training.batchSize": 8 },
    { "training.length": 32 },
    { "training.accumulate": 2 },
  ]) {
    assert.match(compareUnits([tiny, overrideConfig(tiny, change)], [120, 120]).notes.join("\n"), said);
  }
  // The same in half the steps.
  const wide = overrideConfig(tiny, { "training.batchSize": 32 });
  assert.deepEqual(compareUnits([tiny, wide], [120, 60]).notes, []);
});

test("runs of different tasks, and codes of different autoencoders, aren't compared", () => {
  const codes = parseConfig(presets["codes-mnist"]);
  assert.equal(compareUnits([tiny, parseConfig(presets["vq-mnist"])], [1, 1]).by, null);
  assert.match(compareUnits([tiny, codes], [1, 1]).notes.join("\n"), /different tasks \(language, codes\)/);
  assert.equal(compareUnits([codes, codes], [1, 1]).by, "loss");
  assert.equal(compareUnits([codes, overrideConfig(codes, { "data.run": "other" })], [1, 1]).by, null);
});

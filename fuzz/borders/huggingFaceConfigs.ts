import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { architectureFor, readHuggingFaceConfig } from "../../src/exchange/index.ts";
import { modelNames, modelsFolder } from "../../src/exchange/testing/modelFolder.ts";
import { border } from "../border.ts";

type Fields = Record<string, unknown>;

const configs = modelNames.map(
  (name) => JSON.parse(readFileSync(`${modelsFolder}/${name}/config.json`, "utf8")) as Fields,
);

/** Values that stand in such files, right ones and wrong ones. */
const value = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, 2, 4, 8, 16, 0.5, 1e9, -1, "", "silu", "gelu", [], {}),
  fc.jsonValue({ maxDepth: 2 }),
);

const change = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("none" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("put" as const), at: fc.nat(), value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), at: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("add" as const), key: fc.string({ maxLength: 12 }), value }),
  },
);

export default border({
  oracle: "what is read of a config.json, written as one again, describes the same model",
  inputs: fc.record({ config: fc.constantFrom(...configs), changes: fc.array(change, { maxLength: 3 }) }),
  check({ config, changes }) {
    const json: Fields = { ...config };
    for (const one of changes) {
      const keys = Object.keys(json);
      if (one.kind === "put") json[keys[one.at % keys.length]!] = one.value;
      else if (one.kind === "drop") delete json[keys[one.at % keys.length]!];
      else if (one.kind === "add") json[one.key] = one.value;
    }
    const { architecture, model } = readHuggingFaceConfig(json, "config.json");
    const { config: again } = architectureFor(model, architecture.modelType);
    const back = readHuggingFaceConfig(again, "written again").model;
    const rounded = (text: string) => Number(Number(text).toPrecision(12)).toString();
    const text = (of: typeof model) =>
      JSON.stringify({ ...of, ropeScaling: null }).replace(/\d+\.\d+(e[+-]?\d+)?/g, rounded);
    assert.equal(text(back), text(model));
  },
});

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { parse } from "yaml";
import { ConfigError } from "../errors.ts";
import { writeCoefficientsFile } from "./coefficientsFile.ts";
import { loadConfig } from "./loadConfig.ts";
import { parseConfig, parseLanguageConfig } from "./parseConfig.ts";
import { presetNames } from "./presets.ts";
import type { LanguageConfig } from "./schema.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-config-"));
after(() => rmSync(folder, { recursive: true }));
function write(name: string, contents: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, contents);
  return file;
}

test("every preset is valid, and read back from its own output it is the same", async () => {
  for (const name of presetNames) {
    const config = await loadConfig(name);
    assert.equal(config.name, name);
    assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(config))), config);
  }
});

test("YAML, JSON and TypeScript files say the same", async () => {
  const plain = { preset: "tiny", name: "mine", training: { steps: 7 } };
  const files = [
    write("a.yaml", "preset: tiny\nname: mine\ntraining:\n  steps: 7\n"),
    write("a.json", JSON.stringify(plain)),
    write(
      "a.ts",
      `const steps: number = 7;\nexport default { ...${JSON.stringify(plain)}, training: { steps } };`,
    ),
  ];
  const [yaml, json, typescript] = await Promise.all(files.map((file) => loadConfig(file)));
  assert.equal(yaml!.training.steps, 7);
  assert.equal(yaml!.training.batchSize, (await loadConfig("tiny")).training.batchSize);
  assert.deepEqual(json, yaml);
  assert.deepEqual(typescript, yaml);
});

test("coefficients come by name, as triples, as a table, or from a file whose steps are the default", async () => {
  const [a, b, c] = [2, -1.5, 0.5];
  const table = {
    steps: [[a, b, c] as const, [1.875, -1.25, 0.375] as const],
    safety: 1.1,
    source: "a test",
  };
  const file = path.join(folder, "table.json");
  writeCoefficientsFile(file, table, { errors: { muon: 1 } });
  const optimizerOf = async (...overrides: string[]) => (await loadConfig("tiny", overrides)).optimizer;
  const fromFile = await optimizerOf(`optimizer.coefficients=${file}`);
  assert.deepEqual(fromFile, { ...(await optimizerOf()), steps: 2, coefficients: table });
  const more = await optimizerOf(`optimizer.coefficients=${file}`, "optimizer.steps=4");
  assert.equal(more.kind === "muon" && more.steps, 4);
  for (const given of ["rotor-4", [[a, b, c]]]) {
    const own = await optimizerOf(`optimizer.coefficients=${JSON.stringify(given)}`);
    assert.deepEqual(own.kind === "muon" && own.coefficients, given);
  }
  const inline = await optimizerOf("optimizer.coefficients={steps: [[2, -1.5, 0.5]]}");
  assert.deepEqual(inline.kind === "muon" && inline.coefficients, {
    steps: [[2, -1.5, 0.5]],
    safety: 1,
    source: "given",
  });
});

test("a table that diverges for singular values up to 1 is refused, with as many steps as are taken", async () => {
  // 2/1.9⁵ = 0.0808, on a grid of 1.01/4000.
  const overrides = ["optimizer.coefficients=[[1.9, 0, 0]]"];
  await assert.rejects(
    loadConfig("tiny", overrides),
    /config: optimizer\.coefficients: singular values above 0\.08\d diverge in 5 steps/,
  );
  await loadConfig("tiny", [...overrides, "optimizer.steps=1"]);
});

test("--set reads YAML values, reaches any path and comes last", async () => {
  const config = await loadConfig("tiny", [
    "training.steps=5",
    "training.clipNorm=null",
    "data.source=[a.txt, b.txt]",
    "optimizer.adamw.b2=0.9",
    "name=a=b",
    "training.steps=6",
  ]);
  assert.equal(config.training.steps, 6);
  assert.equal(config.training.clipNorm, null);
  assert.deepEqual((config as LanguageConfig).data.source, ["a.txt", "b.txt"]);
  assert.deepEqual(config.optimizer, {
    kind: "muon",
    learningRate: 0.02,
    adamw: { learningRate: 0.003, b2: 0.9 },
  });
  assert.equal(config.name, "a=b");
});

test("another kind of optimizer or schedule replaces the section instead of mixing two", async () => {
  const config = await loadConfig("tiny", [
    "optimizer={kind: adamw, learningRate: 0.001}",
    "schedule={kind: warmup-cosine, warmupSteps: 3}",
  ]);
  assert.deepEqual(config.optimizer, { kind: "adamw", learningRate: 0.001 });
  assert.deepEqual(config.schedule, { kind: "warmup-cosine", warmupSteps: 3 });
});

test("an expected loss goes with what was measured, and no further", async () => {
  const expected = (await loadConfig("tiny")).expectedLoss;
  assert.ok(expected !== null);
  for (const harmless of [
    "name=x",
    "training.seed=4",
    "training.threads=1",
    "training.logEvery=1",
    "training.spectraEvery=5",
  ]) {
    assert.deepEqual((await loadConfig("tiny", [harmless])).expectedLoss, expected, harmless);
  }
  for (const change of [
    "training.steps=3",
    "model.numLayers=1",
    "data.seed=1",
    "optimizer.learningRate=0.1",
  ]) {
    assert.equal((await loadConfig("tiny", [change])).expectedLoss, null, change);
  }
});

test("an expected loss is dropped by what a file changes, and kept where it says its own", async () => {
  const load = (text: string, ...overrides: string[]) => loadConfig(write("band.yaml", text), overrides);
  const { expectedLoss, training } = await loadConfig("tiny");
  assert.ok(expectedLoss !== null);
  const kept = [
    await load("preset: tiny\nname: mine\ntraining: { seed: 3, logEvery: 1 }\n"),
    await load(`preset: tiny\ntraining: { steps: ${training.steps} }\n`),
    await loadConfig("tiny", [`training.steps=${training.steps}`]),
  ];
  for (const config of kept) assert.deepEqual(config.expectedLoss, expectedLoss);
  const dropped = [
    await load("preset: tiny\ntraining: { steps: 5 }\n"),
    await load("preset: tiny\ndata: { source: text.txt }\n"),
    await load("preset: tiny\n", "optimizer.weightDecay=0.3"),
  ];
  for (const config of dropped) assert.equal(config.expectedLoss, null);
  const own = { mean: 2, spread: 0.5, seeds: 3 };
  const text = `preset: tiny\ntraining: { steps: 5 }\nexpectedLoss: ${JSON.stringify(own)}\n`;
  assert.deepEqual((await load(text)).expectedLoss, own);
  assert.equal((await load(text, "training.steps=6")).expectedLoss, null);
  assert.deepEqual((await load("preset: tiny\n", `expectedLoss=${JSON.stringify(own)}`)).expectedLoss, own);
});

test("options of another kind are kept whether they come before or after it", async () => {
  const options = ["optimizer.learningRate=0.007", "optimizer.kind=adamw"];
  for (const overrides of [options, [...options].reverse()]) {
    const { optimizer } = await loadConfig("small", overrides);
    assert.deepEqual([optimizer.kind, optimizer.learningRate], ["adamw", 0.007]);
  }
});

test("configurations that can't be read say why", async () => {
  const rows: [name: string, text: string, message: RegExp][] = [
    [
      "import.ts",
      'import "not-installed-anywhere";\nexport default {};\n',
      /config ".*import\.ts": .*not-installed-anywhere/,
    ],
    ["text.mjs", 'throw "boom";\n', /config ".*text\.mjs": throws boom$/],
    ["null.mjs", "throw null;\n", /config ".*null\.mjs": throws null$/],
    ["tag.yaml", "preset: !unknown tiny\n", /config ".*tag\.yaml": Unresolved tag/],
    ["twice.yaml", "preset: tiny\npreset: small\n", /config ".*twice\.yaml": Map keys must be unique/],
  ];
  for (const [name, text, message] of rows) {
    await assert.rejects(
      loadConfig(write(name, text)),
      (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes("\n"),
      name,
    );
  }
  await assert.rejects(loadConfig(path.join(folder, "none.ts")), /none\.ts": no such file$/);
  await assert.rejects(loadConfig("tiny", ["__proto__.x=1"]), /unknown key __proto__/);
});

test("what is wrong is named with its path, its value and what is allowed", async () => {
  const minimal = {
    model: { numLayers: 1, modelDim: 8, numHeads: 2 },
    optimizer: { kind: "adamw" },
    training: { steps: 1, batchSize: 1, length: 4 },
  };
  const cases: [object, RegExp][] = [
    [{ modle: {} }, /config: modle: unknown key; did you mean model\?/],
    [{ model: { ...minimal.model, numLayer: 2 } }, /model\.numLayer: unknown key; did you mean numLayers\?/],
    [{ model: { ...minimal.model, numHeads: 2.5 } }, /model\.numHeads 2\.5: expected int/],
    [{ model: { ...minimal.model, mlp: "relu" } }, /model\.mlp "relu": expected one of .*"relu2"/],
    [
      { optimizer: { kind: "adan" } },
      /optimizer\.kind "adan": expected one of sgd, signum, rmsprop, adam, adamw, adabelief, lion, tiger, pbsgd, muon, shampoo/,
    ],
    // Keys are those of the kind that was named.
    [
      { optimizer: { kind: "lion", momentum: 0.9 } },
      /optimizer\.momentum: unknown key; expected one of kind, learningRate, weightDecay, b1, b2, matrixDecay, decayed$/,
    ],
    [
      { optimizer: { kind: "muon", adamw: { beta1: 0.9 } } },
      /optimizer\.adamw\.beta1: unknown key; expected one of learningRate, weightDecay, b1, b2, eps, epsRoot$/,
    ],
    [{ optimizer: { kind: "muon", decayed: ["head"] } }, /optimizer\.decayed: unknown key/],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "nuclear", strength: 1 } } },
      /optimizer\.matrixDecay\.kind "nuclear": expected one of frobenius, spectral, top-k, schatten/,
    ],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "spectral" } } },
      /optimizer\.matrixDecay\.strength is missing/,
    ],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "spectral", strength: 1, k: 2 } } },
      /optimizer\.matrixDecay\.k: unknown key; expected one of kind, strength, independent, steps, start$/,
    ],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "top-k", strength: 1, k: 0 } } },
      /optimizer\.matrixDecay\.k 0: /,
    ],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "schatten", strength: 1, p: 2.5 } } },
      /optimizer\.matrixDecay\.p 2\.5: expected int/,
    ],
    [
      { optimizer: { kind: "adamw", matrixDecay: { kind: "spectral", strength: 1, start: "cold" } } },
      /optimizer\.matrixDecay\.start "cold": expected one of "warm"\|"ones"/,
    ],
    [
      { optimizer: { kind: "sgd", decayed: ["head"] } },
      /optimizer\.decayed: says which matrices optimizer\.matrixDecay acts on; give it as well/,
    ],
    [
      {
        optimizer: {
          kind: "sgd",
          learningRate: 0,
          matrixDecay: { kind: "frobenius", strength: 1, independent: true },
        },
      },
      /matrixDecay\.independent true: expected optimizer\.learningRate above 0/,
    ],
    [{ optimizer: { kind: "pbsgd", power: 1.5 } }, /optimizer\.power 1\.5: /],
    [
      { data: { tokenizer: { bpes: 300 } } },
      /data\.tokenizer\.bpes: unknown key|data\.tokenizer \{"bpes":300\}/,
    ],
    [
      { schedule: { kind: "warmup-cosine", warmup: 3 } },
      /schedule\.warmup: unknown key; expected one of kind, warmupSteps/,
    ],
    [{ training: { ...minimal.training, accumulate: 0 } }, /training\.accumulate 0: /],
    [{ training: { ...minimal.training, emaDecay: 1 } }, /training\.emaDecay 1: /],
    [
      { training: { ...minimal.training, evaluateAverage: true } },
      /training\.evaluateAverage true: expected training\.emaDecay as well/,
    ],
    [{ training: { ...minimal.training, spectraEvery: -1 } }, /training\.spectraEvery -1: /],
    [{ training: { steps: 1, batchSize: 1 } }, /training\.length is missing/],
    [{ training: { ...minimal.training, steps: "many" } }, /training\.steps "many": expected number/],
  ];
  for (const [change, message] of cases) {
    assert.throws(
      () => parseConfig({ ...minimal, ...change }),
      (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return true;
      },
    );
  }
  await assert.rejects(loadConfig("large"), /config "large": expected a preset \(tiny, /);
  await assert.rejects(loadConfig(path.join(folder, "none.yaml")), /no such file/);
  await assert.rejects(loadConfig(write("list.yaml", "- 1\n")), /expected a mapping/);
  await assert.rejects(loadConfig(write("p.yaml", "preset: huge\n")), /preset "huge": expected one of/);
  await assert.rejects(loadConfig("tiny", ["steps"]), /override "steps": expected path=value/);
});

test("models of codes take every pairing and allocation, if their layout has axes", async () => {
  const load = (...set: string[]) => loadConfig("codes-mnist", set);
  for (const ropePairing of ["half", "interleaved", "half-per-axis"]) {
    for (const kind of ["cyclic", "per-axis"]) {
      const config = await load(
        "model.layout=tie-v2",
        `model.ropePairing=${ropePairing}`,
        `model.allocation={kind: ${kind}}`,
      );
      assert.ok(config.task === "codes");
      const { model } = config;
      assert.deepEqual(model, { ...model, layout: "tie-v2", ropePairing, allocation: { kind } });
    }
  }
  await assert.rejects(
    load("model.ropePairing=half-per-axis"),
    /config: model\.ropePairing half-per-axis: model\.layout flat has one axis; expected half or interleaved, or a model\.layout with rows and columns/,
  );
  await assert.rejects(
    load("model.layout=v2pe", "model.allocation={kind: sections, sections: [16]}"),
    /config: model\.allocation sections: model\.layout v2pe has one axis; expected cyclic or per-head/,
  );
  await assert.rejects(
    load("model.layout=tie-v2", "model.ropePairing=quarter"),
    /config: model\.ropePairing "quarter": expected one of "half"\|"interleaved"\|"half-per-axis"/,
  );
});

test("a published rotary configuration can be expressed, and its mistakes are named", async () => {
  const { model } = await loadConfig("tiny", [
    "model.ropeScaling={kind: yarn, factor: 4, originalMaxLength: 64, truncate: false}",
    "model.rotaryDim=8",
    "model.position=rope",
  ]).then(parseLanguageConfig);
  assert.deepEqual(model.ropeScaling, { kind: "yarn", factor: 4, originalMaxLength: 64, truncate: false });
  assert.equal(model.rotaryDim, 8);
  for (const text of [
    "{kind: longrope, factor: 4, originalMaxLength: 64, shortFactors: [1, 2], longFactors: [3, 4], length: 65}",
    "{kind: proportional, partialRotaryFactor: 0.25, factor: 2}",
  ]) {
    const config = await loadConfig("tiny", [`model.ropeScaling=${text}`]).then(parseLanguageConfig);
    assert.deepEqual(config.model.ropeScaling, parse(text));
  }
  await assert.rejects(
    loadConfig("tiny", ["model.ropeScaling={kind: long-rope, factor: 4}"]),
    /config: model\.ropeScaling\.kind "long-rope": expected one of linear, ntk, dynamic, yarn, llama3, longrope, proportional/,
  );
  await assert.rejects(
    loadConfig("tiny", ["model.ropeScaling={kind: linear, faktor: 4}"]),
    /config: model\.ropeScaling\.factor is missing|model\.ropeScaling\.faktor: unknown key; did you mean factor\?/,
  );
  await assert.rejects(
    loadConfig("tiny", ["model.ropePairing=half-per-axis"]),
    /config: model\.ropePairing half-per-axis: positions of text have one axis; expected half or interleaved/,
  );
  await assert.rejects(
    loadConfig("tiny", ["model.allocation={kind: per-axis}"]),
    /config: model\.allocation per-axis: positions of text have one axis; expected cyclic or per-head/,
  );
  for (const choice of [
    "ropeBase=500",
    "ropePairing=half",
    "ropeScaling={kind: linear, factor: 2}",
    "rotaryDim=8",
    "allocation={kind: cyclic}",
  ]) {
    const [key] = choice.split("=");
    await assert.rejects(loadConfig("tiny", ["model.position=alibi", `model.${choice}`]), {
      name: "ConfigError",
      message: `config: model.${key}: has no effect with model.position alibi; leave it out, or choose model.position rope`,
    });
  }
  await loadConfig("tiny", ["model.position=none", "model.ropeScaling=null"]);
  await assert.rejects(
    loadConfig("tiny", ["model.position=absolute"]),
    /config: model\.position "absolute": expected one of/,
  );
});

test("optimizers that ask more of a configuration say what they want", () => {
  const parse = (kind: string, { model = {}, training = {} }: { model?: object; training?: object } = {}) =>
    parseConfig({
      model: { numLayers: 1, modelDim: 8, numHeads: 2, ...model },
      optimizer: { kind },
      training: { steps: 2, batchSize: 2, length: 4, ...training },
    });
  const average = { emaDecay: 0.9, evaluateAverage: true };
  assert.throws(
    () => parse("schedule-free-adamw", { training: average }),
    new ConfigError(
      "config: optimizer.kind schedule-free-adamw: is evaluated at its own average; expected training.evaluateAverage false",
    ),
  );
  assert.throws(() => parse("muonclip"), /no effect on attention with QK-norm; expected model\.qkNorm false/);
  const model = { qkNorm: false };
  assert.throws(
    () => parse("muonclip", { model, training: { accumulate: 2 } }),
    /training\.accumulate 1, not 2/,
  );
  assert.equal(parse("muonclip", { model }).optimizer.kind, "muonclip");
});

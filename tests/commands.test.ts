import assert from "node:assert/strict";
import { test } from "node:test";
import { type CommandName, commandRows } from "../src/cli/commands/index.ts";
import { buildProgram } from "../src/cli/program.ts";
import { presetNames } from "../src/config/index.ts";
import { rotor, temporaryFolder } from "./command.ts";

interface Wrong {
  readonly args: readonly string[];
  /** 2 for wrong usage, 1 for what can't be done. */
  readonly code: 1 | 2;
  readonly says: RegExp;
}

/** Every command, wrongly used in an empty folder: a new one doesn't compile without. */
const wrong: Readonly<Record<CommandName, Wrong>> = {
  train: { args: ["nothing"], code: 1, says: /^rotor: config "nothing": expected a preset/ },
  sample: { args: [], code: 2, says: /^rotor: missing required argument 'run'/ },
  import: { args: ["nothing"], code: 1, says: /^rotor: .*nothing/ },
  export: { args: ["latest", "-o", "x"], code: 2, says: /^rotor: required option '--to <format>'/ },
  tokenizer: { args: ["show", "nothing"], code: 1, says: /^rotor: .*nothing/ },
  encode: { args: ["latest", "a.png"], code: 2, says: /^rotor: required option '-o, --out <file>'/ },
  decode: { args: ["latest", "a"], code: 2, says: /^rotor: required option '-o, --out <folder>'/ },
  codebook: { args: ["latest"], code: 1, says: /^rotor: / },
  coefficients: { args: ["--rows", "x"], code: 2, says: /^rotor: option '--rows <n>' .* positive integer/ },
  experiment: { args: ["nothing"], code: 1, says: /^rotor: experiment "nothing": expected/ },
  fit: { args: ["nothing.csv"], code: 1, says: /^rotor: .*nothing\.csv/ },
  sweep: { args: ["nothing.yaml"], code: 1, says: /^rotor: sweep "nothing\.yaml": no such file/ },
  tune: { args: ["nothing"], code: 1, says: /^rotor: .*nothing/ },
  worker: { args: ["--workers", "0"], code: 2, says: /^rotor: option '--workers <n>' .* positive integer/ },
  measure: { args: [], code: 2, says: /^rotor: missing required argument 'run'/ },
  coordinates: {
    args: ["tiny", "--widths", "64,80"],
    code: 1,
    says: /^rotor: width 80: numHeads 2 would be 2\.5, as modelDim is 64; expected/,
  },
  runs: { args: ["show"], code: 2, says: /^rotor: missing required argument 'run'/ },
  ui: { args: ["--port", "x"], code: 2, says: /^rotor: option '--port <n>' .* a port from 0 to 65535/ },
  devices: { args: ["nothing"], code: 2, says: /too many arguments|unexpected|nothing/ },
  data: { args: ["fetch", "nothing"], code: 1, says: /^rotor: .*nothing/ },
  positions: { args: ["text:x"], code: 1, says: /^rotor: .*text:x/ },
};

for (const [name, { args, code, says }] of Object.entries(wrong)) {
  test(`rotor ${name}: used wrongly, says so in one line and exits ${code}`, async () => {
    using folder = temporaryFolder();
    const finished = await rotor(folder.path, name, ...args);
    assert.match(finished.stderr, says);
    assert.equal(finished.stderr.trimEnd().split("\n").length, 1, finished.stderr);
    assert.equal(finished.code, code);
  });
}

const program = buildProgram(() => undefined);

test("every command has a description and an example that its options allow", () => {
  const declared = program.commands.map((command) => command.name());
  assert.deepEqual(declared, Object.keys(commandRows));
  for (const command of program.commands) {
    assert.notEqual(command.description(), "", command.name());
    const { example } = commandRows[command.name() as CommandName];
    assert.ok(example.startsWith(`rotor ${command.name()}`), example);
    const known = [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long));
    for (const [flag] of example.matchAll(/(?<= )--[a-z-]+/g)) assert.ok(known.includes(flag), example);
  }
});

test("the help of train names every preset", () => {
  const train = program.commands.find((command) => command.name() === "train")!;
  for (const name of presetNames) assert.ok(train.description().includes(name), name);
});

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { readSafetensors } from "../src/checkpoint/index.ts";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

/** One line on standard error that begins with the program's name. */
function assertOneLine(stderr: string, message: RegExp): void {
  assert.match(stderr, /^rotor: [^\n]+\n$/);
  assert.match(stderr, message);
}

/** Names of files and folders below a folder, without caches of tokens, which are whole by construction. */
function contents(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return (readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => !/cache|rotor\.sqlite/.test(name))
    .sort();
}

describe("configurations that can't be used", () => {
  const rows: [what: string, args: string[], code: number, message: RegExp][] = [
    [
      "unknown key",
      ["--set", "training.stepz=3"],
      1,
      /config: training\.stepz: unknown key; did you mean steps\?/,
    ],
    [
      "unknown section",
      ["--set", "modle.numLayers=3"],
      1,
      /config: modle: unknown key; did you mean model\?/,
    ],
    [
      "unknown key of an optimizer",
      ["--set", "optimizer.momentun=0.9"],
      1,
      /optimizer\.momentun: unknown key; did you mean momentum\?/,
    ],
    ["wrong type", ["--set", "training.steps=many"], 1, /config: training\.steps "many": expected number/],
    ["negative number", ["--set", "training.steps=-3"], 1, /config: training\.steps -3: /],
    [
      "a seed whose upper bits would not count",
      ["--set", "training.seed=4294967296"],
      1,
      /config: training\.seed 4294967296: Too big: expected number to be <=4294967295/,
    ],
    [
      "a negative seed",
      ["--set", "data.seed=-1"],
      1,
      /config: data\.seed -1: Too small: expected number to be >=0/,
    ],
    ["fraction of a step", ["--set", "training.steps=1.5"], 1, /config: training\.steps 1\.5: /],
    [
      "unknown optimizer",
      ["--set", "optimizer={kind: adan}"],
      1,
      /optimizer\.kind "adan": expected one of sgd, signum, rmsprop, adam, adamw, /,
    ],
    [
      "unknown decay",
      ["--set", "optimizer.matrixDecay={kind: nuclear, strength: 1}"],
      1,
      /optimizer\.matrixDecay\.kind "nuclear": expected one of frobenius, spectral, top-k, schatten/,
    ],
    [
      "decay of more singular values than there are",
      ["--set", "optimizer.matrixDecay={kind: top-k, strength: 1, k: 17}"],
      1,
      /optimizer\.matrixDecay\.k 17: expected at most 16, the smallest side of a matrix/,
    ],
    [
      "average without a decay",
      ["--set", "training.evaluateAverage=true"],
      1,
      /training\.evaluateAverage true: expected training\.emaDecay as well/,
    ],
    ["no batches", ["--set", "training.accumulate=0"], 1, /training\.accumulate 0: /],
    ["unknown MLP", ["--set", "model.mlp=tanh"], 1, /model\.mlp "tanh": expected one of/],
    [
      "unknown positions",
      ["--set", "model.position=absolute"],
      1,
      /model\.position "absolute": expected one of "rope"\|"none"\|"alibi"\|"sinusoidal"\|"learned"\|"t5"/,
    ],
    [
      "odd head size",
      ["--set", "model.modelDim=18", "--set", "model.numHeads=6"],
      1,
      /headDim 3: expected a positive even integer/,
    ],
    [
      "width that heads don't divide",
      ["--set", "model.numHeads=3"],
      1,
      /config: model\.modelDim 16: expected a multiple of numHeads 3/,
    ],
    [
      "key heads that don't divide",
      ["--set", "model.numHeads=4", "--set", "model.numKvHeads=3"],
      1,
      /numKvHeads 3/,
    ],
    [
      "vocabulary too small",
      ["--set", "model.vocabSize=100"],
      1,
      /model\.vocabSize 100: the tokenizer has 257 ids/,
    ],
    [
      "sequence longer than the model's",
      ["--set", "training.length=65"],
      1,
      /training\.length 65: expected at most model\.maxLength 64/,
    ],
    [
      "sequence longer than the data",
      ["--set", "training.length=50000", "--set", "model.maxLength=50000"],
      1,
      /sequence length 50000: longer than the data, which has \d+ tokens/,
    ],
    [
      "schedule longer than the run",
      ["--set", "schedule={kind: warmup-cosine, warmupSteps: 20}"],
      1,
      /config: schedule\.warmupSteps 20: expected less than training\.steps 20; give fewer, or schedule\.warmupFraction/,
    ],
    [
      "missing source",
      ["--set", "data.source=nothing.txt"],
      1,
      /data source "nothing\.txt": no such file, folder or corpus/,
    ],
    ["missing tokenizer", ["--set", "data.tokenizer=nothing.json"], 1, /tokenizer "nothing\.json"/],
    [
      "tokenizer of another kind",
      ["--set", "data.tokenizer=micro.json"],
      1,
      /micro\.json: tokenizer model of type missing: isn't read; expected BPE, Unigram, WordPiece/,
    ],
    [
      "--set without a value",
      ["--set", "training.steps"],
      1,
      /override "training\.steps": expected path=value/,
    ],
    ["unknown flag", ["--fast"], 2, /unknown option '--fast'/],
    [
      "--resume with a configuration",
      ["--resume"],
      1,
      /--resume: continues a run with its own configuration/,
    ],
    [
      "prompt of samples longer than the context",
      ["--set", `training.samplePrompt=${"long ".repeat(20)}`],
      1,
      /training\.samplePrompt: has \d+ tokens, expected fewer than model\.maxLength 64/,
    ],
    [
      "unknown tag in a value",
      ["--set", "training.steps=!many 3"],
      1,
      /override "training\.steps=!many 3": Unresolved tag/,
    ],
  ];
  for (const [what, args, code, message] of rows) {
    test(what, async () => {
      using folder = temporaryFolder();
      const result = await rotor(folder.path, "train", writeMicroConfig(folder.path), ...args);
      assertOneLine(result.stderr, message);
      assert.equal(result.code, code);
      assert.deepEqual(contents(path.join(folder.path, ".rotor")), []);
    });
  }
});

describe("coefficient searches that can't be made", () => {
  const size = ["--rows", "8", "--cols", "4"];
  const rows: [what: string, args: string[], code: number, message: RegExp][] = [
    ["no size", [], 1, /coefficients: expected --rows and --cols, or --run/],
    ["only one size", ["--rows", "8"], 1, /coefficients: expected --rows and --cols, or --run/],
    [
      "rows of 0",
      ["--rows", "0", "--cols", "4"],
      2,
      /'--rows <n>' argument '0' is invalid\. expected a positive integer/,
    ],
    [
      "columns that are no number",
      ["--rows", "8", "--cols", "wide"],
      2,
      /'--cols <n>' argument 'wide' is invalid/,
    ],
    ["a fraction of a step", [...size, "--steps", "1.5"], 2, /'--steps <n>' argument '1\.5' is invalid/],
    ["too many steps", [...size, "--steps", "21"], 1, /--steps 21: expected at most 20/],
    ["no samples", [...size, "--samples", "0"], 2, /'--samples <n>' argument '0' is invalid/],
    ["a seed below 1", [...size, "--seed", "-1"], 2, /'--seed <n>' argument '-1' is invalid/],
    [
      "matrices too large to draw",
      ["--rows", "1000000", "--cols", "100000"],
      1,
      /--cols 100000: expected at most 65536 on the smaller side/,
    ],
    ["a shape without a run", [...size, "--shape", "8x4"], 1, /--shape: expected --run beside it/],
    ["a size beside a run", ["--run", "latest", "--rows", "8"], 1, /--rows: is for Gaussian matrices/],
    ["a shape that is none", ["--run", "latest", "--shape", "8"], 1, /--shape 8: expected rows and columns/],
    ["a run that isn't there", ["--run", "latest"], 1, /run "latest": not in .*; there are no runs yet/],
  ];
  for (const [what, args, code, message] of rows) {
    test(what, async () => {
      using folder = temporaryFolder();
      const result = await rotor(folder.path, "coefficients", ...args);
      assertOneLine(result.stderr, message);
      assert.equal(result.code, code);
      assert.equal(result.stdout, "");
    });
  }

  test("a run that was not trained with Muon", async () => {
    using folder = temporaryFolder();
    const config = writeMicroConfig(folder.path, { optimizer: { kind: "adamw" } });
    await rotor(folder.path, "train", config);
    const result = await rotor(folder.path, "coefficients", "--run", "latest");
    assertOneLine(
      result.stderr,
      /has no momentum matrices: the run was not trained with muon, normuon, adamuon/,
    );
    assert.equal(result.code, 1);
  });
});

describe("files that can't be used", () => {
  const rows: [what: string, prepare: (folder: string) => string[], message: RegExp][] = [
    [
      "no configuration of that name",
      () => ["train", "large"],
      /config "large": expected a preset \(tiny, small, medium, gpt2-small, vq-mnist, vq-photographs, codes-mnist\)/,
    ],
    ["missing configuration file", () => ["train", "none.yaml"], /config "none\.yaml": no such file/],
    [
      "configuration that is not YAML",
      (folder) => {
        writeFileSync(path.join(folder, "bad.yaml"), "model: [1, 2\ntraining: }");
        return ["train", "bad.yaml"];
      },
      /config "bad\.yaml": /,
    ],
    [
      "configuration that is no mapping",
      (folder) => {
        writeFileSync(path.join(folder, "list.yaml"), "- 1\n");
        return ["train", "list.yaml"];
      },
      /config "list\.yaml": expected a mapping/,
    ],
    [
      "text that is not UTF-8",
      (folder) => {
        const config = writeMicroConfig(folder);
        const bytes = Buffer.concat([
          Buffer.from("caf"),
          Buffer.from([0xe9]),
          Buffer.from(" noir ".repeat(1000)),
        ]);
        writeFileSync(path.join(folder, "text.txt"), bytes);
        return ["train", config];
      },
      /text\.txt: byte 3 is not UTF-8/,
    ],
    [
      "empty corpus",
      (folder) => {
        const config = writeMicroConfig(folder);
        writeFileSync(path.join(folder, "text.txt"), "");
        return ["train", config];
      },
      /data source "text\.txt": holds no text/,
    ],
    [
      "folder without text",
      (folder) => {
        const config = writeMicroConfig(folder);
        mkdirSync(path.join(folder, "empty"));
        return ["train", config, "--set", "data.source=empty"];
      },
      /data source "empty": no file in it that ends with one of \.txt, \.md, /,
    ],
    [
      "JSONL with a bad line",
      (folder) => {
        const config = writeMicroConfig(folder);
        writeFileSync(path.join(folder, "lines.jsonl"), '{"text": "good"}\n{"text": \n');
        return ["train", config, "--set", "data.source=lines.jsonl"];
      },
      /lines\.jsonl: line 2 is not JSON/,
    ],
    [
      "JSONL without the field",
      (folder) => {
        const config = writeMicroConfig(folder);
        writeFileSync(path.join(folder, "lines.jsonl"), '{"body": "good"}\n');
        return ["train", config, "--set", "data.source=lines.jsonl"];
      },
      /lines\.jsonl: line 1 has no text in field "text"/,
    ],
    [
      "home that is a file",
      (folder) => {
        const config = writeMicroConfig(folder);
        writeFileSync(path.join(folder, "home"), "");
        return ["train", config, "--home", "home"];
      },
      /home/,
    ],
    [
      "a file as the home",
      (folder) => ["train", writeMicroConfig(folder), "--home", "text.txt"],
      /home "text\.txt": is a file or lies below one, expected a folder/,
    ],
    [
      "a home below a file",
      (folder) => ["train", writeMicroConfig(folder), "--home", "text.txt/runs"],
      /home "text\.txt\/runs": is a file or lies below one/,
    ],
    [
      "store of a newer version",
      (folder) => {
        const config = writeMicroConfig(folder);
        mkdirSync(path.join(folder, ".rotor"));
        const database = new DatabaseSync(path.join(folder, ".rotor/rotor.sqlite"));
        database.exec("PRAGMA user_version = 99");
        database.close();
        return ["train", config];
      },
      /has version 99, this Rotor knows \d+: update Rotor/,
    ],
    [
      "store that is no database",
      (folder) => {
        const config = writeMicroConfig(folder);
        mkdirSync(path.join(folder, ".rotor"));
        writeFileSync(
          path.join(folder, ".rotor/rotor.sqlite"),
          "not a database, but long enough to look at".repeat(100),
        );
        return ["train", config];
      },
      /rotor\.sqlite: file is not a database/,
    ],
    ["sampling from no run", () => ["sample", "latest"], /run "latest": not in .*; there are no runs yet/],
    [
      "data that is neither file nor folder",
      (folder) => ["train", writeMicroConfig(folder), "--set", "data.source=/dev/null"],
      /data source "\/dev\/null": expected a file or a folder/,
    ],
    [
      "tokenizer without a vocabulary",
      (folder) => {
        writeFileSync(
          path.join(folder, "tokenizer.json"),
          '{"model": {"type": "BPE", "vocab": null, "merges": []}}',
        );
        return ["train", writeMicroConfig(folder), "--set", "data.tokenizer=tokenizer.json"];
      },
      /tokenizer model\.vocab null: expected tokens with their ids/,
    ],
    [
      "a dry run of a resumed one",
      () => ["train", "--resume", "--dry-run"],
      /--resume: .*--name, .* or --dry-run/,
    ],
    [
      "a new name for a resumed run",
      () => ["train", "--resume", "--name", "x"],
      /--resume: .*--name, .* or --dry-run/,
    ],
    ["deleting a run without a name", () => ["runs", "delete", ""], /run "": expected an id/],
    ["showing no run", () => ["runs", "show", "abc"], /run "abc": not in/],
    ["resuming no run", () => ["train", "--resume"], /run "latest": not in/],
  ];
  for (const [what, prepare, message] of rows) {
    test(what, async () => {
      using folder = temporaryFolder();
      const result = await rotor(folder.path, ...prepare(folder.path));
      assertOneLine(result.stderr, message);
      assert.equal(result.code, 1);
      assert.deepEqual(contents(path.join(folder.path, ".rotor/runs")), []);
    });
  }
});

describe("sweeps that can't be used", () => {
  const good = "lr,bs,loss\n0.1,8,3\n0.2,8,2.9\n0.4,8,3.1\n0.1,16,3\n0.2,16,2.9\n0.4,16,3.1\n";
  const rows: [
    what: string,
    text: string | Uint8Array | null,
    args: string[],
    code: number,
    message: RegExp,
  ][] = [
    ["missing file", null, [], 1, /sweep\.csv: no such file/],
    [
      "one column, in UTF-16",
      new Uint8Array([0xff, 0xfe, 0x6c, 0]),
      [],
      1,
      /is no table: its first line, "l",/,
    ],
    [
      "missing column",
      "lr,size,loss\n0.1,8,3\n",
      [],
      1,
      /no column for batch size; found "lr", "size", "loss"; name it with --batch/,
    ],
    [
      "everything diverged",
      good.replaceAll(/[23]\.?\d*\n/g, "nan\n"),
      [],
      1,
      /no column for loss; "loss" holds no number;/,
    ],
    [
      "epsilon that the sweep lacks",
      good,
      ["--epsilon", "1e-8"],
      1,
      /epsilon 1e-8: the sweep has no epsilon column/,
    ],
    ["filter without a value", good, ["--where", "lr"], 1, /--where lr: expected column=value/],
    ["batch size that is no number", good, ["--at", "many"], 2, /--at many: expected a positive batch size/],
    ["confidence of 1", good, ["--confidence", "1"], 2, /a number between 0 and 1/],
    ["report in a file's place", good, ["--html", "sweep.csv/report.html"], 1, /sweep\.csv/],
  ];
  for (const [what, text, args, code, message] of rows) {
    test(what, async () => {
      using folder = temporaryFolder();
      if (text !== null) writeFileSync(path.join(folder.path, "sweep.csv"), text);
      const result = await rotor(folder.path, "fit", "sweep.csv", ...args);
      assertOneLine(result.stderr, message);
      assert.equal(result.code, code);
      assert.equal(result.stdout, "");
    });
  }
});

describe("runs and checkpoints that can't be used", () => {
  const folder = temporaryFolder();
  let run = "";
  before(async () => {
    // Learned positions are the only ones that end.
    const model = { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 64, position: "learned" };
    const config = writeMicroConfig(folder.path, { model });
    const result = await rotor(folder.path, "train", config, "--json");
    run = (JSON.parse(result.stdout) as { run: { id: string } }).run.id;
  });
  after(() => folder[Symbol.dispose]());

  const rows: [what: string, damage: (checkpoint: string) => void, args: string[], message: RegExp][] = [
    [
      "tensor file cut off",
      (base) => truncate(`${base}.safetensors`),
      [],
      /has no usable checkpoint|is cut off/,
    ],
    ["one flipped bit", (base) => flip(`${base}.safetensors`), [], /checksum differs: it is damaged/],
    ["tensor file missing", (base) => writeFileSync(`${base}.safetensors`, ""), [], /shorter than 8 bytes/],
    [
      "sidecar of another program",
      (base) => writeFileSync(`${base}.json`, '{"format": "other"}'),
      [],
      /is not a checkpoint of Rotor/,
    ],
    ["sidecar that is not JSON", (base) => writeFileSync(`${base}.json`, "{"), [], /is not JSON/],
    [
      "step without a checkpoint",
      () => {},
      ["--checkpoint", "7"],
      /has no checkpoint of step 7; expected one of/,
    ],
    ["temperature below 0", () => {}, ["--temperature", "-1"], /temperature -1: expected a number ≥ 0/],
    ["top-p above 1", () => {}, ["--top-p", "2"], /topP 2: expected a number in \(0, 1\]/],
    [
      "sidecar whose step was changed",
      (base) => {
        const sidecar = readFileSync(`${base}.json`, "utf8");
        writeFileSync(`${base}.json`, sidecar.replace('"step":20', '"step":25'));
      },
      [],
      /step-00000020\.json: its seal doesn't fit its fields: it is damaged or was changed/,
    ],
    [
      "more tokens than the model allows",
      () => {},
      ["--tokens", "500"],
      /expected at most 64 together \(the model's maxLength, as its positions are learned\)/,
    ],
  ];
  for (const [what, damage, args, message] of rows) {
    test(what, async () => {
      using copy = temporaryFolder();
      cpSync(folder.path, copy.path, { recursive: true });
      const base = path.join(copy.path, ".rotor/runs", run, "checkpoints/step-00000020");
      damage(base);
      const result = await rotor(
        copy.path,
        "sample",
        run,
        ...(args.length > 0 ? args : ["--checkpoint", "20"]),
      );
      assertOneLine(result.stderr, message);
      assert.equal(result.code, 1);
    });
  }

  test("a damaged newest checkpoint is passed over with a word", async () => {
    using copy = temporaryFolder();
    const config = writeMicroConfig(copy.path);
    await rotor(copy.path, "train", config, "--set", "training.checkpointEvery=10");
    const id = readdirSync(path.join(copy.path, ".rotor/runs"))[0]!;
    flip(path.join(copy.path, ".rotor/runs", id, "checkpoints/step-00000020.safetensors"));
    const result = await rotor(copy.path, "sample", id, "--tokens", "4");
    assert.equal(result.code, 0);
    assert.match(result.stderr, /^rotor: .*checksum differs: it is damaged; using the one before\n$/);
  });

  test("--temperature that is no number is wrong usage", async () => {
    const result = await rotor(folder.path, "sample", run, "--temperature", "warm");
    assertOneLine(result.stderr, /option '--temperature <t>' argument 'warm' is invalid. expected a number/);
    assert.equal(result.code, 2);
  });
});

function truncate(file: string): void {
  writeFileSync(file, readFileSync(file).subarray(0, -10));
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 5]! ^= 1;
  writeFileSync(file, bytes);
}

const divergence = { kind: "adamw", learningRate: 1e30 };

describe("numbers that diverge stop the run, name the tensor and leave a good checkpoint", () => {
  const rows: [what: string, training: Record<string, unknown>, message: RegExp][] = [
    [
      "the loss",
      { clipNorm: null, checkpointEvery: 0 },
      /the loss of step \d+ is NaN; the first non-finite tensor is params\.\S+ = \S+; /,
    ],
    [
      "the norm of the gradients",
      { checkpointEvery: 0 },
      /the gradients' norm of step \d+ is NaN, the loss still \S+; the first non-finite/,
    ],
    [
      "the state, before it is saved",
      { clipNorm: null, checkpointEvery: 1, keepCheckpoints: 1 },
      /the state after step \d+ can't be trained on; .*; the last good checkpoint is of step \d+/,
    ],
    [
      "the validation",
      { clipNorm: null, evalEvery: 1, checkpointEvery: 0 },
      /the validation loss of step \d+ is (NaN|Infinity)/,
    ],
  ];
  for (const [what, training, message] of rows) {
    test(what, async () => {
      using folder = temporaryFolder();
      const config = writeMicroConfig(folder.path, {
        optimizer: divergence,
        training: {
          steps: 20,
          batchSize: 4,
          length: 16,
          evalBatches: 2,
          sampleTokens: 0,
          threads: 1,
          ...training,
        },
      });
      const result = await rotor(folder.path, "train", config);
      assert.equal(result.code, 1);
      assertOneLine(result.stderr, message);
      const runs = JSON.parse((await rotor(folder.path, "runs", "list", "--json")).stdout) as {
        id: string;
        status: string;
      }[];
      assert.equal(runs[0]!.status, "failed");
      assert.equal((await rotor(folder.path, "runs")).code, 0);
      const saved = path.join(folder.path, ".rotor/runs", runs[0]!.id, "checkpoints");
      for (const name of existsSync(saved) ? readdirSync(saved) : []) {
        if (!name.endsWith(".safetensors")) continue;
        for (const { data } of readSafetensors(path.join(saved, name)).tensors.values())
          assert.ok(Array.from(data as Float32Array).every(Number.isFinite), name);
      }
    });
  }
});

test("data that have changed are not trained on further", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  await rotor(folder.path, "train", config, "--set", "training.checkpointEvery=10");
  const [id] = readdirSync(path.join(folder.path, ".rotor/runs"));
  for (const ending of ["json", "safetensors"])
    rmSync(path.join(folder.path, ".rotor/runs", id!, `checkpoints/step-00000020.${ending}`));
  const text = readFileSync(path.join(folder.path, "text.txt"), "utf8");
  writeFileSync(path.join(folder.path, "text.txt"), text.replace("whale", "shark"));
  const changed = await rotor(folder.path, "train", "--resume");
  assertOneLine(changed.stderr, /was trained on tokens \w+, the data now gives \w+: the source has changed/);
  assert.equal(changed.code, 1);
  // The same text written anew is the same data.
  writeFileSync(path.join(folder.path, "text.txt"), text);
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
});

test("looking for runs makes no folder", async () => {
  using folder = temporaryFolder();
  const listed = await rotor(folder.path, "runs", "--home", "mistyped");
  assert.match(listed.stdout, /^no runs in .*mistyped; start one with/);
  assert.equal((await rotor(folder.path, "sample", "latest", "--home", "mistyped")).code, 1);
  assert.deepEqual(readdirSync(folder.path), []);
});

const isRoot = process.getuid?.() === 0;

test("an unwritable folder", { skip: isRoot ? "root may write everywhere" : false }, async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  mkdirSync(path.join(folder.path, "home"));
  chmodSync(path.join(folder.path, "home"), 0o500);
  const result = await rotor(folder.path, "train", config, "--home", "home");
  assertOneLine(result.stderr, /home/);
  assert.equal(result.code, 1);
});

test("a full disk", {
  skip: isRoot && process.platform === "linux" ? false : "needs root to mount a small disk",
}, async (t) => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    model: { numLayers: 2, modelDim: 128, numHeads: 2, maxLength: 64 },
    training: {
      steps: 3,
      batchSize: 2,
      length: 16,
      evalBatches: 2,
      checkpointEvery: 1,
      sampleTokens: 0,
      threads: 1,
    },
  });
  const home = path.join(folder.path, "disk");
  mkdirSync(home);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", home]).status !== 0) {
    t.skip("can't mount a small disk here");
    return;
  }
  try {
    const result = await rotor(folder.path, "train", config, "--home", home);
    assertOneLine(result.stderr, /no space left on device|database or disk is full/i);
    assert.equal(result.code, 1);
    const left = contents(home).filter((name) => /\.tmp$|\.safetensors$/.test(name));
    assert.deepEqual(left, []);
  } finally {
    spawnSync("umount", [home]);
  }
});

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { readCodeFile, readImage, writeCodeFile, writePng } from "../src/data/index.ts";
import { rotor, spot, temporaryFolder, writeMicroConfig, writeMicroImages } from "./command.ts";

const folder = temporaryFolder();
let run = "";
before(async () => {
  const result = await rotor(folder.path, "train", await writeMicroImages(folder.path), "--json");
  assert.equal(result.code, 0, result.stderr);
  run = (JSON.parse(result.stdout) as { run: { id: string } }).run.id;
});
after(() => folder[Symbol.dispose]());
const inFolder = (...parts: string[]) => path.join(folder.path, ...parts);

test("images become codes and images again, and both are drawn beside each other", async () => {
  const encoded = await rotor(
    folder.path,
    "encode",
    run,
    "images",
    "-o",
    "all.codes",
    "--grid",
    "out/grid.png",
    "--json",
  );
  assert.equal(encoded.code, 0, encoded.stderr);
  const summary = JSON.parse(encoded.stdout) as Record<string, number>;
  assert.deepEqual([summary.images, summary.codes], [24, 24 * 16]);
  // 16 codes of 5 bits for 64 pixels.
  assert.equal(summary.bitsPerPixel, 1.25);
  const file = readCodeFile(inFolder("all.codes"));
  assert.deepEqual(
    [file.run, file.step, file.grid, file.codebookSizes],
    [run, 10, { height: 4, width: 4 }, [20]],
  );
  assert.ok(file.names.includes("inner/i0.png") && file.names.includes("i1.png"));
  const grid = await readImage(inFolder("out/grid.png"), 1);
  // Four rows of 8 images, 8 times as large, with lines of one pixel.
  assert.deepEqual([grid.height, grid.width], [4 * 65 + 1, 8 * 65 + 1]);

  const decoded = await rotor(folder.path, "decode", run, "all.codes", "-o", "back");
  assert.equal(decoded.stdout, "wrote 24 images to back\n");
  assert.equal(readdirSync(inFolder("back")).length, 24);
  let squares = 0;
  for (const name of file.names) {
    const original = await readImage(inFolder("images", name), 1);
    const back = await readImage(inFolder("back", name.replace("inner/", "inner-")), 1);
    assert.deepEqual([back.height, back.width], [8, 8]);
    back.pixels.forEach((value, i) => {
      squares += (value - original.pixels[i]!) ** 2;
    });
  }
  // The files hold what was measured.
  const psnr = 10 * Math.log10(255 ** 2 / (squares / (24 * 64)));
  assert.ok(Math.abs(psnr - summary.psnr!) < 1e-9, `${psnr} ${summary.psnr}`);
  // Piped: no drawing.
  assert.ok(!(encoded.stdout + decoded.stdout).includes("\x1b"));
});

test("images of other sizes are cut only if asked to be", async () => {
  await writePng(inFolder("large.png"), spot(17, 30, 3));
  const refused = await rotor(folder.path, "encode", run, "large.png", "-o", "large.codes");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^rotor: image "large\.png": is 17×30, expected 8×8, or a fit \(crop, cover, patches\)\n$/,
  );
  assert.ok(!existsSync(inFolder("large.codes")));
  for (const [fit, count] of [
    ["crop", 1],
    ["cover", 1],
    ["patches", 6],
  ] as const) {
    const result = await rotor(folder.path, "encode", run, "large.png", "-o", `${fit}.codes`, "--fit", fit);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(readCodeFile(inFolder(`${fit}.codes`)).names.length, count);
  }
  assert.equal(readCodeFile(inFolder("patches.codes")).names[5], "large-0005.png");
  const [crop, cover] = ["crop", "cover"].map((fit) => readCodeFile(inFolder(`${fit}.codes`)).codes);
  assert.notDeepEqual(crop, cover);
});

test("rotor codebook counts what the encoder says", async () => {
  const shown = await rotor(folder.path, "codebook", run, "--part", "train", "--svg", "usage.svg", "--json");
  assert.equal(shown.code, 0, shown.stderr);
  const report = JSON.parse(shown.stdout) as {
    images: number;
    vectors: number;
    codebooks: { numUsed: number; dead: number; perplexity: number; histogram: number[] }[];
    distances: { toNearestCode: number; toNearestVector: number };
  };
  assert.deepEqual([report.images, report.vectors], [18, 18 * 16]);
  const [codebook] = report.codebooks;
  assert.equal(codebook!.histogram.length, 20);
  assert.equal(
    codebook!.histogram.reduce((a, b) => a + b),
    18 * 16,
  );
  assert.equal(codebook!.numUsed + codebook!.dead, 20);
  assert.equal(codebook!.dead, codebook!.histogram.filter((hits) => hits === 0).length);
  assert.ok(report.distances.toNearestCode > 0 && report.distances.toNearestVector > 0);
  assert.match(readFileSync(inFolder("usage.svg"), "utf8"), /^<svg[\s\S]*20 codes/);

  // Both parts together are all images.
  const validation = JSON.parse(
    (await rotor(folder.path, "codebook", run, "--json")).stdout,
  ) as typeof report;
  await rotor(folder.path, "encode", run, "images", "-o", "count.codes");
  const hits = new Array<number>(20).fill(0);
  for (const code of readCodeFile(inFolder("count.codes")).codes) hits[code]!++;
  assert.deepEqual(
    codebook!.histogram.map((own, k) => own + validation.codebooks[0]!.histogram[k]!),
    hits,
  );
  const text = await rotor(folder.path, "codebook", run);
  assert.match(text.stdout, /codebook {2}codes {2}used {2}usage {3}perplexity {2}dead/);
  assert.match(text.stdout, /hits per code\n/);
});

test("an older checkpoint has other codes, which the newest doesn't decode", async () => {
  const old = await rotor(folder.path, "encode", run, "images", "-o", "old.codes", "--checkpoint", "5");
  assert.equal(old.code, 0, old.stderr);
  const wrong = await rotor(folder.path, "decode", run, "old.codes", "-o", "old");
  assert.match(
    wrong.stderr,
    /^rotor: code file "old\.codes": was made by step 5 of run \S+, with another decoder or codebook than step 10 of run [^\n]+\n$/,
  );
  assert.ok(!existsSync(inFolder("old")));
  const right = await rotor(folder.path, "decode", run, "old.codes", "-o", "old", "--checkpoint", "5");
  assert.equal(right.code, 0, right.stderr);
});

test("several codes per vector, colour, an average of the parameters, and names that collide", async () => {
  using other = temporaryFolder();
  const config = await writeMicroImages(other.path, {
    quantizer: {
      kind: "residual",
      layers: [
        { kind: "simvq", numCodes: 5, dim: 4 },
        { kind: "fsq", levels: [3, 3, 3, 3] },
      ],
    },
    data: { source: "images", size: 8 },
    training: { steps: 4, batchSize: 6, threads: 1, emaDecay: 0.5, evaluateAverage: true },
  });
  assert.equal((await rotor(other.path, "train", config)).code, 0);
  await writePng(path.join(other.path, "more/a.png"), spot(8, 8, 1));
  await writePng(path.join(other.path, "again/A.png"), spot(8, 8, 2));
  const result = await rotor(other.path, "encode", "latest", "more", "again", "-o", "x.codes");
  assert.equal(result.code, 0, result.stderr);
  const file = readCodeFile(path.join(other.path, "x.codes"));
  assert.deepEqual([file.codebookSizes, file.image.channels, file.codes.length], [[5, 81], 3, 2 * 16 * 2]);
  assert.equal((await rotor(other.path, "decode", "latest", "x.codes", "-o", "back")).code, 0);
  assert.deepEqual(readdirSync(path.join(other.path, "back")).sort(), ["A-2.png", "a.png"]);
  const report = JSON.parse((await rotor(other.path, "codebook", "latest", "--json")).stdout) as {
    codebooks: unknown[];
    distances: unknown;
  };
  assert.deepEqual([report.codebooks.length, report.distances], [2, null]);
});

test("names of a foreign file can't lead out of the folder", async () => {
  await rotor(folder.path, "encode", run, "images/i1.png", "images/i2.png", "-o", "names.codes");
  const file = readCodeFile(inFolder("names.codes"));
  writeCodeFile(inFolder("evil.codes"), { ...file, names: ["../../evil.png", "/etc/\u0000passwd"] });
  const result = await rotor(folder.path, "decode", run, "evil.codes", "-o", "safe");
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(readdirSync(inFolder("safe")).sort(), ["etc-passwd.png", "evil.png"]);
});

describe("what can't be used is named in one line, and nothing is written", () => {
  const rows: [
    what: string,
    prepare: (at: string) => void | Promise<void>,
    args: string[],
    code: number,
    message: RegExp,
  ][] = [
    [
      "no image",
      () => {},
      ["encode", "RUN", "none.png", "-o", "x"],
      1,
      /image "none\.png": no such file or folder/,
    ],
    [
      "a folder without images",
      (at) => void mkdirSync(path.join(at, "empty")),
      ["encode", "RUN", "empty", "-o", "x"],
      1,
      /image folder "empty": no \.png, \.jpg or \.jpeg file in it/,
    ],
    [
      "an image that is none",
      (at) => writeFileSync(path.join(at, "bad.png"), "text"),
      ["encode", "RUN", "images", "bad.png", "-o", "x"],
      1,
      /image "bad\.png": is not an image, expected PNG or JPEG/,
    ],
    [
      "an image cut off",
      (at) => cut(path.join(at, "images/i1.png"), path.join(at, "cut.png")),
      ["encode", "RUN", "cut.png", "-o", "x"],
      1,
      /image "cut\.png": is (cut off|damaged)/,
    ],
    [
      "an image smaller than the model's",
      (at) => writePng(path.join(at, "small.png"), spot(4, 9, 0)),
      ["encode", "RUN", "small.png", "-o", "x", "--fit", "crop"],
      1,
      /image "small\.png": is 4×9, expected at least 8×8, or the fit cover/,
    ],
    [
      "an unknown fit",
      () => {},
      ["encode", "RUN", "images", "-o", "x", "--fit", "squeeze"],
      1,
      /--fit squeeze: expected exact, crop, cover, patches/,
    ],
    [
      "no place for the codes",
      () => {},
      ["encode", "RUN", "images", "-o", "images/i1.png/x"],
      1,
      /file "images\/i1\.png\/x": .*i1\.png is a file, expected a folder/,
    ],
    [
      "no --out",
      () => {},
      ["encode", "RUN", "images"],
      2,
      /required option '-o, --out <file>' not specified/,
    ],
    [
      "a run that isn't there",
      () => {},
      ["encode", "nothing", "images", "-o", "x"],
      1,
      /run "nothing": not in/,
    ],
    [
      "a checkpoint that isn't there",
      () => {},
      ["encode", "RUN", "images", "-o", "x", "--checkpoint", "7"],
      1,
      /has no checkpoint of step \d+; expected one of/,
    ],
    [
      "no code file",
      () => {},
      ["decode", "RUN", "none.codes", "-o", "x"],
      1,
      /code file "none\.codes": no such file/,
    ],
    [
      "a foreign file",
      () => {},
      ["decode", "RUN", "micro-vq.json", "-o", "x"],
      1,
      /code file "micro-vq\.json": is not a code file/,
    ],
    [
      "a code file cut off",
      (at) => cut(path.join(at, "names.codes"), path.join(at, "cut.codes")),
      ["decode", "RUN", "cut.codes", "-o", "x"],
      1,
      /code file "cut\.codes": is cut off/,
    ],
    [
      "a damaged code file",
      (at) => flip(path.join(at, "names.codes"), path.join(at, "flip.codes")),
      ["decode", "RUN", "flip.codes", "-o", "x"],
      1,
      /code file "flip\.codes": checksum differs/,
    ],
    [
      "a code file of a newer version",
      (at) => newer(path.join(at, "names.codes"), path.join(at, "new.codes")),
      ["decode", "RUN", "new.codes", "-o", "x"],
      1,
      /code file "new\.codes": has version 2, this Rotor reads 1/,
    ],
    [
      "a file in the folder's place",
      (at) => writeFileSync(path.join(at, "file"), ""),
      ["decode", "RUN", "names.codes", "-o", "file"],
      1,
      /folder "file": is a file, expected a folder/,
    ],
    [
      "an unknown part",
      () => {},
      ["codebook", "RUN", "--part", "test"],
      1,
      /--part test: expected train or validation/,
    ],
    [
      "no place for the picture",
      () => {},
      ["codebook", "RUN", "--svg", "images/i1.png/x"],
      1,
      /file "images\/i1\.png\/x": .*i1\.png is a file, expected a folder/,
    ],
    ["a run of text", () => {}, ["codebook", "TEXT"], 1, /is no autoencoder of images, and has no codes/],
  ];
  const shared = temporaryFolder();
  let text = "";
  before(async () => {
    cpSync(folder.path, shared.path, { recursive: true });
    await rotor(shared.path, "encode", run, "images/i1.png", "-o", "names.codes");
    const language = await rotor(shared.path, "train", writeMicroConfig(shared.path), "--json");
    text = (JSON.parse(language.stdout) as { run: { id: string } }).run.id;
  });
  after(() => shared[Symbol.dispose]());
  for (const [what, prepare, args, code, message] of rows) {
    test(what, async () => {
      await prepare(shared.path);
      const files = () =>
        (readdirSync(shared.path, { recursive: true }) as string[])
          .filter((name) => !name.includes("rotor.sqlite"))
          .sort();
      const earlier = files();
      const result = await rotor(
        shared.path,
        ...args.map((arg) => (arg === "RUN" ? run : arg === "TEXT" ? text : arg)),
      );
      assert.match(result.stderr, /^rotor: [^\n]+\n$/);
      assert.match(result.stderr, message);
      assert.equal(result.code, code);
      assert.equal(result.stdout, "");
      assert.deepEqual(files(), earlier);
    });
  }
});

function cut(from: string, to: string): void {
  const bytes = readFileSync(from);
  writeFileSync(to, bytes.subarray(0, bytes.length / 2));
}

function flip(from: string, to: string): void {
  const bytes = readFileSync(from);
  bytes[bytes.length - 6]! ^= 1;
  writeFileSync(to, bytes);
}

function newer(from: string, to: string): void {
  const bytes = readFileSync(from);
  bytes[8] = 2;
  writeFileSync(to, bytes);
}

describe("codes as tokens", () => {
  const micro = (data: Record<string, unknown>, training: Record<string, unknown> = {}) => ({
    name: "micro-codes",
    task: "codes",
    model: { numLayers: 1, modelDim: 16, numHeads: 2 },
    data,
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: {
      steps: 4,
      batchSize: 4,
      threads: 1,
      evalEvery: 2,
      checkpointEvery: 2,
      sampleImages: 3,
      ...training,
    },
  });
  const write = (name: string, config: unknown) => writeFileSync(inFolder(name), JSON.stringify(config));
  let trained = "";
  before(async () => {
    await rotor(folder.path, "encode", run, "images", "-o", "old.codes", "--checkpoint", "5");
    write("codes.json", micro({ run: "micro-vq" }));
    const result = await rotor(folder.path, "train", "codes.json", "--json");
    assert.equal(result.code, 0, result.stderr);
    trained = (JSON.parse(result.stdout) as { run: { id: string } }).run.id;
  });

  test("a run draws pictures while it is trained, and images afterwards", async () => {
    const pictures = inFolder(".rotor/runs", trained, "pictures");
    assert.deepEqual(readdirSync(pictures), ["samples-00000002.png", "samples-00000004.png"]);
    const picture = await readImage(path.join(pictures, "samples-00000004.png"), 1);
    assert.deepEqual([picture.height, picture.width], [66, 3 * 65 + 1]);
    const reconstructions = readdirSync(inFolder(".rotor/runs", run, "pictures"));
    assert.deepEqual(reconstructions, ["reconstructions-00000010.png"]);

    const drawn = await rotor(folder.path, "sample", trained, "--images", "3", "--out", "drawn.png");
    assert.equal(drawn.stdout, "wrote drawn.png: 3 images\n", drawn.stderr);
    // The same seed, number and model: the picture of the last evaluation.
    assert.deepEqual(await readImage(inFolder("drawn.png"), 1), picture);
    const other = await rotor(
      folder.path,
      "sample",
      trained,
      "--images",
      "3",
      "--out",
      "other.png",
      "--seed",
      "5",
    );
    assert.equal(other.code, 0);
    assert.notDeepEqual(await readImage(inFolder("other.png"), 1), picture);
  });

  test("a resumed run is an uninterrupted one, bit by bit, though the name means another run by now", async () => {
    using copy = temporaryFolder();
    cpSync(folder.path, copy.path, { recursive: true });
    const checkpoints = path.join(copy.path, ".rotor/runs", trained, "checkpoints");
    const last = path.join(checkpoints, "step-00000004.safetensors");
    const whole = readFileSync(last);
    for (const ending of ["safetensors", "json"]) rmSync(path.join(checkpoints, `step-00000004.${ending}`));
    await rotor(copy.path, "train", "micro-vq.json", "--set", "training.seed=9");
    const resumed = await rotor(copy.path, "train", "--resume", trained);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.ok(readFileSync(last).equals(whole));
  });

  test("an expected loss is compared with only on the codes of a finished autoencoder that has one too", async () => {
    const band = { mean: 2, spread: 100, seeds: 3 };
    write("measured.json", {
      ...(JSON.parse(readFileSync(inFolder("micro-vq.json"), "utf8")) as object),
      name: "measured-vq",
      expectedLoss: { mean: 0.05, spread: 1, seeds: 3 },
    });
    const autoencoder = await rotor(folder.path, "train", "measured.json");
    assert.match(autoencoder.stdout, /expected 0\.05 ± 1 \(3 seeds\): inside the band/);
    for (const [data, expected] of [
      [{ run: "measured-vq" }, /expected 2 ± 100 \(3 seeds\): inside the band/],
      [{ run: "measured-vq", checkpoint: 5 }, /expected loss: not measured/],
      [{ run: "micro-vq" }, /expected loss: not measured/],
    ] as const) {
      write("expecting.json", { ...micro(data, { steps: 1 }), expectedLoss: band });
      const { stdout, stderr } = await rotor(folder.path, "train", "expecting.json");
      assert.match(stdout, expected, stderr);
    }
  });

  test("rows and columns as positions", async () => {
    const set = ["--set", "model.layout=tie-v2", "--set", "training.steps=2"];
    const result = await rotor(folder.path, "train", "codes.json", ...set, "--json");
    assert.equal(result.code, 0, result.stderr);
    const other = JSON.parse(result.stdout) as { run: { id: string }; validation: { loss: number } };
    const drawn = await rotor(folder.path, "sample", other.run.id, "--images", "3", "--out", "tie.png");
    assert.equal(drawn.code, 0, drawn.stderr);
    const flat = await rotor(folder.path, "train", "codes.json", "--set", "training.steps=2", "--json");
    // Two steps of the same numbers but for where codes lie: the losses differ by far more than rounding.
    const { loss } = (JSON.parse(flat.stdout) as typeof other).validation;
    assert.ok(Math.abs(loss - other.validation.loss) > 1e-5, `${loss} ${other.validation.loss}`);
    const vision = ["--set", "model.ropePairing=half-per-axis", "--set", "model.allocation={kind: per-axis}"];
    const third = await rotor(folder.path, "train", "codes.json", ...set, ...vision, "--json");
    assert.equal(third.code, 0, third.stderr);
    const { validation } = JSON.parse(third.stdout) as typeof other;
    assert.ok(Math.abs(validation.loss - other.validation.loss) > 1e-5);
  });

  test("two batches per step do what one of twice the size does", async () => {
    // Of the same validation images, whole batches of which are evaluated.
    const same = ["--set", "training.evalImages=4", "--json"];
    const parts = ["--set", "training.batchSize=2", "--set", "training.accumulate=2"];
    const result = await rotor(folder.path, "train", "codes.json", ...parts, ...same);
    assert.equal(result.code, 0, result.stderr);
    const { validation } = JSON.parse(result.stdout) as { validation: { loss: number } };
    const whole = await rotor(folder.path, "train", "codes.json", ...same);
    const { loss } = (JSON.parse(whole.stdout) as { validation: { loss: number } }).validation;
    assert.ok(Math.abs(validation.loss - loss) < 1e-4, `${loss} ${validation.loss}`);
  });

  test("codes of a file", async () => {
    await rotor(folder.path, "encode", run, "images", "-o", "train.codes");
    write("file.json", micro({ run, file: "train.codes", validationFraction: 0.25 }, { sampleImages: 0 }));
    const result = await rotor(folder.path, "train", "file.json");
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /18 images to train on, 4 kept for validation/);
  });

  const rows: [what: string, args: () => string[], message: RegExp][] = [
    [
      "a run that isn't there",
      () => ["train", "codes.json", "--set", "data.run=nothing"],
      /run "nothing": not in/,
    ],
    [
      "codes of a run of codes",
      () => ["train", "codes.json", "--set", `data.run=${trained}`],
      /is no autoencoder of images, and has no codes/,
    ],
    [
      "a checkpoint that isn't there",
      () => ["train", "codes.json", "--set", "data.checkpoint=7"],
      /has no checkpoint of step \d+; expected one of/,
    ],
    [
      "codes of another checkpoint",
      () => ["train", "codes.json", "--set", "data.file=old.codes"],
      /code file "old\.codes": was made by step 5/,
    ],
    [
      "a file that isn't there",
      () => ["train", "codes.json", "--set", "data.file=none.codes"],
      /code file "none\.codes": no such file/,
    ],
    [
      "a layout for other positions",
      () => ["train", "codes.json", "--set", "model={layout: tie-v2, position: alibi}"],
      /placePositions: expected position "rope" as well, not "alibi"/,
    ],
    [
      "sections that don't fill the head",
      () => [
        "train",
        "codes.json",
        "--set",
        "model={layout: tie-v2, allocation: {kind: sections, sections: [3, 3, 1]}}",
      ],
      /sections 3,3,1: add up to 7, expected \d+, half of the \d+ components that turn\n$/,
    ],
    [
      "axes that aren't those of all frequencies",
      () => [
        "train",
        "codes.json",
        "--set",
        "model={layout: tie-v2, allocation: {kind: interleaved-sections, sections: [3]}}",
      ],
      /interleaved sections 3: expected 2 numbers, one per axis, that add up to \d+\n$/,
    ],
    [
      "an unknown key",
      () => ["train", "codes.json", "--set", "training.length=4"],
      /training\.length: unknown key/,
    ],
    ["a prompt", () => ["sample", trained, "--prompt", "The"], /--prompt The: run \S+ makes images/],
    [
      "a class of a model without classes",
      () => ["sample", trained, "--class", "1"],
      /class 1: the model was trained without classes/,
    ],
    [
      "no place for the images",
      () => ["sample", trained, "--out", "images/i1.png/x.png"],
      /file "images\/i1\.png\/x\.png": .*i1\.png is a file, expected a folder/,
    ],
    ["sampling from an autoencoder", () => ["sample", run], /is an autoencoder, which can't be sampled from/],
  ];
  for (const [what, args, message] of rows) {
    test(`${what} is refused`, async () => {
      const runs = () => readdirSync(inFolder(".rotor/runs")).length;
      const before = runs();
      const result = await rotor(folder.path, ...args());
      assert.match(result.stderr, /^rotor: [^\n]+\n$/);
      assert.match(result.stderr, message);
      assert.deepEqual([result.code, result.stdout, runs()], [1, "", before]);
    });
  }
});

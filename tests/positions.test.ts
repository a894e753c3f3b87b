import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { rotor, temporaryFolder } from "./command.ts";

const document = "text:2 image:2x3 text:2";

test("rotor positions prints where tokens lie, the jumps and the properties of every layout", async () => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "positions",
    document,
    "--layout",
    "tie-v2",
    "--compare",
    "mrope,flat",
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(
    stdout.split("\n\n")[0],
    `tie-v2 (h, w)
   segment    tokens  first     last      from the token before
·  text:2          2  (0, 0)    (1, 1)
A  image:2x3       6  (4, 3.5)  (5, 5.5)  (3, 2.5)
·  text:2          2  (8, 8)    (9, 9)    (3, 2.5)
       ┌──────────────────── w
     0 │·
     1 │  ·
     2 │
     3 │
     4 │      A A A
     5 │      A A A
     6 │
     7 │
     8 │                ·
     9 │                  ·
     h
largest position 9 in 10 tokens: 1.000 positions per token`,
  );
  assert.match(stdout, /^mrope \(t, h, w\)$/m);
  assert.match(stdout, /^equivalence +held +broken: image:2x2 +held$/m);
  assert.match(stdout, /^video compatibility +- +held +broken: video:1x1x2$/m);
});

test("rotor positions --json holds the same as data", async () => {
  using folder = temporaryFolder();
  const { code, stdout } = await rotor(folder.path, "positions", document, "--layout", "mrope", "--json");
  assert.equal(code, 0);
  const { layouts } = JSON.parse(stdout) as {
    layouts: {
      layout: string;
      segments: { offset: number; positions: number[][] }[];
      gaps: { vector: number[] }[];
      properties: Record<string, { verdict: string; counterExample?: string }>;
    }[];
  };
  assert.equal(layouts.length, 1);
  assert.deepEqual(layouts[0]!.segments[1]!.positions, [
    [2, 2, 2],
    [2, 2, 3],
    [2, 2, 4],
    [2, 3, 2],
    [2, 3, 3],
    [2, 3, 4],
  ]);
  assert.deepEqual(
    layouts[0]!.gaps.map(({ vector }) => vector),
    [
      [1, 1, 1],
      [3, 2, 1],
    ],
  );
  assert.equal(layouts[0]!.properties.symmetry!.verdict, "broken");
  assert.equal(layouts[0]!.properties.equivalence!.counterExample, "image:2x2");
});

test("rotor positions --svg draws every token of every layout", async () => {
  using folder = temporaryFolder();
  const { code } = await rotor(
    folder.path,
    "positions",
    document,
    "--compare",
    "v2pe",
    "--svg",
    "picture.svg",
  );
  assert.equal(code, 0);
  const svg = readFileSync(path.join(folder.path, "picture.svg"), "utf8");
  assert.match(svg, /^<svg [^>]+>\n<title>Positions of text:2 image:2x3 text:2<\/title>/);
  // In each of two layouts 4 tokens of text, 6 patches; one background and two frames of panels are rectangles as well.
  assert.equal(svg.match(/<circle /g)!.length, 8);
  assert.equal(svg.match(/<rect /g)!.length, 12 + 1 + 4);
  assert.equal(svg.match(/<polyline /g)!.length, 2 + 1);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});

test("the picture names segments in their colours, in lines that fit, and axes as the layout has them", async () => {
  using folder = temporaryFolder();
  const many = Array.from({ length: 20 }, (_, i) => `text:${i + 1} image:2x${i + 1}`).join(" ");
  const flags = ["--layout", "tie-v2", "--compare", " flat,", "--svg", "picture.svg"];
  const { code, stdout } = await rotor(folder.path, "positions", many, ...flags);
  assert.equal(code, 0);
  assert.match(stdout, /^flat \(n\)$/m);
  assert.match(stdout, /^ +┌─+ n$/m);
  const svg = readFileSync(path.join(folder.path, "picture.svg"), "utf8");
  const lines = [...svg.matchAll(/<text x="36" y="(\d+)">(<tspan.*<\/tspan>)<\/text>/g)];
  const words = lines.map(([, , line]) => line!.replace(/<[^>]*>/g, ""));
  assert.equal(words.join(" "), many);
  assert.ok(words.every((line) => line.length <= 96));
  const baselines = lines.map(([, y]) => Number(y));
  assert.ok(lines.length > 2 && baselines.every((y, i) => y === 18 * (i + 1)));
  const firstRow = Number(/<g transform="translate\(0 (\d+)\)">/.exec(svg)![1]);
  assert.ok(firstRow > baselines.at(-1)!);
  // A grid has the same colour above and in the panel.
  for (const colour of ["#296d7c", "#ee6210"]) {
    const own = new RegExp(`<tspan fill="${colour}">(image:2x\\d+)<.*<g fill="${colour}"><title>\\1<`, "s");
    assert.match(svg, own);
  }
});

test("rotor positions --conformance writes what the repository holds", async () => {
  using folder = temporaryFolder();
  const { code, stdout } = await rotor(folder.path, "positions", "--conformance", "vectors");
  assert.equal(code, 0);
  const repository = new URL("../conformance/", import.meta.url);
  const vectors = (from: string | URL) =>
    (readdirSync(from, { recursive: true }) as string[]).filter((name) => name.endsWith(".json")).sort();
  const names = vectors(repository);
  assert.equal(stdout.trim().split("\n").length, names.length);
  assert.deepEqual(vectors(path.join(folder.path, "vectors")), names);
  for (const name of names) {
    const written = readFileSync(path.join(folder.path, "vectors", name), "utf8");
    assert.equal(written, readFileSync(new URL(name, repository), "utf8"), name);
  }
});

test("positions that float32 can't hold are told, with the number", async () => {
  using folder = temporaryFolder();
  const { code, stderr } = await rotor(
    folder.path,
    "positions",
    "image:1x1 text:600 image:400x600 text:1",
    "--layout",
    "tie",
    "--json",
  );
  assert.equal(code, 0);
  assert.match(stderr, /^rotor: layout tie: token \d+ lies at [\d.]+, which float32 takes for [\d.]+; .*\n$/);
});

test("rotor positions takes the step of v2pe, positions per second and merged patches", async () => {
  using folder = temporaryFolder();
  const placed = async (...args: string[]) => {
    const { code, stdout, stderr } = await rotor(folder.path, "positions", ...args, "--json");
    assert.deepEqual([code, stderr], [0, ""]);
    const { layouts } = JSON.parse(stdout) as {
      layouts: { segments: { segment: string; positions: number[][] }[] }[];
    };
    return layouts[0]!.segments;
  };
  const grid = ["text:1 image:1x4 text:1", "--layout", "v2pe"];
  assert.deepEqual((await placed(...grid, "--delta", "0.25"))[1]!.positions, [[0.25], [0.5], [0.75], [1]]);
  assert.deepEqual((await placed(...grid))[1]!.positions, [[1 / 16], [2 / 16], [3 / 16], [4 / 16]]);
  const video = ["video:3x1x1@0.5", "--layout", "mrope-seconds"];
  const times = (segments: { positions: number[][] }[]) => segments[0]!.positions.map(([t]) => t);
  assert.deepEqual(times(await placed(...video)), [0, 1, 2]);
  assert.deepEqual(times(await placed(...video, "--tokens-per-second", "6")), [0, 3, 6]);
  const [merged] = await placed("image:4x6", "--spatial-merge", "2");
  assert.deepEqual([merged!.segment, merged!.positions.length], ["image:2x3", 6]);
});

const bad: [what: string, args: string[], code: number, message: RegExp][] = [
  ["no document", [], 1, /positions: expected a document, for example "text:5 image:4x6 text:3"/],
  ["an empty document", [""], 1, /document: has no tokens/],
  ["an unknown segment", ["text:5 picture:4x6"], 1, /segment "picture:4x6": expected text:<tokens>/],
  ["a grid without rows", ["image:0x6"], 1, /image height 0: expected a whole number, 1 or more/],
  ["a grid of one side", ["image:6"], 1, /segment "image:6": expected/],
  ["an unknown layout", ["text:1", "--layout", "spiral"], 1, /layout "spiral": expected one of flat, tie/],
  ["an unknown layout to compare", ["text:1", "--compare", "flat,no"], 1, /layout "no": expected one of/],
  ["video for images only", ["video:2x2x2"], 1, /layout tie-v2: has no rule for video/],
  ["a picture nowhere", ["text:1", "--svg", "."], 1, /file "\.": is a folder, expected a file/],
  [
    "a document for vectors",
    ["text:1", "--conformance", "v"],
    1,
    /--conformance: writes documents of its own/,
  ],
  [
    "a step of nothing",
    ["text:1", "--delta", "0.5"],
    1,
    /--delta: has no effect on tie-v2; expected layout v2pe/,
  ],
  [
    "a step too large",
    ["text:1", "--layout", "v2pe", "--delta", "2"],
    1,
    /v2pe: delta 2: expected a number in/,
  ],
  [
    "no time",
    ["text:1", "--layout", "mrope-seconds", "--tokens-per-second", "0"],
    1,
    /mrope: tokensPerSecond 0: expected a positive number/,
  ],
  [
    "patches that can't be merged",
    ["image:3x4", "--spatial-merge", "2"],
    1,
    /image height 3: expected a multiple of spatialMergeSize 2/,
  ],
  ["no model", ["text:1", "--model", ","], 1, /--model ",": expected a model, or several with commas/],
  ["tokens made by none", ["text:1", "--made", "2"], 1, /--made 2: has no effect without a model/],
  ["no tokens made", ["text:1", "--model", "qwen3_vl", "--made", "0"], 2, /--made <count>' argument '0'/],
  [
    "images made without tokens",
    ["text:1", "--model", "glm_image", "--made-images", "2x2"],
    1,
    /--made-images 2x2: has no effect alone; expected --made as well/,
  ],
  [
    "images made by a model of words",
    ["text:1", "--model", "qwen3_vl", "--made", "2", "--made-images", "2x2"],
    1,
    /layout qwen3_vl: has no rule for images that are made/,
  ],
  [
    "more tokens made than there are places",
    ["text:1", "--model", "glm_image", "--made", "6", "--made-images", "2x2"],
    1,
    /layout glm_image: 6 tokens to be made, but the images to be made \(2x2\) give places to 5 at most/,
  ],
  [
    "a step for a model",
    ["text:1", "--model", "qwen3_vl", "--delta", "0.5"],
    1,
    /--delta: has no effect on qwen3_vl; expected layout v2pe/,
  ],
  [
    "no positions per second",
    ["text:1", "--model", "qwen2_5_vl", "--tokens-per-second", "0"],
    1,
    /model qwen2_5_vl: positionsPerSecond 0: expected a positive number/,
  ],
  [
    "merged patches that don't divide a model's grid",
    ["image:4x4", "--model", "qwen3_vl", "--spatial-merge", "3"],
    1,
    /image height 4: expected a multiple of spatialMergeSize 3/,
  ],
  ["a document beside all models", ["text:1", "--models"], 1, /--models: lists the rows of all models/],
  ["an unknown flag", ["text:1", "--zoom"], 2, /unknown option '--zoom'/],
];
for (const [what, args, code, message] of bad) {
  test(`${what} is one line of error`, async () => {
    using folder = temporaryFolder();
    const result = await rotor(folder.path, "positions", ...args);
    assert.match(result.stderr, /^rotor: [^\n]+\n$/);
    assert.match(result.stderr, message);
    assert.equal(result.code, code);
    assert.deepEqual(readdirSync(folder.path), []);
  });
}

test("rotor positions --model gives the ids, the delta and the frequencies of a model, and where it goes on", async () => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "positions",
    "text:1 image:4x4 text:1 video:3x2x2@1.5 text:1",
    "--model",
    "qwen2_5_vl,qwen3_vl",
    "--tokens-per-second",
    "2",
    "--made",
    "2",
    "--json",
  );
  assert.deepEqual([code, stdout, stderr], [1, "", stderr]);
  assert.equal(
    stderr,
    "rotor: model qwen3_vl: positionsPerSecond 2: has no effect, as time isn't counted in seconds\n",
  );
  const own = await rotor(
    folder.path,
    "positions",
    "text:1 image:4x4 text:1 video:3x2x2@1.5 text:1",
    "--model",
    "qwen2_5_vl",
    "--tokens-per-second",
    "2",
    "--made",
    "2",
    "--json",
  );
  assert.deepEqual([own.code, own.stderr], [0, ""]);
  const { layouts } = JSON.parse(own.stdout) as {
    layouts: {
      tokens: number;
      model: {
        axes: string[];
        positionIds: number[][];
        delta: number;
        made: number[][];
        rotary: { axisOfFrequency: number[] }[];
      };
    }[];
  };
  const [{ model, tokens }] = layouts as [(typeof layouts)[number]];
  assert.equal(tokens, 10);
  assert.deepEqual(model.axes, ["t", "h", "w"]);
  assert.deepEqual(model.positionIds, [
    [0, 1, 1, 1, 1, 3, 4, 7, 10, 5],
    [0, 1, 1, 2, 2, 3, 4, 4, 4, 5],
    [0, 1, 2, 1, 2, 3, 4, 4, 4, 5],
  ]);
  assert.equal(model.delta, 1);
  assert.deepEqual(model.made, [
    [11, 12],
    [11, 12],
    [11, 12],
  ]);
  const counts = [0, 1, 2].map(
    (axis) => model.rotary[0]!.axisOfFrequency.filter((own) => own === axis).length,
  );
  assert.deepEqual(counts, [16, 24, 24]);
});

test("rotor positions --models lists every row, and wrong models and documents are one line", async () => {
  using folder = temporaryFolder();
  const { code, stdout } = await rotor(folder.path, "positions", "--models");
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^hunyuan_vl +decoder +n w h image +xdrope +2 +component-sections 16, 16, 16, 16 +5\.24\.0$/m,
  );
  for (const [document, model, message] of [
    ["text:1", "qwen3-vl", /^rotor: model "qwen3-vl": has no row; did you mean qwen3_vl, [^\n]+\?\n$/],
    ["image:5x4", "qwen3_vl", /^rotor: image height 5: expected a multiple of spatialMergeSize 2\n$/],
    [
      "video:3x4x4",
      "ernie4_5_vl_moe",
      /^rotor: video frames 3: expected a multiple of temporalMergeSize 2\n$/,
    ],
    [
      "text:1 video:3x4x4",
      "qwen2_5_omni",
      /^rotor: qwen2_5_omni: a video of 3 frames without seconds: expected secondsPerFrame \(video:…@0\.5\), /,
    ],
    [
      "image:4x4",
      "InternVL",
      /^rotor: model "InternVL": has no row: its decoder counts tokens on one axis; V2PE [^\n]+\n$/,
    ],
    [
      "text:1",
      "gpt2",
      /^rotor: model "gpt2": has no row; expected one of qwen2_vl, [^\n]+, or a vision encoder\n$/,
    ],
    ["text:1 image:4x4 text:1", "neomme", /^rotor: layout neomme: has no rule for an image after 1 tokens/],
    ["text:1", "gemma4", /^rotor: layout gemma4: has no rule for text; expected images and videos/],
    [
      "text:1 video:1x4x4",
      "hunyuan_vl",
      /^rotor: layout hunyuan_vl: has no rule for video; expected text and images\n$/,
    ],
  ] as const) {
    const wrong = await rotor(folder.path, "positions", document, "--model", model);
    assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
    assert.match(wrong.stderr, message);
    assert.equal(wrong.stderr.split("\n").length, 2);
  }
});

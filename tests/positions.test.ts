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
  for (const colour of ["#0072b2", "#d55e00"]) {
    const own = new RegExp(`<tspan fill="${colour}">(image:2x\\d+)<.*<g fill="${colour}"><title>\\1<`, "s");
    assert.match(svg, own);
  }
});

test("rotor positions --conformance writes what the repository holds", async () => {
  using folder = temporaryFolder();
  const { code, stdout } = await rotor(folder.path, "positions", "--conformance", "vectors");
  assert.equal(code, 0);
  const repository = new URL("../conformance/", import.meta.url);
  const names = readdirSync(repository).filter((name) => name.endsWith(".json"));
  assert.equal(stdout.trim().split("\n").length, names.length);
  assert.deepEqual(readdirSync(path.join(folder.path, "vectors")).sort(), names.sort());
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
  ["a picture nowhere", ["text:1", "--svg", "none/p.svg"], 1, /"none\/p\.svg": can't be written \(ENOENT\)/],
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

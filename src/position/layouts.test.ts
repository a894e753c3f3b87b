import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import {
  advance,
  advanceFrame,
  batchPositions,
  checkSegment,
  type Document,
  documentLength,
  endVideo,
  float32Loss,
  formatDocument,
  type Layout,
  layoutNamed,
  layoutPositions,
  layouts,
  mesh,
  mrope,
  packedPositions,
  parseDocument,
  placeText,
  positionDelta,
  positionOf,
  type Segment,
  splitVideoFrames,
  startCursor,
  type TokenPositions,
  tie,
  tieV2,
  v2pe,
} from "./index.ts";
import { documentArbitrary } from "./testing/documents.ts";

const all = Object.entries(layouts) as [string, Layout][];
const vectors = (positions: TokenPositions) =>
  Array.from({ length: positions.values.length / positions.numAxes }, (_, n) => positionOf(positions, n));
const placed = (layout: Layout, text: string) => vectors(layoutPositions(layout, parseDocument(text)));
const close = (a: readonly number[][], b: readonly number[][]) => {
  assert.equal(a.length, b.length);
  // Sums of a few fractions in float64.
  a.forEach((row, n) => {
    row.forEach((value, axis) => {
      assert.ok(Math.abs(value - b[n]![axis]!) < 1e-9, `token ${n}: ${row} instead of ${b[n]}`);
    });
  });
};

/** METHODS §1.3 with positions from 1 and `L` the last text position: here `L = 2`, so that everything is 1 more than ours. */
const L = 2;
const grid = (frames: number, h: number, w: number, at: (k: number, i: number, j: number) => number[]) =>
  Array.from({ length: frames * h * w }, (_, n) =>
    at(Math.floor(n / (h * w)) + 1, (Math.floor(n / w) % h) + 1, (n % w) + 1),
  );

const formulas: [name: string, layout: Layout, document: string, visual: number[][], next: number][] = [
  ["flat", layouts.flat, "image:3x4", grid(1, 3, 4, (_, i, j) => [L + 4 * (i - 1) + j]), L + 13],
  ["tie", tie(2), "image:3x4", grid(1, 3, 4, (_, i, j) => [L + (i * 13) / 4, L + (j * 13) / 5]), L + 13],
  [
    "tie-v2 on an odd grid, halves and all",
    tieV2(2),
    "image:3x4",
    grid(1, 3, 4, (_, i, j) => [L + 4.5 + i, L + 4 + j]),
    L + 13,
  ],
  [
    "tie-3d",
    tie(3),
    "video:2x3x1",
    grid(2, 3, 1, (k, i, j) => [L + (k * 7) / 3, L + (i * 7) / 4, L + (j * 7) / 2]),
    L + 7,
  ],
  [
    "tie-v2-3d",
    tieV2(3),
    "video:2x3x5",
    grid(2, 3, 5, (k, i, j) => [L + 14 + k, L + 13.5 + i, L + 12.5 + j]),
    L + 31,
  ],
  [
    "streaming-3d",
    layouts["streaming-3d"],
    "video:2x3x4",
    grid(2, 3, 4, (k, i, j) => {
      const first = L + (k - 1) * 12;
      return [first + 6.5, first + 4.5 + i, first + 4 + j];
    }),
    L + 25,
  ],
  [
    "tie-stream",
    layouts["tie-stream"],
    "video:2x3x4",
    grid(2, 3, 4, (k, i, j) => [L + 5.5 + k, L + 4.5 + i, L + 4 + j]),
    L + 25,
  ],
  ["mrope", layouts.mrope, "video:5x2x3", grid(5, 2, 3, (k, i, j) => [L + k, L + i, L + j]), L + 6],
  [
    "mrope that goes on after the grid",
    mrope({ advance: "grid" }),
    "video:5x2x3",
    grid(5, 2, 3, (k, i, j) => [L + k, L + i, L + j]),
    L + 4,
  ],
  [
    "mrope by seconds, cut",
    mrope({ tokensPerSecond: 2 }),
    "video:3x1x2@0.75",
    grid(3, 1, 2, (k, i, j) => [L + 1 + Math.floor((k - 1) * 1.5), L + i, L + j]),
    L + 5,
  ],
  [
    "mrope-interleaved",
    layouts["mrope-interleaved"],
    "video:2x2x3",
    grid(2, 2, 3, (k, i, j) => [L + 3 * (k - 1) + 1, L + 3 * (k - 1) + i, L + 3 * (k - 1) + j]),
    L + 7,
  ],
  [
    "v2pe",
    v2pe(1 / 4),
    "video:2x1x3",
    grid(2, 1, 3, (k, _, j) => [L + ((k - 1) * 3 + j) / 4]),
    L + 6 / 4 + 1,
  ],
  [
    "hunyuan-image-3",
    layouts["hunyuan-image-3"],
    "image:3x4",
    grid(1, 3, 4, (_, i, j) => [L + 4 + i, L + 4 + j]),
    L + 13,
  ],
];
for (const [name, layout, document, visual, next] of formulas) {
  test(`${name} is its formula`, () => {
    const rows = placed(layout, `text:2 ${document} text:2`).map((row) => row.map((value) => value + 1));
    const onAll = (n: number) => layout.axes.map(() => n);
    close(rows, [onAll(1), onAll(2), ...visual, onAll(next), onAll(next + 1)]);
  });
}

for (const [name, layout] of all) {
  const documents = documentArbitrary({ video: layout.placeFrame !== undefined || layout.axes.length === 3 });

  test(`${name}: text alone is 0, 1, 2, … on every axis`, () => {
    close(
      placed(layout, "text:2 text:3"),
      [0, 1, 2, 3, 4].map((n) => layout.axes.map(() => n)),
    );
  });

  test(`${name}: a cursor, token by token or frame by frame, places what the whole document has`, () => {
    fc.assert(
      fc.property(documents, (document) => {
        let cursor = startCursor;
        const rows: number[][] = [];
        const add = (step: ReturnType<typeof advance>) => {
          rows.push(...vectors(step.positions));
          cursor = step.cursor;
          assert.equal(cursor.tokens, rows.length);
        };
        document.forEach((segment, index) => {
          if (segment.kind === "text") {
            for (let n = 0; n < segment.length; n++)
              add(advance(layout, cursor, { kind: "text", length: 1 }));
          } else if (segment.kind === "video" && layout.placeFrame !== undefined) {
            // Two videos side by side must not run into one.
            if (document[index - 1]?.kind === "video") cursor = endVideo(cursor);
            const { frames, kind: _, ...frame } = segment;
            for (let k = 0; k < frames; k++) add(advanceFrame(layout, cursor, frame));
          } else add(advance(layout, cursor, segment));
        });
        close(rows, vectors(layoutPositions(layout, document)));
        // The delta gives the next text token its place.
        const [next] = vectors(advance(layout, cursor, { kind: "text", length: 1 }).positions);
        close([next!], [layout.axes.map(() => cursor.tokens + positionDelta(cursor))]);
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  test(`${name}: padded and packed documents lie as each alone`, () => {
    fc.assert(
      fc.property(fc.array(documents, { minLength: 1, maxLength: 3 }), fc.nat(3), (batch, extra) => {
        const alone = batch.map((document) => vectors(layoutPositions(layout, document)));
        const length = Math.max(...alone.map((rows) => rows.length)) + extra;
        for (const padding of ["left", "right"] as const) {
          const { values, mask, shape, cursors } = batchPositions(layout, batch, { length, padding });
          assert.deepEqual(shape, [batch.length, length, layout.axes.length]);
          const rows = vectors({ values, numAxes: layout.axes.length });
          alone.forEach((expected, b) => {
            const own = rows.slice(b * length, (b + 1) * length);
            const kept = own.filter((_, n) => mask[b * length + n] === 1);
            assert.deepEqual(kept, expected);
            const pads = padding === "left" ? own.slice(0, -expected.length) : own.slice(expected.length);
            assert.ok(pads.flat().every((value) => value === 0));
            assert.equal(cursors[b]!.tokens, expected.length);
          });
        }
        const packed = packedPositions(layout, batch);
        assert.deepEqual(vectors(packed), alone.flat());
        assert.deepEqual(
          [...packed.documentOfToken],
          alone.flatMap((rows, index) => rows.map(() => index)),
        );
      }),
      { seed: 2, numRuns: 20 },
    );
  });

  if (layout.axes.includes("h")) {
    test(`${name}: swapping height and width swaps the axes`, () => {
      const [h, w] = [layout.axes.indexOf("h"), layout.axes.indexOf("w")];
      const swap = (segment: Segment): Segment =>
        segment.kind === "text" ? segment : { ...segment, height: segment.width, width: segment.height };
      fc.assert(
        fc.property(documents, (document) => {
          const turned = vectors(layoutPositions(layout, document.map(swap)));
          const rows = vectors(layoutPositions(layout, document));
          let offset = 0;
          for (const segment of document) {
            const size = documentLength([segment]);
            for (let n = 0; n < size; n++) {
              let partner = n;
              if (segment.kind !== "text") {
                const { height, width } = segment;
                const [frame, inFrame] = [Math.floor(n / (height * width)), n % (height * width)];
                partner = frame * height * width + (inFrame % width) * height + Math.floor(inFrame / width);
              }
              const expected = [...rows[offset + n]!];
              [expected[h], expected[w]] = [expected[w]!, expected[h]!];
              close([turned[offset + partner]!], [expected]);
            }
            offset += size;
          }
        }),
        { seed: 3, numRuns: 20 },
      );
    });
  }
}

test("a user's own layout is one function", () => {
  const spaced: Layout = {
    name: "spaced",
    axes: ["n"],
    place: (segment, start) => {
      const tokens = documentLength([segment]);
      return {
        values: Float64Array.from({ length: tokens }, (_, n) => start + 2 * n),
        next: start + 2 * tokens,
      };
    },
  };
  assert.deepEqual(placed(spaced, "text:2 image:1x2"), [[0], [2], [4], [6]]);
  const short: Layout = { ...spaced, name: "short", place: () => ({ values: Float64Array.of(0), next: 1 }) };
  assert.throws(
    () => placed(short, "text:2"),
    new ConfigError(
      "layout short: gives 1 coordinates and goes on at 1 for a text; expected 2 and a finite number",
    ),
  );
  const lost: Layout = {
    ...spaced,
    name: "lost",
    axes: ["h", "w"],
    place: (segment, start, target) => {
      if (segment.kind === "text") return placeText(segment.length, start, 2, target);
      return {
        values: mesh([
          { size: 1, start },
          { size: 2, start, step: Number.NaN },
        ]),
        next: start + 2,
      };
    },
  };
  assert.deepEqual(placed(lost, "text:2"), [
    [0, 0],
    [1, 1],
  ]);
  assert.throws(
    () => placed(lost, "text:2 image:1x2"),
    new ConfigError("layout lost: places token 2 at NaN on axis w; expected finite numbers"),
  );
  for (const numAxes of [1, 2, 3, 4]) {
    const { values, next } = placeText(3, 0.5, numAxes);
    assert.deepEqual(
      [...values],
      [0.5, 1.5, 2.5].flatMap((n) => Array<number>(numAxes).fill(n)),
    );
    assert.equal(next, 3.5);
  }
});

test("Qwen3-VL's text between frames makes blocks of them, and merged patches are one token", () => {
  const video: Document = [{ kind: "video", frames: 2, height: 4, width: 2, spatialMergeSize: 2 }];
  const split = splitVideoFrames(video, (frame) => frame + 1);
  assert.equal(formatDocument(split), "text:1 video:1x2x1 text:2 video:1x2x1");
  assert.deepEqual(vectors(layoutPositions(layouts["mrope-interleaved"], split)), [
    [0, 0, 0],
    [1, 1, 1],
    [1, 2, 1],
    [3, 3, 3],
    [4, 4, 4],
    [5, 5, 5],
    [5, 6, 5],
  ]);
});

test("a written document is read back", () => {
  fc.assert(
    fc.property(documentArbitrary({ video: true }), (document) => {
      assert.deepEqual(parseDocument(formatDocument(document)), document);
    }),
    { seed: 4, numRuns: 50 },
  );
});

test("positions beyond float32 are named with what becomes of them", () => {
  const at = (...values: number[]) => ({ values: Float64Array.from(values), numAxes: 1 });
  assert.equal(float32Loss(at(0, 2 ** 24, 1000.5)), null);
  assert.deepEqual(float32Loss(at(5, 2 ** 24 + 1)), { token: 1, position: 2 ** 24 + 1, rounded: 2 ** 24 });
  assert.equal(float32Loss(at(2 ** 15 + 1 / 256)), null);
  assert.deepEqual(float32Loss(at(2 ** 17 + 1 / 256)), {
    token: 0,
    position: 2 ** 17 + 1 / 256,
    rounded: 2 ** 17,
  });
});

test("bad documents and layouts are named", () => {
  const refuses = (action: () => unknown, message: string) => assert.throws(action, new ConfigError(message));
  refuses(() => layoutPositions(layouts.flat, []), "document: has no tokens; expected at least one");
  refuses(() => parseDocument("text:0"), "document: has no tokens; expected at least one");
  refuses(() => parseDocument(" "), "document: has no tokens; expected at least one");
  refuses(() => parseDocument("image:0x4"), "image height 0: expected a whole number, 1 or more");
  refuses(() => parseDocument("video:0x4x4"), "video frames 0: expected a whole number, 1 or more");
  refuses(
    () => parseDocument("text:3 picture:4x4"),
    'segment "picture:4x4": expected text:<tokens>, image:<height>x<width>[/<merge>] or video:<frames>x<height>x<width>[/<merge>][@<seconds per frame>]',
  );
  refuses(
    () => checkSegment({ kind: "image", height: 3, width: 4, spatialMergeSize: 2 }),
    "image height 3: expected a multiple of spatialMergeSize 2",
  );
  refuses(
    () => checkSegment({ kind: "video", frames: 1, height: 1, width: 1, secondsPerFrame: -1 }),
    "video secondsPerFrame -1: expected a number, 0 or more",
  );
  refuses(
    () => checkSegment({ kind: "text", length: 1.5 }),
    "text length 1.5: expected a whole number, 0 or more",
  );
  refuses(() => layoutNamed("tie-v3"), `layout "tie-v3": expected one of ${Object.keys(layouts).join(", ")}`);
  refuses(
    () => placed(tieV2(), "video:2x2x2"),
    "layout tie-v2: has no rule for video; expected text and images",
  );
  refuses(
    () => advanceFrame(tieV2(3), startCursor, { height: 2, width: 2 }),
    "layout tie-v2-3d: can't place a frame without knowing how many there are; expected a whole video, or a layout such as streaming-3d",
  );
  const texts = [parseDocument("text:3")];
  refuses(
    () => batchPositions(layouts.flat, texts, { padding: "top" as "left" }),
    'batch: padding "top": expected left or right',
  );
  refuses(
    () => batchPositions(layouts.flat, texts, { length: 3.5 }),
    "batch: length 3.5: expected a whole number",
  );
  const { cursor } = advanceFrame(layouts.mrope, startCursor, { height: 2, width: 2 });
  refuses(
    () => advanceFrame(layouts.mrope, cursor, { height: 2, width: 3 }),
    "frame of 2x3 tokens: expected 2x2, as the frames before",
  );
  refuses(() => v2pe(0), "v2pe: delta 0: expected a number in (0, 1]");
  refuses(() => mrope({ tokensPerSecond: 0 }), "mrope: tokensPerSecond 0: expected a positive number");
  refuses(() => batchPositions(layouts.flat, []), "batch: has no documents; expected at least one");
  refuses(
    () => batchPositions(layouts.flat, [parseDocument("text:4")], { length: 3 }),
    "batch: a document has 4 tokens, expected at most length 3",
  );
});

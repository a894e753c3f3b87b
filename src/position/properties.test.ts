import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  checkProperties,
  type Document,
  documentLength,
  formatDocument,
  type Layout,
  type LayoutName,
  type LayoutPropertyName,
  layoutMeasures,
  layoutProperties,
  layouts,
  parseDocument,
  type Segment,
} from "./index.ts";
import { documentArbitrary } from "./testing/documents.ts";

const names = Object.keys(layoutProperties) as LayoutPropertyName[];

/** The smallest documents that break a property, by hand; what isn't here is held. */
const broken: Record<LayoutName, Partial<Record<LayoutPropertyName, string>>> = {
  flat: { "image compatibility": "image:1x2", "video compatibility": "video:1x1x2" },
  tie: { "image compatibility": "image:2x2" },
  "tie-3d": {
    "image compatibility": "image:2x2",
    "video compatibility": "video:1x2x2",
    causality: "video:2x1x1",
  },
  "tie-v2": {},
  "tie-v2-3d": { causality: "video:2x1x1" },
  "streaming-3d": { "video compatibility": "video:2x1x1" },
  "tie-stream": { symmetry: "text:1 video:2x1x1 text:1" },
  mrope: { equivalence: "image:2x2", symmetry: "text:1 image:1x2 text:1" },
  "mrope-seconds": {
    "video compatibility": "video:2x1x1",
    equivalence: "video:2x1x1",
    symmetry: "text:1 image:1x2 text:1",
    injectivity: "video:2x1x1@0.25",
  },
  "mrope-interleaved": {
    "video compatibility": "video:2x1x1",
    equivalence: "image:2x2",
    symmetry: "text:1 image:1x2 text:1",
  },
  v2pe: {
    "image compatibility": "image:1x2",
    "video compatibility": "video:1x1x2",
    equivalence: "image:1x1",
    symmetry: "text:1 image:1x1 text:1",
  },
  "hunyuan-image-3": { symmetry: "text:1 image:1x2 text:1" },
};

/** Layouts that refuse video. */
const imagesOnly: ReadonlySet<LayoutName> = new Set(["tie", "tie-v2", "hunyuan-image-3"]);

/** All documents of so many tokens. */
function documentsOf(tokens: number, video: boolean): Document[] {
  if (tokens === 0) return [[]];
  const sizes = Array.from({ length: tokens }, (_, i) => i + 1);
  const segments = sizes.flatMap((length): Segment[] => {
    const grids = sizes.flatMap((height): Segment[] =>
      length % height === 0 ? [{ kind: "image", height, width: length / height }] : [],
    );
    const videos = sizes.flatMap((frames): Segment[] =>
      video && length % frames === 0
        ? sizes.flatMap((height): Segment[] => {
            const width = length / frames / height;
            return Number.isInteger(width)
              ? [1, 0.25].map((secondsPerFrame) => ({
                  kind: "video",
                  frames,
                  height,
                  width,
                  secondsPerFrame,
                }))
              : [];
          })
        : [],
    );
    return [{ kind: "text", length }, ...grids, ...videos];
  });
  return segments.flatMap((segment) =>
    documentsOf(tokens - documentLength([segment]), video).map((rest) => [segment, ...rest]),
  );
}

for (const [name, expected] of Object.entries(broken) as [LayoutName, (typeof broken)[LayoutName]][]) {
  const layout: Layout = layouts[name];

  test(`${name} breaks what it must, at the smallest document, and holds the rest`, async () => {
    const verdicts = await checkProperties(layout);
    for (const property of names) {
      const found = verdicts[property];
      if (found.verdict === "broken")
        assert.equal(formatDocument(found.document), expected[property], property);
      else if (property === "video compatibility" && imagesOnly.has(name))
        assert.equal(found.verdict, "not applicable");
      else assert.deepEqual([found.verdict, expected[property]], ["held", undefined], property);
    }
  });

  test(`${name}: no document of fewer tokens breaks a property that is broken`, () => {
    for (const [property, document] of Object.entries(expected) as [LayoutPropertyName, string][]) {
      const { appliesTo, check } = layoutProperties[property];
      const size = documentLength(parseDocument(document));
      assert.notEqual(check(layout, parseDocument(document)), null);
      for (let tokens = 1; tokens < size; tokens++) {
        for (const smaller of documentsOf(tokens, !imagesOnly.has(name))) {
          assert.ok(!appliesTo(smaller) || check(layout, smaller) === null, formatDocument(smaller));
        }
      }
    }
  });
}

test("what is held is held by larger documents too", () => {
  fc.assert(
    fc.property(documentArbitrary({ video: true }), (document) => {
      for (const name of names) {
        const { appliesTo, check } = layoutProperties[name];
        if (!appliesTo(document)) continue;
        for (const layout of ["tie-v2-3d", "streaming-3d"] as const) {
          if (broken[layout][name] === undefined) assert.equal(check(layouts[layout], document), null);
        }
      }
    }),
    { seed: 1, numRuns: 60 },
  );
});

test("a violation says what was found", () => {
  const message = (name: LayoutPropertyName, layout: Layout, text: string) =>
    layoutProperties[name].check(layout, parseDocument(text))?.message;
  assert.equal(
    message("equivalence", layouts.mrope, "text:1 image:3x4"),
    "the image of 12 tokens moves the text after it by 4, expected 12",
  );
  assert.equal(
    message("symmetry", layouts.mrope, "text:2 image:3x4 text:1"),
    "(1, 1, 1) from the text before to the first patch, (4, 2, 1) from the last patch to the text after",
  );
  const constant: Layout = {
    name: "constant",
    axes: ["n"],
    place: (segment) => ({ values: new Float64Array(documentLength([segment])), next: 0 }),
  };
  assert.equal(message("injectivity", constant, "text:2"), "tokens 0 and 1 both lie at (0)");
  assert.equal(
    message("text compatibility", constant, "text:3"),
    "token 1 lies 0 from the first on axis n, expected 1",
  );
});

test("measures: how far a document reaches, and the jumps at its borders", () => {
  const document = parseDocument("text:2 image:3x4 text:1");
  const [flat, mrope, tied] = [layouts.flat, layouts.mrope, layouts["tie-v2"]].map((layout) =>
    layoutMeasures(layout, document),
  );
  assert.deepEqual([flat!.largestPosition, flat!.positionsPerToken], [14, 1]);
  assert.deepEqual([mrope!.largestPosition, mrope!.positionsPerToken], [6, 7 / 15]);
  assert.deepEqual(
    tied!.gaps.map(({ from, to, token, vector, size }) => [from, to, token, vector, size]),
    [
      ["text", "image", 1, [5.5, 5], 5.5],
      ["image", "text", 13, [5.5, 5], 5.5],
    ],
  );
});

test("no layout of streams is symmetric and RoPE-3D as well: all half steps near a video of one or two patches are tried", () => {
  const steps = Array.from({ length: 33 }, (_, i) => i / 2 - 4);
  let symmetric = 0;
  // Text before at −1 on all axes, a first frame that no later one may move, and where text goes on after one frame and after two.
  for (const t of steps) {
    for (const h of steps) {
      for (const w of steps) {
        const first = [t, h, w];
        const entering = first.map((value) => value + 1);
        const leaves = (next: number, last: readonly number[]) =>
          last.every((value, axis) => next - value === entering[axis]);
        if (!steps.some((next) => leaves(next, first))) continue;
        symmetric++;
        assert.ok(!steps.some((next) => leaves(next, [t + 1, h, w])));
      }
    }
  }
  assert.ok(symmetric > 10);
});

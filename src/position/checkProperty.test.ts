import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import {
  type CheckPropertyOptions,
  checkProperties,
  checkProperty,
  type Document,
  formatDocument,
  type Layout,
  type LayoutProperty,
  type LayoutPropertyName,
  layouts,
  mesh,
  parseDocument,
  placeText,
  segmentLength,
} from "./index.ts";

/** The counter-example in words, or the verdict. */
async function found(
  layout: Layout,
  property: LayoutPropertyName | LayoutProperty,
  options?: CheckPropertyOptions,
): Promise<string> {
  const verdict = await checkProperty(layout, property, options);
  return verdict.verdict === "broken" ? formatDocument(verdict.document) : verdict.verdict;
}

/** A layout of one's own: images of more than `most` rows are left with the rows that fit, twice. */
const overlapping = (most: number): Layout => ({
  name: "overlapping",
  axes: ["h", "w"],
  place(segment, start, target) {
    if (segment.kind === "text") return placeText(segment.length, start, 2, target);
    if (segment.kind === "video") throw new ConfigError("overlapping: has no rule for video");
    const { height, width } = segment;
    const grid = mesh(
      [
        { size: height, start },
        { size: width, start },
      ],
      target,
    );
    for (let row = most; row < height; row++) {
      for (let j = 0; j < 2 * width; j++) grid[2 * row * width + j] = grid[2 * (row - most) * width + j]!;
    }
    return { values: grid, next: start + segmentLength(segment) };
  },
});

test("documents given one by one: held, or broken at the smallest part of one of them", async () => {
  const documents = ["text:9 image:3x4 text:2", "image:2x7 text:1"].map(parseDocument);
  assert.deepEqual(await checkProperty(layouts["tie-v2"], "symmetry", { documents }), {
    verdict: "held",
    documents: 1,
  });
  assert.deepEqual(await checkProperty(layouts.mrope, "symmetry", { documents }), {
    verdict: "broken",
    document: parseDocument("text:1 image:1x2 text:1"),
    violation: {
      token: 1,
      message:
        "(1, 1, 1) from the text before to the first patch, (2, 2, 1) from the last patch to the text after",
    },
  });
  // Of all documents image:2x2 is the smallest, but it is no part of this one.
  assert.equal(
    await found(layouts.mrope, "equivalence", { documents: [parseDocument("text:1 image:1x4")] }),
    "held",
  );
  assert.equal(await found(layouts.mrope, "video compatibility", { documents }), "not applicable");
});

test("a given document of more tokens than are tried one by one is shrunk by fast-check", async () => {
  const layout = overlapping(6);
  const documents = ["text:9 image:9x3 text:2 image:4x4", "image:12x12"].map(parseDocument);
  assert.equal(await found(layout, "injectivity", { documents }), "image:7x1");
  assert.equal(await found(layout, "injectivity", { documents: [parseDocument("image:6x9")] }), "held");
  assert.equal(await found(layout, "injectivity"), "held", "sides up to 4");
});

test("parts keep the seconds and the merging of patches of the given document", async () => {
  const video = { kind: "video", frames: 4, height: 8, width: 8, spatialMergeSize: 2 } as const;
  const documents: Document[] = [
    [
      { kind: "text", length: 3 },
      { ...video, secondsPerFrame: 0.1 },
    ],
  ];
  assert.equal(await found(layouts["mrope-seconds"], "injectivity", { documents }), "video:2x1x1@0.1");
  const large: LayoutProperty = {
    says: "videos have less than 8 tokens",
    appliesTo: () => true,
    check: (_, document) =>
      document.some((segment) => segment.kind === "video" && segmentLength(segment) >= 8)
        ? { token: 0, message: "large" }
        : null,
  };
  const verdict = await checkProperty(layouts.mrope, large, { documents });
  assert.ok(verdict.verdict === "broken" && verdict.document.length === 1);
  const [segment] = verdict.document;
  assert.ok(segment!.kind === "video" && segment!.spatialMergeSize === 2 && segmentLength(segment!) === 8);
  assert.equal(segment!.secondsPerFrame, 0.1);
});

test("documents made by a generator are shrunk as it does it", async () => {
  const documents = fc
    .integer({ min: 3, max: 12 })
    .map((side): Document => [{ kind: "image", height: side, width: side }]);
  assert.equal(await found(overlapping(6), "injectivity", { documents }), "image:7x7");
  assert.deepEqual(await checkProperty(overlapping(12), "injectivity", { documents, numRuns: 20 }), {
    verdict: "held",
    documents: 20,
  });
});

test("what a layout refuses is passed over, also where a property looks at a part", async () => {
  const even: Layout = {
    ...layouts.mrope,
    place(segment, start, target, before) {
      if (segment.kind === "video" && segment.frames % 2 === 1) throw new ConfigError("frames come in pairs");
      if (segment.kind === "text") throw new ConfigError("no text");
      return layouts.mrope.place(segment, start, target, before);
    },
  };
  assert.equal(await found(even, "text compatibility"), "not applicable");
  assert.equal(await found(even, "image compatibility"), "held");
  assert.equal(await found(even, "equivalence"), "image:2x2");
  assert.equal(await found(even, "causality"), "held");
  assert.equal(await found(even, "video compatibility"), "held");
});

test("one's own layout is judged as any other", async () => {
  const verdicts = await checkProperties(overlapping(2));
  const words = Object.entries(verdicts).map(([name, found]) => [
    name,
    found.verdict === "broken" ? formatDocument(found.document) : found.verdict,
  ]);
  assert.deepEqual(Object.fromEntries(words), {
    "text compatibility": "held",
    "image compatibility": "image:3x1",
    "video compatibility": "not applicable",
    equivalence: "held",
    symmetry: "text:1 image:1x2 text:1",
    causality: "held",
    injectivity: "image:3x1",
  });
});

test("what can't be checked is an error that says why", async () => {
  const rejects = (
    layout: Layout,
    property: LayoutPropertyName,
    options: CheckPropertyOptions,
    message: RegExp,
  ) =>
    assert.rejects(checkProperty(layout, property, options), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    });
  const { flat, tie } = layouts;
  await rejects(
    flat,
    "beauty" as LayoutPropertyName,
    {},
    /^property "beauty": expected one of text compat.*injectivity$/,
  );
  await rejects(flat, "causality", { numRuns: 0 }, /numRuns 0: expected a positive whole number/);
  await rejects(flat, "causality", { documents: [] }, /documents: there are none/);
  await rejects(flat, "causality", { documents: [[]] }, /has no tokens/);
  await rejects(
    tie,
    "causality",
    { documents: [parseDocument("video:1x1x1")] },
    /layout tie: has no rule for video/,
  );
  const faulty: Layout = {
    ...flat,
    place(segment, start, target, before) {
      if (segment.kind === "image") throw new RangeError("a mistake");
      return flat.place(segment, start, target, before);
    },
  };
  await assert.rejects(checkProperty(faulty, "causality"), /^RangeError: a mistake$/);
  const lost: Layout = {
    ...flat,
    place: (_, start, target) => ({ values: target.fill(Number.NaN), next: start }),
  };
  await rejects(
    lost,
    "causality",
    {},
    /layout flat: places token 0 at NaN on axis n; expected finite numbers/,
  );
  await rejects(
    flat,
    "causality",
    {
      documents: fc.constant([
        { kind: "image", height: 0, width: 1 },
        { kind: "text", length: 1 },
      ]),
    },
    /image height 0: expected a whole number, 1 or more/,
  );
});

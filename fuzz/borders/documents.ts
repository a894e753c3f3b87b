import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Document,
  formatDocument,
  layoutLength,
  layoutPositions,
  layouts,
  mrope,
  parseDocument,
  type Segment,
} from "../../src/position/index.ts";
import { accepted, border } from "../border.ts";

const side = fc.integer({ min: 1, max: 5 });
const merge = fc.constantFrom(undefined, 1, 2);
const optional = <T>(values: Record<string, T | undefined>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Record<string, T>;

const segment: fc.Arbitrary<Segment> = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map((length): Segment => ({ kind: "text", length })),
  fc.tuple(side, side, merge).map(
    ([h, w, size]): Segment => ({
      kind: "image",
      height: h * (size ?? 1),
      width: w * (size ?? 1),
      ...optional({ spatialMergeSize: size }),
    }),
  ),
  fc.tuple(side, side, side, merge, fc.constantFrom(undefined, 0.25, 0.5, 1, 3)).map(
    ([frames, h, w, size, secondsPerFrame]): Segment => ({
      kind: "video",
      frames,
      height: h * (size ?? 1),
      width: w * (size ?? 1),
      ...optional({ spatialMergeSize: size, secondsPerFrame }),
    }),
  ),
);

/** A document in the command's words, by its grammar alone. */
function words(document: Document): string {
  return document
    .map((segment) => {
      if (segment.kind === "text") return `text:${segment.length}`;
      const merge = segment.spatialMergeSize === undefined ? "" : `/${segment.spatialMergeSize}`;
      if (segment.kind === "image") return `image:${segment.height}x${segment.width}${merge}`;
      const seconds = segment.secondsPerFrame === undefined ? "" : `@${segment.secondsPerFrame}`;
      return `video:${segment.frames}x${segment.height}x${segment.width}${merge}${seconds}`;
    })
    .join(" ");
}

/** M-RoPE by section 2.1 of Qwen2-VL's paper: a token is placed by its indices, text goes on after the largest coordinate so far. */
function closedForm(document: Document): number[][] {
  const positions: number[][] = [];
  for (const segment of document) {
    const start = Math.max(-1, ...positions.flat()) + 1;
    if (segment.kind === "text") {
      for (let i = 0; i < segment.length; i++) positions.push([start + i, start + i, start + i]);
      continue;
    }
    const size = segment.spatialMergeSize ?? 1;
    for (let t = 0; t < (segment.kind === "video" ? segment.frames : 1); t++)
      for (let h = 0; h < segment.height / size; h++)
        for (let w = 0; w < segment.width / size; w++) positions.push([start + t, start + h, start + w]);
  }
  return positions;
}

const hasTokens = (document: Document) => document.some((one) => one.kind !== "text" || one.length > 0);

type Input =
  | { readonly kind: "document"; readonly document: Document }
  | { readonly kind: "words"; readonly text: string };

const right = fc.array(segment, { minLength: 1, maxLength: 5 }).filter(hasTokens);
/** Words that are nearly right. */
const nearly = fc
  .tuple(
    right.map(words),
    fc.nat(),
    fc.oneof(
      fc.constantFrom(
        "",
        "x",
        ":",
        "0",
        "-1",
        "1e3",
        "/",
        "/0",
        "@0",
        "@1fps",
        "~1",
        "+1x1of2x2",
        "9".repeat(17),
      ),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    fc.nat({ max: 3 }),
  )
  .map(([text, at, put, less]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + put + text.slice(place + less);
  });

export default border<Input>({
  oracle: "the grammar of the command's words, M-RoPE by the paper's formula, and properties of every layout",
  inputs: fc.oneof(
    right.map((document): Input => ({ kind: "document", document })),
    nearly.map((text): Input => ({ kind: "words", text })),
  ),
  check: (input) => {
    if (input.kind === "words") {
      const document = parseDocument(input.text);
      // Nothing of the words is passed over, and what is written is read.
      const again = parseDocument(formatDocument(document));
      assert.equal(formatDocument(again), formatDocument(document));
      assert.equal(input.text.trim().split(/\s+/).length, document.length);
      return;
    }
    const { document } = input;
    assert.deepEqual(
      accepted(() => parseDocument(words(document))),
      document,
    );
    const { values, numAxes } = accepted(() => layoutPositions(mrope(), document));
    assert.equal(numAxes, 3);
    assert.deepEqual(Array.from(values), closedForm(document).flat());
    const isText = document.every(({ kind }) => kind === "text");
    const hasVideo = document.some(({ kind }) => kind === "video");
    for (const layout of Object.values(layouts)) {
      const place = () => layoutPositions(layout, document);
      // A layout may have no rule for a video; text and images have one in all.
      let placed: ReturnType<typeof place>;
      try {
        placed = hasVideo ? place() : accepted(place);
      } catch (error) {
        if (hasVideo && (error as Error).message.endsWith("has no rule for video; expected text and images"))
          continue;
        throw error;
      }
      assert.equal(placed.values.length, layoutLength(layout, document) * layout.axes.length);
      assert.ok(placed.values.every(Number.isFinite));
      if (isText) {
        const n = placed.values.length / layout.axes.length;
        const diagonal = Array.from({ length: n }, (_, i) => layout.axes.map(() => i)).flat();
        assert.deepEqual(Array.from(placed.values), diagonal, layout.name);
      }
    }
  },
});

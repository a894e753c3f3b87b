import fc from "fast-check";
import {
  type Document,
  type Layout,
  type LayoutProperty,
  layoutPositions,
  type Segment,
  type Violation,
} from "../position/index.ts";

/** A document that breaks a property, made small. */
export interface CounterExample {
  readonly document: Document;
  readonly violation: Violation;
}

const plain = { noNullPrototype: true } as const;
const side = fc.integer({ min: 1, max: 4 });
const text = fc.record({ kind: fc.constant("text" as const), length: fc.integer({ min: 1, max: 3 }) }, plain);
const image = fc.record({ kind: fc.constant("image" as const), height: side, width: side }, plain);
const video = fc
  .record({ frames: side, height: side, width: side, secondsPerFrame: fc.constantFrom(1, 0.5, 0.25) }, plain)
  .map(({ secondsPerFrame, ...size }): Segment => {
    const segment = { kind: "video" as const, ...size };
    return secondsPerFrame === 1 ? segment : { ...segment, secondsPerFrame };
  });

/** Whether the layout has a rule for video. */
export function placesVideo(layout: Layout): boolean {
  try {
    layoutPositions(layout, [{ kind: "video", frames: 1, height: 1, width: 1 }]);
    return true;
  } catch {
    return false;
  }
}

/** What fast-check leaves out: it never drops the last segment of a list, and makes no image of a video. */
function smaller(document: Document): Document[] {
  return document.flatMap((segment, at) => {
    const others = (replacement: Segment[]) => [
      ...document.slice(0, at),
      ...replacement,
      ...document.slice(at + 1),
    ];
    if (segment.kind !== "video" || segment.frames > 1) return [others([])];
    return [others([]), others([{ kind: "image", height: segment.height, width: segment.width }])];
  });
}

/**
 * Looks for a document that breaks a property, among those of up to three segments with sides up to 4, and makes it as small as it
 * goes. What it finds is the same every time.
 *
 * @returns null if none of the documents tried breaks it; `undefined` if the property says nothing of what the layout can place
 */
export function findCounterExample(
  layout: Layout,
  property: LayoutProperty,
  numRuns = 500,
): CounterExample | null | undefined {
  const shrinking = { withCrossShrink: true };
  const segment: fc.Arbitrary<Segment> = placesVideo(layout)
    ? fc.oneof(shrinking, text, image, video)
    : fc.oneof(shrinking, text, image);
  const documents = fc.array(segment, { minLength: 1, maxLength: 3 });
  let tried = 0;
  const details = fc.check(
    fc.property(documents, (document) => {
      if (!property.appliesTo(document)) return true;
      tried++;
      return property.check(layout, document) === null;
    }),
    { seed: 1, numRuns },
  );
  if (details.counterexample !== null) {
    const breaks = (candidate: Document) =>
      candidate.length > 0 && property.appliesTo(candidate) && property.check(layout, candidate) !== null;
    let document: Document = details.counterexample[0];
    for (
      let next = smaller(document).find(breaks);
      next !== undefined;
      next = smaller(document).find(breaks)
    ) {
      document = next;
    }
    return { document, violation: property.check(layout, document)! };
  }
  return tried === 0 ? undefined : null;
}

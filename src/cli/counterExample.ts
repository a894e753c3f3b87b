import fc from "fast-check";
import {
  type Document,
  documentLength,
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

/** All documents of so many tokens, those of few segments first. */
function* documentsOf(tokens: number, video: boolean): Generator<Segment[]> {
  if (tokens === 0) {
    yield [];
    return;
  }
  for (let length = tokens; length > 0; length--) {
    for (const segment of segmentsOf(length, video)) {
      for (const rest of documentsOf(tokens - length, video)) yield [segment, ...rest];
    }
  }
}

function* segmentsOf(tokens: number, video: boolean): Generator<Segment> {
  yield { kind: "text", length: tokens };
  const divisors = Array.from({ length: tokens }, (_, i) => i + 1).filter((n) => tokens % n === 0);
  for (const height of divisors) yield { kind: "image", height, width: tokens / height };
  if (!video) return;
  for (const frames of divisors) {
    for (const height of divisors.filter((n) => (tokens / frames) % n === 0)) {
      const segment = { kind: "video", frames, height, width: tokens / frames / height } as const;
      yield segment;
      yield { ...segment, secondsPerFrame: 0.25 };
    }
  }
}

/** There are thousands of documents of so many tokens. */
const mostTokens = 5;

/**
 * Looks for a document that breaks a property, among those of up to three segments with sides up to 4, lets fast-check
 * shrink it, and takes the document of fewest tokens that breaks the property as well. What it finds is the same every time.
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
    let document: Document = details.counterexample[0];
    // What fast-check shrinks to is smaller than its neighbours, not than all others.
    const most = Math.min(documentLength(document), mostTokens);
    search: for (let tokens = 1; tokens <= most; tokens++) {
      for (const candidate of documentsOf(tokens, placesVideo(layout))) {
        if (property.appliesTo(candidate) && property.check(layout, candidate) !== null) {
          document = candidate;
          break search;
        }
      }
    }
    return { document, violation: property.check(layout, document)! };
  }
  return tried === 0 ? undefined : null;
}

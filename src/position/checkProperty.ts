import type { Arbitrary } from "fast-check";
import { ConfigError } from "../errors.ts";
import {
  checkDocument,
  type Document,
  documentLength,
  type Segment,
  segmentLength,
  tokenGrid,
} from "./document.ts";
import { type Layout, layoutPositions } from "./layout.ts";
import {
  type LayoutProperty,
  type LayoutPropertyName,
  layoutProperties,
  type Violation,
} from "./properties.ts";

/** Whether a layout has a property, as far as the documents tried tell. */
export type PropertyVerdict =
  | {
      readonly verdict: "held";
      /** How many documents were tried that the property says something of. */
      readonly documents: number;
    }
  | {
      readonly verdict: "broken";
      /** A document that breaks it, made small. */
      readonly document: Document;
      readonly violation: Violation;
    }
  /** The property says nothing of any document tried that the layout can place. */
  | { readonly verdict: "not applicable" };

export interface CheckPropertyOptions {
  /**
   * Documents to try, or how fast-check makes them. Default: documents of up to three segments with sides up to 4, with videos if the
   * layout places them.
   */
  readonly documents?: readonly Document[] | Arbitrary<Document>;
  /** How many documents are made, when they are not given one by one. Default 500. */
  readonly numRuns?: number;
}

type FastCheck = typeof import("fast-check");

/** Loaded when it is used: nothing else of the library needs it. */
const loadFastCheck = (): Promise<FastCheck> => import("fast-check");

/** Seconds between frames that are tried: below a position of layouts that count few or many a second, too. */
const smallSeconds = [0.25, 0.5, 1, 0.02] as const;

/** There are thousands of documents of so many tokens. */
const mostTokens = 5;

/** That a layout has no rule for a document, unlike what is wrong with its positions. */
class Refusal extends Error {}

/** The layout with its refusals marked. */
function marked(layout: Layout): Layout {
  const attempt = <T>(place: () => T): T => {
    try {
      return place();
    } catch (error) {
      throw error instanceof ConfigError ? new Refusal(error.message) : error;
    }
  };
  const { placeFrame } = layout;
  return {
    ...layout,
    place: (...segment) => attempt(() => layout.place(...segment)),
    ...(placeFrame === undefined
      ? {}
      : { placeFrame: (...frame) => attempt(() => layout.placeFrame!(...frame)) }),
  };
}

/** Null if the layout refuses. */
function unlessRefused<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Null if the property says nothing of the document or the layout refuses it; else whether it holds. */
function holds(layout: Layout, { appliesTo, check }: LayoutProperty, document: Document): boolean | null {
  if (documentLength(document) === 0 || !appliesTo(document)) return null;
  return unlessRefused(() => check(marked(layout), document) === null);
}

/**
 * Tries a property of a layout on documents, and makes the document that breaks it as small as it can: fast-check shrinks it, and then
 * all documents of up to five tokens are tried, those of fewest tokens first. What it finds is the same every time.
 *
 * - Without `documents`, the counter-example is the smallest of all documents, if it has up to five tokens.
 * - Of documents given one by one, that of fewest tokens that breaks the property is shrunk: segments are left out, sides made shorter. What is
 *   found is such a part of a given document, not always a given document.
 * - Documents of a generator are shrunk as the generator does it, and no others are tried.
 *
 * A layout refuses a made document by throwing `ConfigError`, and the document is passed over; other errors are thrown on, as are those about
 * positions that are not finite or not one per token.
 *
 * @param layout - one of `layouts`, or one's own
 * @param property - name of one of `layoutProperties`, or one's own
 * @throws ConfigError if no property has that name, `numRuns` is no positive whole number, there are no documents, one of those given
 *   can't be placed, or a layout of one's own gives impossible positions
 *
 * @example
 * ```ts
 * const documents = [parseDocument("text:9 image:3x4 text:2")];
 * const found = await checkProperty(layouts.mrope, "symmetry", { documents });
 * assert.ok(found.verdict === "broken");
 * formatDocument(found.document); // => "text:1 image:1x2 text:1"
 * ```
 */
export async function checkProperty(
  layout: Layout,
  property: LayoutPropertyName | LayoutProperty,
  { documents, numRuns = 500 }: CheckPropertyOptions = {},
): Promise<PropertyVerdict> {
  const rule = typeof property === "string" ? propertyNamed(property) : property;
  if (!Number.isSafeInteger(numRuns) || numRuns < 1) {
    throw new ConfigError(`checkProperty: numRuns ${numRuns}: expected a positive whole number`);
  }
  const fc = await loadFastCheck();
  if (isList(documents)) return checkGiven(fc, layout, rule, documents);
  const arbitrary = documents ?? smallDocuments(fc, placesVideo(layout));
  const { tried, broken } = search(fc, layout, rule, arbitrary, { seed: 1, numRuns });
  if (broken === null) return heldOver(tried);
  return documents === undefined
    ? brokenBy(
        layout,
        rule,
        smaller(layout, rule, broken, smallSeconds, () => true),
      )
    : brokenBy(layout, rule, broken);
}

/**
 * {@link checkProperty} for every one of `layoutProperties`.
 *
 * @example
 * ```ts
 * const documents = [parseDocument("text:2 image:2x3 text:2")];
 * const { symmetry, causality } = await checkProperties(layouts.mrope, { documents });
 * [symmetry.verdict, causality.verdict]; // => ["broken", "held"]
 * ```
 */
export async function checkProperties(
  layout: Layout,
  options: CheckPropertyOptions = {},
): Promise<Record<LayoutPropertyName, PropertyVerdict>> {
  const verdicts: Partial<Record<LayoutPropertyName, PropertyVerdict>> = {};
  for (const name of Object.keys(layoutProperties) as LayoutPropertyName[]) {
    verdicts[name] = await checkProperty(layout, name, options);
  }
  return verdicts as Record<LayoutPropertyName, PropertyVerdict>;
}

function propertyNamed(name: string): LayoutProperty {
  if (!Object.hasOwn(layoutProperties, name)) {
    const names = Object.keys(layoutProperties).join(", ");
    throw new ConfigError(`property "${name}": expected one of ${names}`);
  }
  return layoutProperties[name as LayoutPropertyName];
}

const isList = (documents: CheckPropertyOptions["documents"]): documents is readonly Document[] =>
  Array.isArray(documents);

const heldOver = (tried: number): PropertyVerdict =>
  tried === 0 ? { verdict: "not applicable" } : { verdict: "held", documents: tried };

const brokenBy = (layout: Layout, rule: LayoutProperty, document: Document): PropertyVerdict => ({
  verdict: "broken",
  document,
  violation: rule.check(layout, document)!,
});

/** @throws ConfigError if a document is wrong or the layout can't place it */
function checkGiven(
  fc: FastCheck,
  layout: Layout,
  rule: LayoutProperty,
  documents: readonly Document[],
): PropertyVerdict {
  if (documents.length === 0) {
    throw new ConfigError("checkProperty: documents: there are none; expected at least one");
  }
  for (const document of documents) checkDocument(document);
  const applied = documents.filter((document) => rule.appliesTo(document));
  const broken = applied.filter((document) => rule.check(layout, document) !== null);
  if (broken.length === 0) return heldOver(applied.length);
  const first = broken.reduce((a, b) => (documentLength(b) < documentLength(a) ? b : a));
  const examples: [Document][] = [[first]];
  const shrunk = search(fc, layout, rule, partsOf(fc, first), { seed: 1, numRuns: 1, examples }).broken!;
  const seconds = documents.flat().flatMap((segment) => {
    const own = segment.kind === "video" ? segment.secondsPerFrame : undefined;
    return own === undefined ? [] : [own];
  });
  const document = smaller(layout, rule, shrunk, [...new Set(seconds)], (candidate) =>
    documents.some((whole) => isPart(candidate, whole)),
  );
  return brokenBy(layout, rule, document);
}

/** What fast-check finds and shrinks. */
function search(
  fc: FastCheck,
  layout: Layout,
  rule: LayoutProperty,
  documents: Arbitrary<Document>,
  parameters: { seed: number; numRuns: number; examples?: [Document][] },
): { tried: number; broken: Document | null } {
  let tried = 0;
  let thrown: { readonly error: unknown } | null = null;
  const { counterexample } = fc.check(
    fc.property(documents, (document) => {
      try {
        const held = holds(layout, rule, document);
        if (held !== null) tried++;
        return held !== false;
      } catch (error) {
        thrown = { error };
        return false;
      }
    }),
    parameters,
  );
  if (thrown !== null) throw (thrown as { readonly error: unknown }).error;
  return { tried, broken: counterexample === null ? null : counterexample[0] };
}

/** The first document of fewer tokens that breaks the rule as well: what fast-check shrinks to is smaller than its neighbours, not than all others. */
function smaller(
  layout: Layout,
  rule: LayoutProperty,
  document: Document,
  seconds: readonly number[],
  isWanted: (candidate: Document) => boolean,
): Document {
  const most = Math.min(documentLength(document), mostTokens);
  for (let tokens = 1; tokens <= most; tokens++) {
    for (const candidate of documentsOf(tokens, seconds)) {
      if (isWanted(candidate) && holds(layout, rule, candidate) === false) return candidate;
    }
  }
  return document;
}

/** Whether the layout has a rule for video, be it only for sizes that others divide, and if so whether it must know the seconds. */
function placesVideo(layout: Layout): false | "with seconds" | "any" {
  const places = (more: { secondsPerFrame?: number }) =>
    [1, 4].some((size) => {
      const video = { kind: "video", frames: size, height: size, width: size, ...more } as const;
      return unlessRefused(() => layoutPositions(marked(layout), [video])) !== null;
    });
  if (places({})) return "any";
  return places({ secondsPerFrame: 1 }) ? "with seconds" : false;
}

const plain = { noNullPrototype: true } as const;

function smallDocuments(fc: FastCheck, video: ReturnType<typeof placesVideo>): Arbitrary<Document> {
  const side = fc.integer({ min: 1, max: 4 });
  const kind = <K extends string>(name: K) => fc.constant(name);
  const text = fc.record({ kind: kind("text"), length: fc.integer({ min: 1, max: 3 }) }, plain);
  const image = fc.record({ kind: kind("image"), height: side, width: side }, plain);
  const seconds = fc.constantFrom(...smallSeconds);
  const film = fc
    .record({ frames: side, height: side, width: side, secondsPerFrame: seconds }, plain)
    .map(({ secondsPerFrame, ...size }): Segment => {
      const segment = { kind: "video" as const, ...size };
      return secondsPerFrame === 1 && video === "any" ? segment : { ...segment, secondsPerFrame };
    });
  const shrinking = { withCrossShrink: true };
  const segment: Arbitrary<Segment> =
    video !== false ? fc.oneof(shrinking, text, image, film) : fc.oneof(shrinking, text, image);
  return fc.array(segment, { minLength: 1, maxLength: 3 });
}

/** What a document becomes by leaving segments out and making sides shorter. The inverse maps let fast-check shrink the document itself. */
function partsOf(fc: FastCheck, document: Document): Arbitrary<Document> {
  const upTo = (most: number, unit = 1) =>
    fc.integer({ min: Math.min(1, most / unit), max: most / unit }).map(
      (n) => n * unit,
      (n) => (n as number) / unit,
    );
  const segments = document.map((segment): Arbitrary<Segment> => {
    if (segment.kind === "text") {
      return fc.record({ kind: fc.constant(segment.kind), length: upTo(segment.length) }, plain);
    }
    const { height, width, spatialMergeSize: merge } = segment;
    const sides = {
      height: upTo(height, merge),
      width: upTo(width, merge),
      ...(merge === undefined ? {} : { spatialMergeSize: fc.constant(merge) }),
    };
    if (segment.kind === "image") return fc.record({ kind: fc.constant(segment.kind), ...sides }, plain);
    const { kind, frames, secondsPerFrame: seconds } = segment;
    const size = { kind: fc.constant(kind), frames: upTo(frames), ...sides };
    return seconds === undefined
      ? fc.record(size, plain)
      : fc.record({ ...size, secondsPerFrame: fc.constant(seconds) }, plain);
  });
  return fc.tuple(...segments.map((segment) => fc.option(segment, { nil: null }))).map(
    (parts) => parts.filter((part) => part !== null),
    (whole) => whole as Segment[],
  );
}

/** Whether a document comes of another by leaving segments out and making sides shorter. */
function isPart(candidate: Document, whole: Document): boolean {
  let at = 0;
  return candidate.every((segment) => {
    while (at < whole.length && !isPartOfSegment(segment, whole[at]!)) at++;
    return at++ < whole.length;
  });
}

function isPartOfSegment(segment: Segment, whole: Segment): boolean {
  if (segment.kind === "text" || whole.kind === "text") {
    return segment.kind === whole.kind && segmentLength(segment) <= segmentLength(whole);
  }
  if (segment.kind !== whole.kind) return false;
  if (segment.kind === "video" && whole.kind === "video") {
    if (segment.secondsPerFrame !== whole.secondsPerFrame) return false;
  }
  const [own, other] = [tokenGrid(segment), tokenGrid(whole)];
  return own.frames <= other.frames && own.height <= other.height && own.width <= other.width;
}

/** All documents of so many tokens, those of few segments first. */
function* documentsOf(tokens: number, seconds: readonly number[]): Generator<Segment[]> {
  if (tokens === 0) {
    yield [];
    return;
  }
  for (let length = tokens; length > 0; length--) {
    for (const segment of segmentsOf(length, seconds)) {
      for (const rest of documentsOf(tokens - length, seconds)) yield [segment, ...rest];
    }
  }
}

function* segmentsOf(tokens: number, seconds: readonly number[]): Generator<Segment> {
  yield { kind: "text", length: tokens };
  const divisors = Array.from({ length: tokens }, (_, i) => i + 1).filter((n) => tokens % n === 0);
  for (const height of divisors) yield { kind: "image", height, width: tokens / height };
  for (const frames of divisors) {
    for (const height of divisors.filter((n) => (tokens / frames) % n === 0)) {
      const segment = { kind: "video", frames, height, width: tokens / frames / height } as const;
      yield segment;
      for (const secondsPerFrame of seconds) yield { ...segment, secondsPerFrame };
    }
  }
}

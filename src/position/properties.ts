import { type Document, type ImageSegment, type Segment, tokenGrid, type VideoSegment } from "./document.ts";
import { type Layout, layoutLength, layoutPositions, layoutTokens } from "./layout.ts";
import { advance, startCursor } from "./positionCursor.ts";
import { positionOf } from "./tokenPositions.ts";

/** What a layout does against a property. */
export interface Violation {
  /** Token of the document where it shows. */
  readonly token: number;
  /** One line: what was found, and what the property wants. */
  readonly message: string;
}

/** A property of layouts, decided document by document. */
export interface LayoutProperty {
  /** One sentence for a reader. */
  readonly says: string;
  /** False for documents of which the property says nothing. */
  readonly appliesTo: (document: Document) => boolean;
  /** Null if the property holds. The document must be one that the layout can place. */
  readonly check: (layout: Layout, document: Document) => Violation | null;
}

/** Positions are sums of a few halves or fractions; what differs by less is the same. In positions. */
const tolerance = 1e-6;
const same = (a: readonly number[], b: readonly number[]) =>
  a.every((value, i) => Math.abs(value - b[i]!) <= tolerance * Math.max(1, Math.abs(value)));
const show = (vector: readonly number[]) => `(${vector.map((value) => +value.toFixed(4)).join(", ")})`;
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);
const isVisual = (segment: Segment): segment is ImageSegment | VideoSegment => segment.kind !== "text";
const sole = (kind: Segment["kind"]) => (document: Document) =>
  document.length === 1 && document[0]!.kind === kind;

/** Each segment with the number of its first token. */
function withOffsets(layout: Layout, document: Document): { segment: Segment; offset: number }[] {
  let offset = 0;
  return document.map((segment) => {
    const entry = { segment, offset };
    offset += layoutTokens(layout, segment);
    return entry;
  });
}

/** Coordinates wanted on the axes of a layout, up to a shift of each axis; an axis of another name stands for all of t, h and w. */
function checkCompatible(
  layout: Layout,
  document: Document,
  wanted: (token: number) => Readonly<Record<string, number>>,
  names: readonly string[],
): Violation | null {
  const positions = layoutPositions(layout, document);
  const [sole] = document;
  const tokens =
    sole!.kind === "text" || layout.patchesOf === undefined
      ? Array.from({ length: layoutLength(layout, document) }, (_, n) => n)
      : layout.patchesOf(sole!);
  const first = positionOf(positions, tokens[0]!);
  const origin = wanted(0);
  for (let n = 1; n < tokens.length; n++) {
    const token = tokens[n]!;
    const moved = minus(positionOf(positions, token), first);
    const target = wanted(n);
    for (const name of names) {
      const axis = layout.axes.indexOf(name);
      const actual = moved[axis < 0 ? 0 : axis]!;
      const expected = target[name]! - origin[name]!;
      if (!same([actual], [expected])) {
        return {
          token,
          message: `token ${token} lies ${+actual.toFixed(4)} from the first on axis ${name}, expected ${expected}`,
        };
      }
    }
  }
  return null;
}

function gridCoordinates(segment: ImageSegment | VideoSegment) {
  const { height, width } = tokenGrid(segment);
  return (token: number) => ({
    t: Math.floor(token / (height * width)),
    h: Math.floor(token / width) % height,
    w: token % width,
  });
}

/**
 * The properties of METHODS §1.4, by name.
 *
 * - *Compatibility*: a document of text alone lies as in RoPE-1D (the same on all axes), an image alone as in RoPE-2D, a video alone as
 *   in RoPE-3D, up to a shift of each axis.
 * - *Equivalence*: text after an image or a video of `N` tokens lies where it would after `N` text tokens.
 * - *Symmetry*: from the text token before a grid to its first patch is the same vector as from its last patch to the text token after.
 * - *Causality*: a position depends on nothing after the token's own frame.
 * - *Injectivity*: no two tokens share a position.
 *
 * Source: Su-10352; causality and injectivity are ours.
 */
export const layoutProperties = {
  "text compatibility": {
    says: "text alone lies as in RoPE-1D",
    appliesTo: sole("text"),
    check: (layout, document) =>
      checkCompatible(
        layout,
        document,
        (n) => Object.fromEntries(layout.axes.map((name) => [name, n])),
        layout.axes,
      ),
  },
  "image compatibility": {
    says: "an image alone lies as in RoPE-2D",
    appliesTo: sole("image"),
    check: (layout, document) =>
      checkCompatible(layout, document, gridCoordinates(document[0] as ImageSegment), ["h", "w"]),
  },
  "video compatibility": {
    says: "a video alone lies as in RoPE-3D",
    appliesTo: sole("video"),
    check: (layout, document) =>
      checkCompatible(layout, document, gridCoordinates(document[0] as VideoSegment), ["t", "h", "w"]),
  },
  equivalence: {
    says: "a grid of N tokens moves the text after it as far as N text tokens would",
    appliesTo: (document) => document.some(isVisual),
    check(layout, document) {
      let cursor = startCursor;
      for (const segment of document) {
        const before = cursor;
        cursor = advance(layout, cursor, segment).cursor;
        const moved = cursor.next - before.next;
        const tokens = layoutTokens(layout, segment);
        if (isVisual(segment) && !same([moved], [tokens])) {
          return {
            token: cursor.tokens,
            message: `the ${segment.kind} of ${tokens} tokens moves the text after it by ${+moved.toFixed(4)}, expected ${tokens}`,
          };
        }
      }
      return null;
    },
  },
  symmetry: {
    says: "from the text before a grid to its first patch is as far as from its last patch to the text after",
    appliesTo: (document) =>
      document.some(
        (segment, i) =>
          isVisual(segment) && document[i - 1]?.kind === "text" && document[i + 1]?.kind === "text",
      ),
    check(layout, document) {
      const positions = layoutPositions(layout, document);
      for (const { before, first, last, after } of symmetricPlaces(layout, document)) {
        const entering = minus(positionOf(positions, first), positionOf(positions, before));
        const leaving = minus(positionOf(positions, after), positionOf(positions, last));
        if (!same(entering, leaving)) {
          return {
            token: first,
            message: `${show(entering)} from the text before to the first patch, ${show(leaving)} from the last patch to the text after`,
          };
        }
      }
      return null;
    },
  },
  causality: {
    says: "a position depends on nothing after the token's own frame",
    appliesTo: () => true,
    check(layout, document) {
      const whole = layoutPositions(layout, document);
      for (const prefix of prefixes(document)) {
        const early = layoutPositions(layout, prefix);
        for (let token = 0; token < layoutLength(layout, prefix); token++) {
          const [alone, later] = [positionOf(early, token), positionOf(whole, token)];
          if (!same(alone, later)) {
            return {
              token,
              message: `token ${token} lies at ${show(alone)} while the document ends after its frame, at ${show(later)} when more follows`,
            };
          }
        }
      }
      return null;
    },
  },
  injectivity: {
    says: "no two tokens share a position",
    appliesTo: () => true,
    check(layout, document) {
      const positions = layoutPositions(layout, document);
      const seen = new Map<string, number>();
      for (let token = 0; token < layoutLength(layout, document); token++) {
        const vector = positionOf(positions, token);
        const key = vector.map((value) => value.toFixed(6)).join();
        const other = seen.get(key);
        if (other !== undefined) {
          return { token, message: `tokens ${other} and ${token} both lie at ${show(vector)}` };
        }
        seen.set(key, token);
      }
      return null;
    },
  },
} as const satisfies Record<string, LayoutProperty>;

export type LayoutPropertyName = keyof typeof layoutProperties;

/** Grids with text on both sides: the tokens before and after, and the first and last patch. */
function symmetricPlaces(
  layout: Layout,
  document: Document,
): { before: number; first: number; last: number; after: number }[] {
  const entries = withOffsets(
    layout,
    document.filter((segment) => segment.kind !== "text" || segment.length > 0),
  );
  return entries.flatMap(({ segment, offset }, i) => {
    if (!isVisual(segment)) return [];
    if (entries[i - 1]?.segment.kind !== "text" || entries[i + 1]?.segment.kind !== "text") return [];
    const tokens = layoutTokens(layout, segment);
    const patches = layout.patchesOf?.(segment);
    const [first, last] = patches === undefined ? [0, tokens - 1] : [patches[0]!, patches.at(-1)!];
    return [{ before: offset - 1, first: offset + first, last: offset + last, after: offset + tokens }];
  });
}

/** The documents that end with a frame, an image or a token of this one, short of the whole. */
function prefixes(document: Document): Document[] {
  return document.flatMap((segment, i) => {
    const before = document.slice(0, i);
    const parts =
      segment.kind === "video"
        ? Array.from(
            { length: segment.frames },
            (_, k): Document => [...before, { ...segment, frames: k + 1 }],
          )
        : [[...before, segment]];
    return parts.filter((part) => part.some((own) => own.kind !== "text" || own.length > 0));
  });
}

/** Numbers that tell layouts apart for one document. */
export interface LayoutMeasures {
  readonly tokens: number;
  /** Largest coordinate of any token. */
  readonly largestPosition: number;
  /** Largest coordinate plus 1, per token: below 1 the layout saves length, above 1 it spends it. */
  readonly positionsPerToken: number;
  /** Distances at every border between text and a grid, in order: the jump from the last token of one segment to the first of the next. */
  readonly gaps: readonly ModalityGap[];
}

/** The jump over a border between segments. */
export interface ModalityGap {
  readonly from: Segment["kind"];
  readonly to: Segment["kind"];
  /** Last token before the border. */
  readonly token: number;
  /** Difference of the positions on every axis. */
  readonly vector: readonly number[];
  /** Its largest magnitude on any axis; 1 inside text. */
  readonly size: number;
}

/**
 * How far a document reaches, and how its borders look.
 *
 * @example
 * ```ts
 * const { tokens, largestPosition, gaps } = layoutMeasures(layouts.mrope, parseDocument("text:2 image:2x3 text:1"));
 * [tokens, largestPosition]; // => [9, 5]
 * gaps.map(({ size }) => size); // => [1, 3]
 * ```
 */
export function layoutMeasures(layout: Layout, document: Document): LayoutMeasures {
  const positions = layoutPositions(layout, document);
  const tokens = layoutLength(layout, document);
  const largestPosition = positions.values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const entries = withOffsets(
    layout,
    document.filter((segment) => layoutTokens(layout, segment) > 0),
  );
  const gaps = entries.slice(1).map(({ segment, offset }, i): ModalityGap => {
    const vector = minus(positionOf(positions, offset), positionOf(positions, offset - 1));
    return {
      from: entries[i]!.segment.kind,
      to: segment.kind,
      token: offset - 1,
      vector,
      size: Math.max(...vector.map(Math.abs)),
    };
  });
  return { tokens, largestPosition, positionsPerToken: (largestPosition + 1) / tokens, gaps };
}

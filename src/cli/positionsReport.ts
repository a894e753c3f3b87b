import {
  type Document,
  float32Loss,
  formatDocument,
  type Layout,
  type LayoutMeasures,
  type LayoutPropertyName,
  layoutMeasures,
  layoutPositions,
  layoutProperties,
  positionOf,
  segmentLength,
} from "../position/index.ts";
import { findCounterExample } from "./counterExample.ts";

/** Whether a layout has a property. */
export interface PropertyVerdict {
  /** `"not applicable"`: the layout has no rule for what the property speaks of. */
  readonly verdict: "held" | "broken" | "not applicable";
  /** A small document that breaks it, as the command reads it. */
  readonly counterExample?: string;
  readonly message?: string;
}

/** The tokens of one segment. */
export interface PlacedSegment {
  readonly segment: string;
  readonly kind: "text" | "image" | "video";
  /** Number of its first token. */
  readonly offset: number;
  readonly positions: readonly (readonly number[])[];
}

/** All that the command says of one layout. */
export interface LayoutReport extends LayoutMeasures {
  readonly layout: string;
  readonly axes: readonly string[];
  readonly segments: readonly PlacedSegment[];
  readonly properties: Readonly<Record<LayoutPropertyName, PropertyVerdict>>;
  /** Warning about positions that float32 can't hold; null if all are. */
  readonly precision: string | null;
}

/** What a search finds for every property. */
export function propertyVerdicts(layout: Layout): Record<LayoutPropertyName, PropertyVerdict> {
  return Object.fromEntries(
    Object.entries(layoutProperties).map(([name, property]): [string, PropertyVerdict] => {
      const found = findCounterExample(layout, property);
      if (found === undefined) return [name, { verdict: "not applicable" }];
      if (found === null) return [name, { verdict: "held" }];
      const { document, violation } = found;
      return [
        name,
        { verdict: "broken", counterExample: formatDocument(document), message: violation.message },
      ];
    }),
  ) as Record<LayoutPropertyName, PropertyVerdict>;
}

/**
 * Places a document and judges the layout.
 *
 * @throws ConfigError if the layout can't place the document
 */
export function layoutReport(layout: Layout, document: Document): LayoutReport {
  const tokens = layoutPositions(layout, document);
  let offset = 0;
  const segments = document
    .map((segment): PlacedSegment => {
      const first = offset;
      offset += segmentLength(segment);
      return {
        segment: formatDocument([segment]),
        kind: segment.kind,
        offset: first,
        positions: Array.from({ length: offset - first }, (_, n) => positionOf(tokens, first + n)),
      };
    })
    .filter(({ positions }) => positions.length > 0);
  const loss = float32Loss(tokens);
  return {
    layout: layout.name,
    axes: layout.axes,
    segments,
    ...layoutMeasures(layout, document),
    properties: propertyVerdicts(layout),
    precision:
      loss === null
        ? null
        : `layout ${layout.name}: token ${loss.token} lies at ${loss.position}, which float32 takes for ${loss.rounded}; expected positions in float64`,
  };
}

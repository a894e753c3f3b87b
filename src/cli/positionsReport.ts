import {
  checkProperties,
  checkProperty,
  type Document,
  float32Loss,
  formatDocument,
  type Layout,
  type LayoutMeasures,
  type LayoutPropertyName,
  layoutMeasures,
  layoutPositions,
  layoutTokens,
  type PropertyVerdict,
  positionOf,
  rotationProperty,
} from "../position/index.ts";

/** Whether a layout has a property, with the counter-example in words. */
export interface ReportedVerdict {
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

/** Where a layout puts a document. */
export interface PlacedReport extends LayoutMeasures {
  readonly layout: string;
  readonly axes: readonly string[];
  readonly segments: readonly PlacedSegment[];
  /** Warning about positions that float32 can't hold; null if all are. */
  readonly precision: string | null;
}

/** All that the command says of one layout. */
export interface LayoutReport extends PlacedReport {
  readonly properties: Readonly<Record<LayoutPropertyName, ReportedVerdict>> &
    Readonly<Record<string, ReportedVerdict>>;
}

const reported = (found: PropertyVerdict): ReportedVerdict =>
  found.verdict === "broken"
    ? {
        verdict: "broken",
        counterExample: formatDocument(found.document),
        message: found.violation.message,
      }
    : { verdict: found.verdict };

/** What a search finds for every property. */
export async function reportedVerdicts(
  layout: Layout,
): Promise<Readonly<Record<LayoutPropertyName, ReportedVerdict>>> {
  const entries = Object.entries(await checkProperties(layout)).map(([name, found]) => [
    name,
    reported(found),
  ]);
  return Object.fromEntries(entries);
}

/** Whether heads of a model are rotated at all, and by the positions of which document they aren't. */
export async function reportedRotation(layout: Layout, model: string): Promise<ReportedVerdict> {
  return reported(await checkProperty(layout, rotationProperty(model)));
}

/**
 * Places a document and judges the layout.
 *
 * @throws ConfigError if the layout can't place the document
 */
export async function layoutReport(layout: Layout, document: Document): Promise<LayoutReport> {
  return { ...placedReport(layout, document), properties: await reportedVerdicts(layout) };
}

/**
 * Places a document.
 *
 * @throws ConfigError if the layout can't place it
 */
export function placedReport(layout: Layout, document: Document): PlacedReport {
  const tokens = layoutPositions(layout, document);
  let offset = 0;
  const segments = document
    .map((segment): PlacedSegment => {
      const first = offset;
      offset += layoutTokens(layout, segment);
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
    precision:
      loss === null
        ? null
        : `layout ${layout.name}: token ${loss.token} lies at ${loss.position}, which float32 takes for ${loss.rounded}; expected positions in float64`,
  };
}

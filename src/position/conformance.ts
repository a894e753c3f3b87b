import type { Document } from "./document.ts";
import {
  type AllocatedFrequencies,
  allocateFrequencies,
  type FrequencyAllocation,
} from "./frequencyAllocation.ts";
import { layoutPositions } from "./layout.ts";
import { type LayoutName, layouts } from "./layouts/index.ts";
import { advance, positionDelta, startCursor } from "./positionCursor.ts";
import type { RopeScaling } from "./ropeScaling.ts";
import { positionOf } from "./tokenPositions.ts";

/** One document under one layout and one frequency allocation. */
export interface ConformanceCase {
  readonly document: Document;
  readonly allocation: FrequencyAllocation;
  /** Components of a head that turn. */
  readonly rotaryDim: number;
  readonly numHeads: number;
  readonly base: number;
  readonly scaling: RopeScaling | null;
  /** `[tokens][axes]` */
  readonly positions: readonly (readonly number[])[];
  /** What is added to the number of a text token after the document to get its position. */
  readonly delta: number;
  readonly axisOfFrequency: readonly (readonly (number | null)[])[];
  readonly attentionFactor: number;
  /** `[tokens][heads that differ][rotaryDim/2]`, radians; 0 where nothing turns. */
  readonly angles: readonly (readonly (readonly number[])[])[];
}

/** The vectors of one layout. */
export interface ConformanceFile {
  readonly format: "rotor-positions";
  readonly version: 1;
  readonly layout: LayoutName;
  readonly axes: readonly string[];
  readonly cases: readonly ConformanceCase[];
}

/**
 * Angles of every token, in radians: `p[axis(j)]·θ_j`.
 *
 * @example
 * ```ts
 * const allocated = allocateFrequencies({ kind: "cyclic" }, { numAxes: 2, rotaryDim: 4, base: 100 });
 * // Frequencies 1 and 0.1 for the two axes.
 * rotaryAngles([[3, 5]], allocated); // => [[[3.000, 0.500]]]
 * ```
 */
export function rotaryAngles(
  positions: readonly (readonly number[])[],
  { frequencies, axisOfFrequency }: AllocatedFrequencies,
): number[][][] {
  return positions.map((position) =>
    axisOfFrequency.map((axes) =>
      axes.map((axis, j) => (axis === null ? 0 : position[axis]! * frequencies[j]!)),
    ),
  );
}

const documents: readonly Document[] = [
  [{ kind: "text", length: 5 }],
  [
    { kind: "text", length: 3 },
    { kind: "image", height: 3, width: 4 },
    { kind: "text", length: 2 },
  ],
  [
    { kind: "image", height: 4, width: 2, spatialMergeSize: 2 },
    { kind: "text", length: 1 },
    { kind: "image", height: 1, width: 5 },
    { kind: "image", height: 2, width: 2 },
  ],
];
const withVideo: readonly Document[] = [
  [
    { kind: "text", length: 2 },
    { kind: "video", frames: 3, height: 2, width: 3, secondsPerFrame: 0.75 },
    { kind: "text", length: 2 },
  ],
  [
    { kind: "video", frames: 4, height: 1, width: 2 },
    { kind: "text", length: 1 },
    { kind: "image", height: 2, width: 3 },
    { kind: "text", length: 1 },
  ],
];
const rotaryDim = 12;
const numHeads = 4;

/** Every kind of allocation for so many axes. */
function allocations(numAxes: number): FrequencyAllocation[] {
  if (numAxes === 1) return [{ kind: "cyclic" }];
  const sections = numAxes === 2 ? [2, 4] : [1, 2, 3];
  return [
    { kind: "cyclic" },
    { kind: "sections", sections },
    { kind: "interleaved-sections", sections: numAxes === 2 ? [4, 2] : [4, 1, 1] },
    { kind: "per-axis" },
    { kind: "per-head", heads: numAxes === 2 ? [1, 2] : [1, 1, 1] },
  ];
}

const scalings: readonly (RopeScaling | null)[] = [
  null,
  { kind: "linear", factor: 4 },
  { kind: "ntk", factor: 4 },
  { kind: "yarn", factor: 4, originalMaxLength: 64 },
  { kind: "llama3", factor: 8, originalMaxLength: 256 },
];

/**
 * Vectors that another implementation can be tested with: documents, and the positions and angles that follow, for every layout with
 * every allocation and some scalings. Everything is float64.
 *
 * @example
 * ```ts
 * const files = conformanceFiles();
 * files.length === Object.keys(layouts).length; // => true
 * files[0]!.format; // => "rotor-positions"
 * ```
 */
export function conformanceFiles(): ConformanceFile[] {
  return (Object.keys(layouts) as LayoutName[]).map((name) => {
    const layout = layouts[name];
    const numAxes = layout.axes.length;
    const imagesOnly = numAxes === 2;
    const cases = [...documents, ...(imagesOnly ? [] : withVideo)].flatMap((document) =>
      // The longest list is for one document; the others take plain frequencies.
      allocations(numAxes).flatMap((allocation) =>
        (document === documents[1] && allocation.kind === "cyclic" ? scalings : [null]).map(
          (scaling): ConformanceCase => {
            const tokens = layoutPositions(layout, document);
            const base = 10000;
            const allocated = allocateFrequencies(allocation, {
              numAxes,
              rotaryDim,
              numHeads,
              base,
              scaling,
            });
            const positions = Array.from({ length: tokens.values.length / numAxes }, (_, n) =>
              positionOf(tokens, n),
            );
            const end = document.reduce(
              (cursor, segment) => advance(layout, cursor, segment).cursor,
              startCursor,
            );
            return {
              document,
              allocation,
              rotaryDim,
              numHeads,
              base,
              scaling,
              positions,
              delta: positionDelta(end),
              axisOfFrequency: allocated.axisOfFrequency,
              attentionFactor: allocated.attentionFactor,
              angles: rotaryAngles(positions, allocated),
            };
          },
        ),
      ),
    );
    return { format: "rotor-positions", version: 1, layout: name, axes: layout.axes, cases };
  });
}

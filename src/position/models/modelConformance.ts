import type { Document } from "../document.ts";
import { batchPositions, type PositionBatch } from "../positionBatch.ts";
import { generatedPositions } from "../positionCursor.ts";
import {
  layerKinds,
  modelAllocation,
  modelDocument,
  modelLayout,
  modelRotary,
  type PositionModelName,
  positionModelNamed,
  positionModels,
} from "./index.ts";

/** A padded batch of documents under the rule of a model. */
export interface ModelConformanceCase {
  readonly documents: readonly Document[];
  readonly padding: "left" | "right";
  readonly shape: readonly number[];
  /** `[batch][length][axes]` */
  readonly positions: readonly (readonly (readonly number[])[])[];
  readonly deltas: readonly number[];
  /** `[batch][3][axes]`: of three tokens that the model makes after each document. */
  readonly made: readonly (readonly (readonly number[])[])[];
}

/** How heads of one kind of layers turn. */
export interface ModelConformanceRotary {
  readonly layerKind: string;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly pairing: string;
  /** Radians per position of the first component of each pair. */
  readonly frequencies: readonly number[];
  readonly axisOfFrequency: readonly (number | null)[];
  /** The same of the second component, where it is another. */
  readonly second?: {
    readonly frequencies: readonly number[];
    readonly axisOfFrequency: readonly (number | null)[];
  };
  /** Two positions. */
  readonly positions: readonly (readonly number[])[];
  /** `[2][headDim]`: the head `sin(0.37·i)`, `i = 0 … headDim − 1`, turned at each of them. */
  readonly turned: readonly (readonly number[])[];
}

/** The vectors of one model. */
export interface ModelConformanceFile {
  readonly format: "rotor-model-positions";
  readonly version: 1;
  readonly model: PositionModelName;
  readonly transformers: string;
  readonly axes: readonly string[];
  readonly cases: readonly ModelConformanceCase[];
  readonly rotary: readonly ModelConformanceRotary[];
}

const text = (length: number) => ({ kind: "text", length }) as const;

/** Documents in units of the merged patch, so that every model takes the same. */
function documentsOf(name: PositionModelName): Document[][] {
  const { rule, part, spatialMergeSize: m, temporalMergeSize = 1 } = positionModelNamed(name);
  const image = (height: number, width: number) =>
    ({ kind: "image", height: height * m, width: width * m }) as const;
  const video = (frames: number, height: number, width: number, secondsPerFrame: number) => ({
    kind: "video" as const,
    frames: frames * temporalMergeSize,
    height: height * m,
    width: width * m,
    secondsPerFrame,
  });
  if (part === "vision") return [[[image(3, 2), video(2, 1, 3, 1)]]];
  if (rule.kind === "page") return [[[text(4)], [text(2), image(2, 3)]]];
  const images: Document = [text(3), image(2, 3), text(2), image(3, 1), text(1)];
  if (rule.kind === "xdrope") return [[images, [text(2), image(1, 1)]]];
  if (rule.kind === "mrope" && rule.makesImages === true) return [[images, [text(2), image(1, 1), text(1)]]];
  const films: Document = [text(2), video(4, 2, 1, 0.7), text(2), video(2, 1, 2, 1.5), text(1)];
  const batches: Document[][] = [[images, films, [text(1)]]];
  if (rule.kind === "canvas") {
    const slices = { rows: 2, columns: 2, grids: [[2 * m, m]] as const };
    batches.push([[text(1), { ...image(2, 2), slices, newlines: 1 }, text(2)]]);
  }
  if (rule.kind === "mrope" && rule.sound !== undefined) {
    batches.push([[text(2), { ...video(3, 1, 2, 1.3), audioTokens: 60 }, text(2)]]);
  }
  return batches;
}

const vectors = (values: Float64Array, numAxes: number) =>
  Array.from({ length: values.length / numAxes }, (_, n) => [
    ...values.subarray(n * numAxes, (n + 1) * numAxes),
  ]);

function caseOf(
  name: PositionModelName,
  documents: readonly Document[],
  padding: "left" | "right",
): ModelConformanceCase {
  const layout = modelLayout(name);
  const own = documents.map((document) => modelDocument(name, document));
  const batch: PositionBatch = batchPositions(layout, own, { padding });
  const [size, length, numAxes] = batch.shape;
  const rows = vectors(batch.values, numAxes);
  const { rule, part } = positionModelNamed(name);
  const makesImages = rule.kind === "mrope" && rule.makesImages === true;
  const images = makesImages ? [{ height: 1, width: 2 }] : [];
  return {
    documents: own,
    padding,
    shape: batch.shape,
    positions: Array.from({ length: size }, (_, b) => rows.slice(b * length, (b + 1) * length)),
    deltas: batch.deltas,
    made:
      part === "decoder"
        ? batch.cursors.map((cursor) =>
            vectors(generatedPositions(layout, cursor, 3, images).values, numAxes),
          )
        : [],
  };
}

/** `sin(0.37·i)` turned in float64. */
function turnedHead(
  rotary: Omit<ModelConformanceRotary, "turned">,
  position: readonly number[],
  numAxes: number,
): number[] {
  const { headDim, rotaryDim, pairing, frequencies, axisOfFrequency, second } = rotary;
  const head = Array.from({ length: headDim }, (_, i) => Math.sin(0.37 * i));
  const pairs = rotaryDim / 2;
  const block = pairing === "half-per-axis" ? pairs / numAxes : pairs;
  const angle = (axis: number | null, theta: number) => (axis === null ? 0 : position[axis]! * theta);
  const turned = [...head];
  for (let j = 0; j < pairs; j++) {
    const start = 2 * (j - (j % block));
    const [a, b] =
      pairing === "interleaved" ? [2 * j, 2 * j + 1] : [start + (j % block), start + block + (j % block)];
    const first = angle(axisOfFrequency[j]!, frequencies[j]!);
    const other = second === undefined ? first : angle(second.axisOfFrequency[j]!, second.frequencies[j]!);
    turned[a] = head[a]! * Math.cos(first) - head[b]! * Math.sin(first);
    turned[b] = head[b]! * Math.cos(other) + head[a]! * Math.sin(other);
  }
  return turned;
}

function rotaryOf(name: PositionModelName): ModelConformanceRotary[] {
  const { axes } = positionModelNamed(name);
  const positions = [
    [3, 5, 7, 1],
    [11, 2, 40, 3],
  ].map((position) => position.slice(0, axes.length));
  return layerKinds(name).flatMap((layerKind) => {
    const options = modelRotary(name, { layerKind });
    const allocated = modelAllocation(name, { layerKind });
    if (options === null || allocated === null) return [];
    const { second } = allocated;
    const own = {
      layerKind,
      headDim: options.headDim,
      rotaryDim: options.rotaryDim!,
      pairing: options.pairing!,
      frequencies: allocated.frequencies,
      axisOfFrequency: allocated.axisOfFrequency[0]!,
      ...(second === undefined
        ? {}
        : { second: { frequencies: second.frequencies, axisOfFrequency: second.axisOfFrequency[0]! } }),
      positions,
    };
    return [{ ...own, turned: positions.map((position) => turnedHead(own, position, axes.length)) }];
  });
}

/**
 * Vectors that another implementation can be tested with: positions, deltas, generation and turned heads of every row.
 *
 * @example
 * ```ts
 * modelConformanceFiles().some(({ model }) => model === "qwen3_vl"); // => true
 * ```
 */
export function modelConformanceFiles(): ModelConformanceFile[] {
  return (Object.keys(positionModels) as PositionModelName[]).map((model) => {
    const { axes, transformers } = positionModelNamed(model);
    return {
      format: "rotor-model-positions",
      version: 1,
      model,
      transformers,
      axes,
      cases: documentsOf(model).flatMap((documents) =>
        (documents.length > 1 ? (["left", "right"] as const) : (["right"] as const)).map((padding) =>
          caseOf(model, documents, padding),
        ),
      ),
      rotary: rotaryOf(model),
    };
  });
}

import { ConfigError } from "../errors.ts";
import {
  type Document,
  type ImageToMake,
  layerKinds,
  type ModelPositionOptions,
  modelAllocation,
  modelGeneration,
  modelPositions,
  modelRotary,
  type PositionModel,
  positionIds,
  positionModelNamed,
  positionModels,
} from "../position/index.ts";
import { table } from "./format.ts";

/** Which axis drives which frequency, for one kind of layers. */
export interface ReportedRotary {
  readonly layerKind: string;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly base: number;
  readonly pairing: string;
  readonly allocation: string;
  readonly frequencies: readonly number[];
  /** Of the first component of each pair. */
  readonly axisOfFrequency: readonly (number | null)[];
  /** Of the second, where it follows another axis or another frequency. */
  readonly second?: {
    readonly frequencies: readonly number[];
    readonly axisOfFrequency: readonly (number | null)[];
  };
}

/** What a model's own code makes of a document. */
export interface ModelReport {
  readonly name: string;
  readonly transformers: string;
  readonly source: string;
  readonly part: PositionModel["part"];
  /** Side of the square of patches that become a token. */
  readonly spatialMergeSize: number;
  readonly axes: readonly string[];
  /** `[axes][tokens]` */
  readonly positionIds: readonly (readonly number[])[];
  readonly delta: number;
  /** `[axes][count]`, of tokens that the model makes after the document. */
  readonly made?: readonly (readonly number[])[];
  readonly rotary: readonly ReportedRotary[];
  readonly note?: string;
  readonly published?: string;
}

/** @throws ConfigError as {@link modelPositions}, or for sizes of images that can't be read */
export function modelReport(
  name: string,
  document: Document,
  options: ModelPositionOptions,
  { made, madeImages }: { readonly made?: number; readonly madeImages?: string },
): ModelReport {
  const row: PositionModel = positionModelNamed(name);
  const placed = modelPositions(name, document, options);
  return {
    name,
    transformers: row.transformers,
    source: row.source,
    part: row.part,
    spatialMergeSize: options.spatialMergeSize ?? row.spatialMergeSize,
    axes: placed.axes,
    positionIds: positionIds(placed.positions),
    delta: placed.delta,
    ...(made === undefined
      ? {}
      : { made: positionIds(modelGeneration(placed, made, parseImages(madeImages))) }),
    rotary: rotaryOf(name),
    ...(row.note === undefined ? {} : { note: row.note }),
    ...(row.published === undefined ? {} : { published: row.published }),
  };
}

function parseImages(sizes = ""): ImageToMake[] {
  return sizes
    .split(",")
    .filter((size) => size !== "")
    .map((size) => {
      const match = /^(\d+)x(\d+)$/.exec(size.trim());
      if (match === null)
        throw new ConfigError(`image to be made "${size}": expected height x width, as 4x6`);
      return { height: Number(match[1]), width: Number(match[2]) };
    });
}

function rotaryOf(name: string): ReportedRotary[] {
  return layerKinds(name).flatMap((layerKind) => {
    const options = modelRotary(name, { layerKind });
    const allocated = modelAllocation(name, { layerKind });
    if (options === null || allocated === null) return [];
    const { second } = allocated;
    return [
      {
        layerKind,
        headDim: options.headDim,
        rotaryDim: options.rotaryDim!,
        base: options.base!,
        pairing: options.pairing!,
        allocation: allocationWords(options.allocation!),
        frequencies: allocated.frequencies,
        axisOfFrequency: allocated.axisOfFrequency[0]!,
        ...(second === undefined
          ? {}
          : { second: { frequencies: second.frequencies, axisOfFrequency: second.axisOfFrequency[0]! } }),
      },
    ];
  });
}

function allocationWords({
  kind,
  ...rest
}: {
  readonly kind: string;
  readonly sections?: readonly number[];
}): string {
  const { sections } = rest;
  return sections === undefined ? kind : `${kind} ${sections.join(", ")}`;
}

/** Runs of equal axes as the axes' names: `24t 20h 20w`; axes that take turns stand in brackets: `20(thw) 4t`. */
function axesWords(axes: readonly string[], axisOfFrequency: readonly (number | null)[]): string {
  const names = axisOfFrequency.map((axis) => (axis === null ? "–" : axes[axis]!));
  const words: string[] = [];
  for (let at = 0; at < names.length; ) {
    let [period, end] = [1, at + 1];
    for (const candidate of [1, 2, 3]) {
      let until = at + candidate;
      while (until < names.length && names[until] === names[until - candidate]) until++;
      // Whole turns only.
      until -= (until - at) % candidate;
      if (until - at >= 2 * candidate && until > end) [period, end] = [candidate, until];
    }
    const own = names.slice(at, at + period);
    words.push(period === 1 ? `${end - at}${own[0]}` : `${(end - at) / period}(${own.join("")})`);
    at = end;
  }
  return words.join(" ");
}

/** A few lines on a model. */
export function describeModel(report: ModelReport): string {
  const lines = [
    `${report.source} of Transformers ${report.transformers}`,
    [
      // An encoder makes no tokens.
      ...(report.part === "decoder"
        ? [`delta ${report.delta}`]
        : [`positions of its ${report.part === "vision" ? "vision encoder" : "encoder"}`]),
      ...(report.spatialMergeSize === 1
        ? []
        : [
            `sides are those of patches, ${report.spatialMergeSize} × ${report.spatialMergeSize} make a token`,
          ]),
    ].join("; "),
    ...report.rotary.map(
      ({ layerKind, headDim, rotaryDim, base, pairing, allocation, axisOfFrequency, second }) =>
        `${layerKind === "all" ? "heads" : layerKind}: ${rotaryDim === headDim ? "all" : `${rotaryDim} of`} ${headDim} components, base ${base}, pairs ${pairing}, ${allocation}: ${axesWords(report.axes, axisOfFrequency)}${
          second === undefined
            ? ""
            : `, the second of each pair ${axesWords(report.axes, second.axisOfFrequency)}`
        }`,
    ),
  ];
  if (report.made !== undefined) {
    const vectors = report.made[0]!.map((_, n) => `(${report.made!.map((axis) => axis[n]).join(", ")})`);
    lines.push(`made after it: ${vectors.join(" ")}`);
  }
  for (const remark of [report.note, report.published]) if (remark !== undefined) lines.push(remark);
  return lines.join("\n");
}

/** The rows of all models. */
export function listModels(json: boolean): string {
  if (json) {
    return JSON.stringify(
      Object.entries(positionModels).map(([name, row]) => ({ name, ...row, rotary: rotaryOf(name) })),
    );
  }
  const rows = Object.entries(positionModels as Record<string, PositionModel>).map(([name, row]) => [
    name,
    row.part,
    row.axes.join(" "),
    row.rule.kind,
    String(row.spatialMergeSize),
    rotaryOf(name)
      .map(({ allocation }) => allocation)
      .join("; "),
    row.transformers,
  ]);
  return table([["model", "part", "axes", "rule", "merge", "frequencies", "Transformers"], ...rows]);
}

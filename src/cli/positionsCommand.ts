import path from "node:path";
import { writeOutput } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { checkMemory } from "../memoryBudget.ts";
import {
  conformanceFiles,
  type Document,
  type Layout,
  layoutNamed,
  layoutProperties,
  type ModelPositionOptions,
  modelConformanceFiles,
  modelDocument,
  modelLayout,
  mrope,
  parseDocument,
  v2pe,
} from "../position/index.ts";
import { getOwn } from "../reservedNames.ts";
import { table } from "./format.ts";
import { drawPlane, segmentSigns } from "./positionsDrawing.ts";
import { describeModel, listModels, type ModelReport, modelReport } from "./positionsModels.ts";
import { type LayoutReport, layoutReport, reportedRotation } from "./positionsReport.ts";
import { positionsSvg } from "./positionsSvg.ts";
import { out, warn } from "./print.ts";
import { style } from "./style.ts";

const vector = (values: readonly number[]) => `(${values.map((value) => +value.toFixed(4)).join(", ")})`;

export interface PositionsFlags {
  readonly layout?: string;
  readonly compare?: string;
  readonly model?: string;
  readonly models?: boolean;
  readonly made?: number;
  readonly madeImages?: string;
  readonly delta?: number;
  readonly maxTokens?: number;
  readonly tokensPerSecond?: number;
  readonly spatialMerge?: number;
  readonly svg?: string;
  readonly json?: boolean;
  readonly conformance?: string;
}

/** `rotor positions` */
export async function positionsCommand(text: string | undefined, flags: PositionsFlags): Promise<number> {
  if (flags.conformance !== undefined) {
    if (text !== undefined)
      throw new ConfigError(`--conformance: writes documents of its own; "${text}" is too much`);
    writeConformance(flags.conformance);
    return 0;
  }
  if (flags.models === true) {
    if (text !== undefined)
      throw new ConfigError(`--models: lists the rows of all models; "${text}" is too much`);
    out(listModels(flags.json === true));
    return 0;
  }
  if (text === undefined) {
    throw new ConfigError('positions: expected a document, for example "text:5 image:4x6 text:3"');
  }
  checkModelFlags(flags);
  const parsed = parseDocument(text);
  checkTokens(parsed, flags.maxTokens ?? defaultMaxTokens);
  const document = mergedDocument(parsed, flags.spatialMerge);
  const reports: (LayoutReport & { model?: ModelReport })[] = [];
  for (const layout of chosenLayouts(flags)) reports.push(await layoutReport(layout, document));
  for (const model of namesOf(flags.model)) {
    const options = optionsOf(flags);
    const own = modelDocument(model, parsed, options);
    const layout = modelLayout(model, options);
    const report = await layoutReport(layout, own);
    const properties = { ...report.properties, rotation: await reportedRotation(layout, model) };
    reports.push({ ...report, properties, model: modelReport(model, parsed, options, flags) });
  }
  for (const { precision } of reports) {
    if (precision !== null) warn(`${precision}`);
  }
  if (flags.svg !== undefined) writeOutput(flags.svg, positionsSvg(text, reports));
  if (flags.json === true) {
    out(JSON.stringify({ document, layouts: reports }));
    return 0;
  }
  for (const report of reports) {
    out(`${describe(report)}\n${report.model === undefined ? "" : `${describeModel(report.model)}\n`}`);
  }
  out(propertyTable(reports));
  if (flags.svg !== undefined) out(`\nwrote ${flags.svg}`);
  return 0;
}

/** @throws ConfigError for an option about models that nothing comes of */
function checkModelFlags({ model, made, madeImages }: PositionsFlags): void {
  if (model !== undefined && namesOf(model).length === 0)
    throw new ConfigError(`--model "${model}": expected a model, or several with commas between`);
  if (made !== undefined && model === undefined)
    throw new ConfigError(`--made ${made}: has no effect without a model; expected --model as well`);
  if (madeImages !== undefined && made === undefined)
    throw new ConfigError(`--made-images ${madeImages}: has no effect alone; expected --made as well`);
}

const defaultMaxTokens = 1_000_000;

/** Doubles of every token that a report takes: its vector, its drawing, its properties. */
const bytesPerToken = 24;

/** @throws ConfigError, MemoryError for a document of more tokens than are allowed, or fit into memory; none of them is made */
function checkTokens(document: Document, most: number): void {
  const tokens = document.reduce((sum, segment) => {
    if (segment.kind === "text") return sum + segment.length;
    const frames = segment.kind === "video" ? segment.frames : 1;
    return sum + frames * segment.height * segment.width;
  }, 0);
  if (tokens > most)
    throw new ConfigError(`document: has ${tokens} tokens, expected at most ${most} (--max-tokens)`);
  checkMemory(`document of ${tokens} tokens`, tokens * bytesPerToken);
}

/** Sides of grids are those of patches, `size` of which are merged into a token's side. */
function mergedDocument(document: Document, size: number | undefined): Document {
  if (size === undefined) return document;
  return document.map((segment) =>
    segment.kind === "text" ? segment : { ...segment, spatialMergeSize: size },
  );
}

/**
 * The layouts of `--layout` and `--compare`, with their options.
 *
 * @throws ConfigError for an unknown name, or an option that none of them takes
 */
function chosenLayouts({ layout, compare, delta, tokensPerSecond, model }: PositionsFlags): Layout[] {
  const first = layout ?? (model === undefined ? "tie-v2" : undefined);
  const names = [...new Set([...(first === undefined ? [] : [first]), ...namesOf(compare)])];
  const options: Record<string, { readonly flag: string; readonly make: (() => Layout) | undefined }> = {
    v2pe: { flag: "--delta", make: delta === undefined ? undefined : () => v2pe(delta) },
    "mrope-seconds": {
      flag: "--tokens-per-second",
      make: tokensPerSecond === undefined ? undefined : () => mrope({ tokensPerSecond }),
    },
  };
  for (const [name, { flag, make }] of Object.entries(options)) {
    const ofModel = model !== undefined && flag === "--tokens-per-second";
    if (make !== undefined && !names.includes(name) && !ofModel) {
      const all = [...names, ...namesOf(model)];
      throw new ConfigError(`${flag}: has no effect on ${all.join(", ")}; expected layout ${name}`);
    }
  }
  return names.map((name) => getOwn(options, name)?.make?.() ?? layoutNamed(name));
}

/** Names with commas between. */
function namesOf(list = ""): string[] {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

const optionsOf = ({ spatialMerge, tokensPerSecond }: PositionsFlags): ModelPositionOptions => ({
  ...(spatialMerge === undefined ? {} : { spatialMergeSize: spatialMerge }),
  ...(tokensPerSecond === undefined ? {} : { positionsPerSecond: tokensPerSecond }),
});

/** Where the segments of one layout lie. */
function describe(report: LayoutReport): string {
  const signs = segmentSigns(report);
  const rows = report.segments.map(({ segment, positions, offset }, i) => {
    const gap = report.gaps.find(({ token }) => token === offset - 1);
    return [
      signs[i]!,
      segment,
      positions.length,
      vector(positions[0]!),
      vector(positions.at(-1)!),
      gap === undefined ? "" : vector(gap.vector),
    ];
  });
  return [
    style.bold(`${report.layout} (${report.axes.join(", ")})`),
    table([["", "segment", "tokens", "first", "last", "from the token before"], ...rows]),
    drawPlane(report),
    `largest position ${+report.largestPosition.toFixed(4)} in ${report.tokens} tokens: ${report.positionsPerToken.toFixed(3)} positions per token`,
  ].join("\n");
}

function propertyTable(reports: readonly LayoutReport[]): string {
  const cell = ({ properties }: LayoutReport, name: string) => {
    const { verdict, counterExample } = getOwn(properties, name) ?? { verdict: "-" };
    return verdict === "broken" ? `broken: ${counterExample}` : verdict === "held" ? "held" : "-";
  };
  const rotation = reports.some(({ properties }) => properties.rotation !== undefined);
  const names = [...Object.keys(layoutProperties), ...(rotation ? ["rotation"] : [])];
  return table([
    ["", ...reports.map(({ layout }) => layout)],
    ...names.map((name) => [name, ...reports.map((report) => cell(report, name))]),
  ]);
}

/** Writes the vectors that other implementations are tested with. */
function writeConformance(folder: string): void {
  const files = [
    ...conformanceFiles().map((file) => ({ name: `${file.layout}.json`, file })),
    ...modelConformanceFiles().map((file) => ({ name: path.join("models", `${file.model}.json`), file })),
  ];
  for (const { name, file } of files) {
    const target = path.join(folder, name);
    writeOutput(target, `${JSON.stringify(file)}\n`);
    out(`wrote ${target}: ${file.cases.length} cases`);
  }
}

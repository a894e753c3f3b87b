import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import picocolors from "picocolors";
import { ConfigError } from "../errors.ts";
import {
  conformanceFiles,
  type Document,
  type Layout,
  layoutNamed,
  layoutProperties,
  mrope,
  parseDocument,
  v2pe,
} from "../position/index.ts";
import { table } from "./format.ts";
import { drawPlane, segmentSigns } from "./positionsDrawing.ts";
import { type LayoutReport, layoutReport } from "./positionsReport.ts";
import { positionsSvg } from "./positionsSvg.ts";

const out = (text: string) => process.stdout.write(`${text}\n`);
const vector = (values: readonly number[]) => `(${values.map((value) => +value.toFixed(4)).join(", ")})`;

export interface PositionsFlags {
  readonly layout: string;
  readonly compare?: string;
  readonly delta?: number;
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
  if (text === undefined) {
    throw new ConfigError('positions: expected a document, for example "text:5 image:4x6 text:3"');
  }
  const document = mergedDocument(parseDocument(text), flags.spatialMerge);
  const reports: LayoutReport[] = [];
  for (const layout of chosenLayouts(flags)) reports.push(await layoutReport(layout, document));
  for (const { precision } of reports) {
    if (precision !== null) process.stderr.write(`rotor: ${precision}\n`);
  }
  if (flags.svg !== undefined) writeText(flags.svg, positionsSvg(text, reports));
  if (flags.json === true) {
    out(JSON.stringify({ document, layouts: reports }));
    return 0;
  }
  for (const report of reports) out(`${describe(report)}\n`);
  out(propertyTable(reports));
  if (flags.svg !== undefined) out(`\nwrote ${flags.svg}`);
  return 0;
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
function chosenLayouts({ layout, compare = "", delta, tokensPerSecond }: PositionsFlags): Layout[] {
  const names = [
    ...new Set([
      layout,
      ...compare
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    ]),
  ];
  const options: Record<string, { readonly flag: string; readonly make: Layout | undefined }> = {
    v2pe: { flag: "--delta", make: delta === undefined ? undefined : v2pe(delta) },
    "mrope-seconds": {
      flag: "--tokens-per-second",
      make: tokensPerSecond === undefined ? undefined : mrope({ tokensPerSecond }),
    },
  };
  for (const [name, { flag, make }] of Object.entries(options)) {
    if (make !== undefined && !names.includes(name)) {
      throw new ConfigError(`${flag}: has no effect on ${names.join(", ")}; expected layout ${name}`);
    }
  }
  return names.map((name) => options[name]?.make ?? layoutNamed(name));
}

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
    picocolors.bold(`${report.layout} (${report.axes.join(", ")})`),
    table([["", "segment", "tokens", "first", "last", "from the token before"], ...rows]),
    drawPlane(report),
    `largest position ${+report.largestPosition.toFixed(4)} in ${report.tokens} tokens: ${report.positionsPerToken.toFixed(3)} positions per token`,
  ].join("\n");
}

function propertyTable(reports: readonly LayoutReport[]): string {
  const cell = ({ properties }: LayoutReport, name: keyof typeof layoutProperties) => {
    const { verdict, counterExample } = properties[name];
    return verdict === "broken" ? `broken: ${counterExample}` : verdict === "held" ? "held" : "-";
  };
  const names = Object.keys(layoutProperties) as (keyof typeof layoutProperties)[];
  return table([
    ["", ...reports.map(({ layout }) => layout)],
    ...names.map((name) => [name, ...reports.map((report) => cell(report, name))]),
  ]);
}

/** Writes the vectors that other implementations are tested with. */
function writeConformance(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw unwritable(folder, error);
  }
  for (const file of conformanceFiles()) {
    const target = path.join(folder, `${file.layout}.json`);
    writeText(target, `${JSON.stringify(file)}\n`);
    out(`wrote ${target}: ${file.cases.length} cases`);
  }
}

function writeText(target: string, text: string): void {
  try {
    writeFileSync(target, text);
  } catch (error) {
    throw unwritable(target, error);
  }
}

function unwritable(target: string, error: unknown): ConfigError {
  return new ConfigError(`"${target}": can't be written (${(error as NodeJS.ErrnoException).code})`, {
    cause: error,
  });
}

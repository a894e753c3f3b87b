import {
  type PlacedReport,
  placedReport,
  type ReportedVerdict,
  reportedRotation,
  reportedVerdicts,
} from "../../src/cli/positionsReport.ts";
import { ConfigError, RotorError } from "../../src/errors.ts";
import {
  documentLength,
  type Layout,
  layoutNamed,
  layoutProperties,
  layouts,
  modelDocument,
  modelLayout,
  type PositionModelName,
  parseDocument,
  positionModels,
  rotationProperty,
} from "../../src/position/index.ts";

/** What can be asked of layouts. Those of published models are named `model:qwen2_vl`. */
export type PositionsQuestion =
  | { readonly kind: "names" }
  | { readonly kind: "place"; readonly layout: string; readonly document: string }
  | { readonly kind: "properties"; readonly layout: string };

export interface PropertyAnswer extends ReportedVerdict {
  readonly name: string;
  /** What it says, in a sentence. */
  readonly says: string;
}

export type PositionsAnswer =
  | { readonly kind: "names"; readonly layouts: readonly string[]; readonly models: readonly string[] }
  | { readonly kind: "place"; readonly report: PlacedReport }
  | { readonly kind: "properties"; readonly properties: readonly PropertyAnswer[] }
  /** In one line. */
  | { readonly kind: "refused"; readonly problem: string }
  /** A page that is shared doesn't hold it. */
  | { readonly kind: "missing" };

/** Tokens of a document that is drawn, at most: each is a mark. */
export const mostTokens = 20_000;

const prefix = "model:";

const modelOf = (name: string) =>
  name.startsWith(prefix) ? (name.slice(prefix.length) as PositionModelName) : null;

function layoutOf(name: string): Layout {
  const model = modelOf(name);
  return model === null ? layoutNamed(name) : modelLayout(model);
}

function place(name: string, text: string): PlacedReport {
  const parsed = parseDocument(text);
  const tokens = documentLength(parsed);
  if (tokens > mostTokens)
    throw new ConfigError(`document: has ${tokens} tokens, expected at most ${mostTokens}`);
  const model = modelOf(name);
  return placedReport(layoutOf(name), model === null ? parsed : modelDocument(model, parsed));
}

async function properties(name: string): Promise<PropertyAnswer[]> {
  const layout = layoutOf(name);
  const model = modelOf(name);
  const says: Readonly<Record<string, { readonly says: string }>> = layoutProperties;
  const verdicts = Object.entries(await reportedVerdicts(layout)).map(([property, verdict]) => ({
    name: property,
    says: says[property]!.says,
    ...verdict,
  }));
  if (model === null) return verdicts;
  const rotation = await reportedRotation(layout, model);
  return [...verdicts, { name: "rotation", says: rotationProperty(model).says, ...rotation }];
}

/** Everything happens here: nothing is sent anywhere. */
export async function answerPositions(question: PositionsQuestion): Promise<PositionsAnswer> {
  try {
    switch (question.kind) {
      case "names":
        return {
          kind: "names",
          layouts: Object.keys(layouts),
          models: Object.keys(positionModels).map((name) => `${prefix}${name}`),
        };
      case "place":
        return { kind: "place", report: place(question.layout, question.document) };
      case "properties":
        return { kind: "properties", properties: await properties(question.layout) };
    }
  } catch (error) {
    if (error instanceof RotorError) return { kind: "refused", problem: error.message };
    throw error;
  }
}

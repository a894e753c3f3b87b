import { readFileSync } from "node:fs";
import { layoutReport, reportedRotation, reportedVerdicts } from "../src/cli/positionsReport.ts";
import { positionsSvg } from "../src/cli/positionsSvg.ts";
import {
  type FrequencyAllocation,
  formatDocument,
  type LayoutPropertyName,
  layerKinds,
  layoutProperties,
  modelDocument,
  modelLayout,
  modelRotary,
  modelsWithoutRow,
  type PositionModel,
  type PositionRule,
  parseDocument,
  positionModelAliases,
  positionModels,
} from "../src/position/index.ts";

const begin = "<!-- Written by npm run docs:positions. -->";
const end = "<!-- End of what is written. -->";
const models = positionModels as Record<string, PositionModel>;

/** Rules that several models share, with what a reader should know. */
const groups: readonly { name: string; title: string; says: string; document: string }[] = [
  {
    name: "qwen2_vl",
    title: "Frames by number",
    says: "Row `i` and column `j` from 0 at `start + i`, `start + j`, frame `k` at `start + k`; text goes on at `start + max(h, w)`, whatever the times are.",
    document: "text:3 image:4x6 text:2 video:5x2x4 text:2",
  },
  {
    name: "qwen2_vl@4.57.1",
    title: "Frames by number, text behind all of them",
    says: "The same, but text goes on after the largest coordinate of all axes, as the paper has it.",
    document: "text:3 image:4x6 text:2 video:5x2x4 text:2",
  },
  {
    name: "qwen2_5_vl",
    title: "Frames by seconds",
    says: "Frame `k` at `start + ⌊k·(4·seconds)⌋`, the product in float32; text goes on at `start + max(h, w)`.",
    document: "text:3 image:4x6 text:2 video:3x2x4@0.7 text:2",
  },
  {
    name: "qwen2_5_vl@4.57.1",
    title: "Frames by whole seconds",
    says: "Frame `k` at `start + k·4·⌊seconds⌋`; text goes on after the largest coordinate.",
    document: "text:3 image:4x6 text:2 video:3x2x4@1.7 text:2",
  },
  {
    name: "qwen2_5_omni",
    title: "Frames by seconds, sound in chunks",
    says: "Frame `k` at `start + ⌊(k·seconds)·25⌋`; text goes on after the largest coordinate. Sound in a video lies between two markers at one place on each side, two seconds of frames and of sound at a time.",
    document: "text:3 image:4x6 text:2 video:2x2x4@0.2+audio:8 text:2",
  },
  {
    name: "qwen3_omni_moe",
    title: "Frames by fractions of seconds, sound by time",
    says: "As before, but times aren't cut: in float32, and so is all that follows. Frames and sound are merged by their times.",
    document: "text:3 image:4x6 text:2 video:2x2x4@0.17+audio:8 text:2",
  },
  {
    name: "qwen3_vl",
    title: "Frames apart",
    says: "Every frame is an image of its own, where text would go on after the one before; time is told by text between them.",
    document: "text:3 image:4x6 text:2 video:1x4x4 text:2 video:1x4x4 text:2",
  },
  {
    name: "glm_image",
    title: "Frames apart, and a table of images to be made",
    says: "Tokens that are made get the places of the images that are to be made, the last of the document first, then one place more. The delta is 0 and isn't used.",
    document: "text:3 image:4x6 text:2",
  },
  {
    name: "hy_v4_vl",
    title: "Frames apart, with a column of line breaks",
    says: "As the last but one, with one more column; a frame takes `max(h, w + 1)`.",
    document: "text:3 image:8x12 text:2 video:2x4x4 text:2",
  },
  {
    name: "hunyuan_vl",
    title: "Numbers, columns, rows and images",
    says: "All axes are the number of the token; in an image the last three are column, row (from 0 in each image, with a column of line breaks between two markers) and the number of the image in the batch.",
    document: "text:3 image:8x12 text:2 image:4x4 text:2",
  },
  {
    name: "minicpmv4_7",
    title: "One canvas for thumbnail and slices",
    says: "Slices make up a canvas, the thumbnail is spread over it, markers lie at the corners; text goes on at `start + max(canvas) + 1`.",
    document: "text:3 image:8x8+2x2of8x12 text:2",
  },
  {
    name: "neomme",
    title: "A page",
    says: "Text alone, or two tokens and a page with a marker at the end of each row, at `2 + row`, `2 + column`.",
    document: "text:2 image:4x6",
  },
  {
    name: "qwen2_vl_vision",
    title: "The grid of a vision encoder",
    says: "Rows and columns of patches before any merging, from 0 in each image, in blocks or in raster order.",
    document: "image:4x6",
  },
  {
    name: "sam3_vit_model",
    title: "A grid shrunk to a window",
    says: "Rows and columns times 24 over the columns of the grid, in float32.",
    document: "image:4x6",
  },
  {
    name: "dinov3_vit",
    title: "A grid of fixed extent",
    says: "`2π(2(i + ½)/size − 1)`: the angles of an image's corners are the same whatever its size.",
    document: "image:4x6",
  },
];

/** What counts of a rule: the sizes that shift or reorder a grid don't. */
function ruleKey(rule: PositionRule): string {
  if (rule.kind !== "grid") return JSON.stringify(rule);
  const { kind, centred = false, extent = 0 } = rule;
  return JSON.stringify({ kind, centred, extent });
}

const sharing = (name: string) =>
  Object.entries(models).filter(([, { rule }]) => ruleKey(rule) === ruleKey(models[name]!.rule));

const pictureName = (name: string) => `positions-${name.replace("@", "-")}.svg`;

function allocationWords(allocation: FrequencyAllocation): string {
  const words: string[] = [allocation.kind];
  if ("sections" in allocation) words.push(allocation.sections.join(", "));
  if ("order" in allocation && allocation.order !== undefined)
    words.push(`order ${allocation.order.join(", ")}`);
  if ("alternate" in allocation && allocation.alternate === true) words.push("alternate");
  if ("tiled" in allocation && allocation.tiled === true) words.push("tiled");
  return words.join(" ");
}

function rotaryWords(name: string): string {
  return layerKinds(name)
    .map((layerKind) => {
      const own = modelRotary(name, { layerKind });
      const prefix = layerKind === "all" ? "" : `${layerKind}: `;
      if (own === null) return `${prefix}none`;
      const size = own.rotaryDim === own.headDim ? `${own.headDim}` : `${own.rotaryDim} of ${own.headDim}`;
      return `${prefix}${size}, base ${own.base}, ${own.pairing}, ${allocationWords(own.allocation!)}`;
    })
    .join("; ");
}

function modelTable(name: string): string {
  const rows = sharing(name).map(([model, row]) => {
    const merge =
      row.temporalMergeSize === undefined
        ? `${row.spatialMergeSize}`
        : `${row.spatialMergeSize}, frames ${row.temporalMergeSize}`;
    const remarks = [row.note, row.published].filter((remark) => remark !== undefined).join("; ");
    const { rule } = row;
    const first = rule.kind === "grid" && rule.first !== undefined ? `, from ${rule.first}` : "";
    return `| \`${model}\` | ${row.axes.join(", ")}${first} | ${merge} | ${rotaryWords(model)} | ${row.padding ?? 0}${row.paddingOfText === undefined ? "" : `, of text ${row.paddingOfText}`} | ${row.transformers} | ${remarks} |`;
  });
  return [
    "| model | axes | merge | heads: components that turn, base, pairs, frequencies | padding | version | remarks |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

async function propertyTable(): Promise<string> {
  const names = Object.keys(layoutProperties) as LayoutPropertyName[];
  const rows: string[] = [];
  for (const { name } of groups) {
    const layout = modelLayout(name);
    const verdicts = await reportedVerdicts(layout);
    const rotation = await reportedRotation(layout, name);
    const cells = [...names.map((property) => verdicts[property]), rotation].map(
      ({ verdict, counterExample }) =>
        verdict === "broken" ? `\`${counterExample}\`` : verdict === "held" ? "held" : "–",
    );
    rows.push(`| \`${name}\` | ${cells.join(" | ")} |`);
  }
  const tiled = await reportedRotation(modelLayout("vjepa2"), "vjepa2");
  return [
    `| rule of | ${[...names, "rotation at all"].join(" | ")} |`,
    `|---|${names.map(() => "---|").join("")}---|`,
    ...rows,
    "",
    `A document in a cell is the smallest that breaks the property; its sides are those of tokens. Of the models that share the rule of \`qwen2_vl_vision\`, \`vjepa2\` alone isn't rotated: \`${tiled.counterExample}\`, ${tiled.message}.`,
  ].join("\n");
}

/** Pictures by file name. */
export async function modelPictures(): Promise<Map<string, string>> {
  const pictures = new Map<string, string>();
  for (const { name, document } of groups) {
    const own = modelDocument(name, parseDocument(document), drawnMerge(name));
    pictures.set(
      pictureName(name),
      positionsSvg(formatDocument(own), [await layoutReport(modelLayout(name), own)]),
    );
  }
  return pictures;
}

/** Pictures count tokens, but where the document is written in patches. */
function drawnMerge(name: string): { spatialMergeSize?: number } {
  return ["hy_v4_vl", "hunyuan_vl", "minicpmv4_7", "qwen2_vl_vision"].includes(name)
    ? {}
    : { spatialMergeSize: 1 };
}

/** The page docs/methods/model-positions.md with its tables made anew. */
export async function modelPositionsPage(): Promise<string> {
  const page = readFileSync(new URL("../docs/methods/model-positions.md", import.meta.url), "utf8");
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error("docs/methods/model-positions.md: has no place for the tables");
  const covered = new Set(groups.flatMap(({ name }) => sharing(name).map(([model]) => model)));
  const missing = Object.keys(models).filter((name) => !covered.has(name));
  if (missing.length > 0) throw new Error(`model-positions.md: no rule shown for ${missing.join(", ")}`);
  const sections = groups.map(
    ({ name, title, says, document }) =>
      `### ${title}\n\n${says}\n\n![\`${document}\` as \`${name}\` lays it](../pictures/${pictureName(name)})\n\n${modelTable(name)}`,
  );
  const without = Object.entries(modelsWithoutRow).map(([name, reason]) => `- \`${name}\`: ${reason}.`);
  const aliases = Object.entries(positionModelAliases).map(([name, row]) => `\`${name}\` (\`${row}\`)`);
  const written = [
    "## Properties",
    await propertyTable(),
    "## Rules",
    ...sections,
    "## Other names, and none",
    `A row goes by other names too: ${aliases.join(", ")}.`,
    `No row, and why:\n\n${without.join("\n")}`,
  ].join("\n\n");
  return `${before}${begin}\n\n${written}\n\n${end}${after}`;
}

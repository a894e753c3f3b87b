import { readFileSync } from "node:fs";
import { reportedVerdicts } from "../src/cli/positionsReport.ts";
import {
  formatDocument,
  type Layout,
  type LayoutPropertyName,
  layoutMeasures,
  layoutProperties,
  layouts,
  parseDocument,
} from "../src/position/index.ts";

const begin = "<!-- Written by npm run docs:positions. -->";
const end = "<!-- End of what is written. -->";
const measured = parseDocument("text:8 image:4x6 text:8");

/** What every layout holds and breaks, and what one document measures. */
async function propertyTable(): Promise<string> {
  const names = Object.keys(layoutProperties) as LayoutPropertyName[];
  const rows: string[] = [];
  for (const [name, layout] of Object.entries(layouts) as [string, Layout][]) {
    const verdicts = await reportedVerdicts(layout);
    const cells = names.map((property) => {
      const { verdict, counterExample } = verdicts[property];
      return verdict === "broken" ? `\`${counterExample}\`` : verdict === "held" ? "held" : "–";
    });
    const { positionsPerToken, gaps } = layoutMeasures(layout, measured);
    const numbers = [positionsPerToken.toFixed(3), ...gaps.map(({ size }) => `${+size.toFixed(4)}`)];
    rows.push(`| \`${name}\` | ${[...cells, ...numbers].join(" | ")} |`);
  }
  const heads = [...names, "positions per token", "jump into the image", "jump out of it"];
  return [
    `| layout | ${heads.join(" | ")} |`,
    `|---|${heads.map(() => "---|").join("")}`,
    ...rows,
    "",
    `A document in a cell is the smallest that breaks the property. The last three columns are of \`${formatDocument(measured)}\`.`,
  ].join("\n");
}

/** The page docs/methods/positions.md with its table made anew. */
export async function positionsPage(): Promise<string> {
  const page = readFileSync(new URL("../docs/methods/positions.md", import.meta.url), "utf8");
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error("docs/methods/positions.md: has no place for the table");
  return `${before}${begin}\n\n${await propertyTable()}\n\n${end}${after}`;
}

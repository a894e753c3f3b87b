import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
import type { Experiment, ExperimentReport, Table } from "./experiment.ts";
import { renderPlot } from "./plot.ts";

/** Text of a table cell: a bar would end the cell. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function markdownTable({ columns, rows }: Pick<Table, "columns" | "rows">): string {
  return [columns, columns.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map(cell).join(" | ")} |`)
    .join("\n");
}

/** The report as Markdown; pictures lie beside it. */
export function reportMarkdown(experiment: Experiment, report: ExperimentReport, footer: string): string {
  const parts = [`# ${experiment.title}`, report.summary, `Sources: ${experiment.sources.join("; ")}.`];
  if (report.verdicts.length > 0) {
    parts.push(
      markdownTable({
        columns: ["claim", "expected", "found", "verdict"],
        rows: report.verdicts.map(({ claim, expected, found, verdict }) => [
          claim,
          expected,
          found,
          `**${verdict}**`,
        ]),
      }),
    );
  }
  const open = report.verdicts.filter(({ toSettle }) => toSettle !== undefined);
  if (open.length > 0) {
    const lines = open.map(({ claim, toSettle }) => `- ${claim.replaceAll("\n", " ")}: ${toSettle}`);
    parts.push(`**What would settle the open claims**\n\n${lines.join("\n")}`);
  }
  for (const section of report.sections) {
    if (section.kind === "text") parts.push(section.text);
    else if (section.kind === "plot") parts.push(`![${section.title}](${section.file}.svg)`);
    else parts.push(`**${section.title}**`, markdownTable(section));
  }
  parts.push(footer);
  return `${parts.join("\n\n")}\n`;
}

/** Writes `README.md`, `report.json` and one SVG per plot into a folder, each file whole or not at all. */
export function writeReport(
  folder: string,
  experiment: Experiment,
  report: ExperimentReport,
  footer: string,
): void {
  for (const section of report.sections) {
    if (section.kind === "plot")
      writeFileAtomically(path.join(folder, `${section.file}.svg`), renderPlot(section));
  }
  writeFileAtomically(
    path.join(folder, "report.json"),
    `${JSON.stringify({ name: experiment.name, ...report }, null, 1)}\n`,
  );
  writeFileAtomically(path.join(folder, "README.md"), reportMarkdown(experiment, report, footer));
}

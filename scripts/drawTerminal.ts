// Draws what a terminal shows after some recorded output, as SVG: the picture of a run in the README.
//
// script -qec "npm start" run.typescript && node scripts/drawTerminal.ts run.typescript docs/pictures/run.svg
import { readFileSync, writeFileSync } from "node:fs";
import xterm from "@xterm/headless";

const [recording, target] = process.argv.slice(2);
if (recording === undefined || target === undefined) {
  console.error("usage: node scripts/drawTerminal.ts <recording> <picture.svg>");
  process.exit(2);
}
const cols = 100;
const terminal = new xterm.Terminal({ cols, rows: 200, allowProposedApi: true });
const text = readFileSync(recording, "utf8").replace(/^Script (started|done).*\n/gm, "");
await new Promise<void>((resolve) => terminal.write(text, resolve));

const palette = ["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#c9d1d9"];
const escapeXml = (s: string) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const [cellWidth, lineHeight, margin] = [8.4, 18, 16];

/** One line as stretches of equal colour. */
function drawLine(y: number): string {
  const line = terminal.buffer.active.getLine(y)!;
  let drawn = "";
  for (let x = 0; x < cols; ) {
    const style = (at: number) => {
      const cell = line.getCell(at)!;
      const color = cell.isFgPalette() ? palette[cell.getFgColor() % 8]! : "#c9d1d9";
      return `fill="${color}"${cell.isBold() ? ' font-weight="bold"' : ""}${cell.isDim() ? ' opacity="0.6"' : ""}`;
    };
    const start = x;
    let run = "";
    while (x < cols && style(x) === style(start)) run += line.getCell(x++)!.getChars() || " ";
    // Renderers drop spaces at the ends, and would stretch what is left.
    const shown = run.trim();
    if (shown === "") continue;
    const left = (margin + (start + run.length - run.trimStart().length) * cellWidth).toFixed(1);
    drawn += `<text x="${left}" y="${margin + (y + 1) * lineHeight - 5}" textLength="${(shown.length * cellWidth).toFixed(1)}" ${style(start)}>${escapeXml(shown).replaceAll(" ", "\u00a0")}</text>`;
  }
  return drawn;
}

let numLines = terminal.buffer.active.length;
while (numLines > 0 && terminal.buffer.active.getLine(numLines - 1)!.translateToString(true) === "")
  numLines--;
const [width, height] = [2 * margin + cols * cellWidth, 2 * margin + numLines * lineHeight];
const lines = Array.from({ length: numLines }, (_, y) => drawLine(y)).filter((line) => line !== "");
writeFileSync(
  target,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<title>What a terminal shows after a run of Rotor</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${lines.join("\n")}
</svg>
`,
);

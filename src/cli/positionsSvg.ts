import { groundColours, seriesColours } from "../palette.ts";
import { planeNames, planePoint, planeRange } from "./positionsDrawing.ts";
import type { PlacedReport } from "./positionsReport.ts";

const textColour = "#333333";
const colours = seriesColours.light;
const [panel, margin, titleHeight] = [280, 36, 28];
const axisColours: Record<string, string> = {
  t: colours[1],
  h: colours[3],
  w: colours[0],
  n: groundColours.light.text,
};
/** Characters of a line of the heading, and its height. */
const [lineLength, lineHeight] = [96, 18];
const escapeXml = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const shown = (value: number) => String(+value.toFixed(2));

/** Colours of the segments: text is dark, images and videos take turns. */
function segmentColours(report: PlacedReport): string[] {
  let visual = 0;
  return report.segments.map(({ kind }) =>
    kind === "text" ? textColour : colours[visual++ % colours.length]!,
  );
}

/** The segments in their colours, as lines that fit into the picture. */
function heading(report: PlacedReport): string[] {
  const lines: { width: number; words: string[] }[] = [];
  const inks = segmentColours(report);
  report.segments.forEach(({ segment }, i) => {
    const last = lines.at(-1);
    const line =
      last !== undefined && last.width + segment.length < lineLength ? last : { width: 0, words: [] };
    if (line !== last) lines.push(line);
    line.width += segment.length + 1;
    line.words.push(`<tspan fill="${inks[i]}">${escapeXml(segment)}</tspan>`);
  });
  return lines.map(
    ({ words }, i) => `<text x="${margin}" y="${lineHeight * (i + 1)}">${words.join(" ")}</text>`,
  );
}

/**
 * A picture of where tokens lie: above the segments in their colours, then a row per layout, on the left the plane of h (down) and w (to the right), on the right every
 * coordinate against the number of the token.
 */
export function positionsSvg(document: string, reports: readonly PlacedReport[]): string {
  const [width, rowHeight] = [2 * (panel + 2 * margin), panel + 2 * margin + titleHeight];
  const words = heading(reports[0]!);
  const headingHeight = titleHeight + lineHeight * (words.length - 1);
  const height = headingHeight + reports.length * rowHeight;
  const rows = reports.map((report, i) => {
    const top = headingHeight + i * rowHeight;
    return `<g transform="translate(0 ${top})"><text x="${margin}" y="18" font-weight="bold">${escapeXml(report.layout)}</text>${plane(report)}${curves(report)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">
<title>Positions of ${escapeXml(document)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${words.join("\n")}
${rows.join("\n")}
</svg>
`;
}

function frame(left: number, low: number, high: number, across: string, down: string): string {
  const top = titleHeight + margin / 2;
  return `<rect x="${left}" y="${top}" width="${panel}" height="${panel}" fill="none" stroke="#cccccc"/><text x="${left}" y="${top - 5}">${shown(low)}</text><text x="${left + panel}" y="${top - 5}" text-anchor="end">${shown(high)} ${across}</text><text x="${left - 6}" y="${top + panel}" text-anchor="end">${down}</text>`;
}

function plane(report: PlacedReport): string {
  const [low, high] = planeRange(report);
  const [left, top] = [margin, titleHeight + margin / 2];
  const scale = panel / (high - low + 1);
  const size = Math.max(1, Math.min(scale * 0.8, 10));
  const inks = segmentColours(report);
  const marks = report.segments.map(({ kind, positions, segment }, i) => {
    const points = positions.map((position) => {
      const [x, y] = planePoint(report, position).map((value) => (value - low + 0.5) * scale) as [
        number,
        number,
      ];
      return kind === "text"
        ? `<circle cx="${shown(left + x)}" cy="${shown(top + y)}" r="${shown(size / 2)}"/>`
        : `<rect x="${shown(left + x - size / 2)}" y="${shown(top + y - size / 2)}" width="${shown(size)}" height="${shown(size)}"/>`;
    });
    return `<g fill="${inks[i]}"><title>${escapeXml(segment)}</title>${points.join("")}</g>`;
  });
  return frame(left, low, high, ...planeNames(report)) + marks.join("");
}

function curves(report: PlacedReport): string {
  const [left, top] = [panel + 3 * margin, titleHeight + margin / 2];
  const all = report.segments.flatMap(({ positions }) => positions);
  const high = Math.max(1, report.largestPosition);
  const step = panel / Math.max(1, all.length - 1);
  const lines = report.axes.map((axis, a) => {
    const points = all.map(
      (position, n) => `${shown(left + n * step)},${shown(top + panel - (position[a]! / high) * panel)}`,
    );
    // Axes of text lie on each other: the first is the widest.
    const strokeWidth = 1 + report.axes.length - a;
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${axisColours[axis] ?? "#333333"}" stroke-width="${strokeWidth}" opacity="0.7"/><text x="${left + 8 + 16 * a}" y="${top + 16}" fill="${axisColours[axis] ?? "#333333"}">${escapeXml(axis)}</text>`;
  });
  return `${frame(left, 0, all.length - 1, "token", "0")}<text x="${left - 6}" y="${top + 10}" text-anchor="end">${shown(high)}</text>${lines.join("")}`;
}

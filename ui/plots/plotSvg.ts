import { groundColours, seriesStyle } from "../../src/palette.ts";
import { escapeXml, number } from "../core/format.ts";
import { alignCurves, type Curve } from "./decimate.ts";
import { ticks } from "./ticks.ts";

export interface SvgSeries extends Curve {
  readonly name: string;
  /** Place in the palette. */
  readonly style: number;
  readonly isFaint?: boolean;
}

export interface SvgPlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly isLogX: boolean;
  readonly isLogY: boolean;
  readonly range: readonly [number, number];
  readonly yRange: readonly [number, number];
  readonly series: readonly SvgSeries[];
}

/** A plot of lines as a file of its own, on white, with a legend that has room for all names. */
export function plotSvg({ title, xLabel, yLabel, isLogX, isLogY, range, yRange, series }: SvgPlot): string {
  const { ground, text, quiet, line } = groundColours.light;
  const [width, left, right] = [720, 70, 20];
  const named = series.filter(({ isFaint }) => isFaint !== true);
  const columns = Math.max(
    1,
    Math.min(3, Math.floor(660 / (40 + 7 * Math.max(1, ...named.map(({ name }) => name.length))))),
  );
  const legendRows = Math.ceil(named.length / columns);
  const top = 40 + 20 * legendRows;
  const [inner, height] = [330, top + 330 + 50];
  const scale = (value: number, [low, high]: readonly [number, number], isLog: boolean) =>
    isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const px = (x: number) => left + (width - left - right) * scale(x, range, isLogX);
  const py = (y: number) => top + inner * (1 - scale(y, yRange, isLogY));
  const fixed = (value: number) => value.toFixed(1);
  const aligned = alignCurves(series, range, width - left - right, isLogX);
  const lines = series.map(({ style, isFaint = false }, i) => {
    const { colour, dash } = seriesStyle(style);
    let path = "";
    let pen = "M";
    aligned.y[i]!.forEach((y, at) => {
      const x = aligned.x[at]!;
      if (y === null || (isLogY && y <= 0) || (isLogX && x <= 0)) return;
      path += `${pen}${fixed(px(x))} ${fixed(py(y))}`;
      pen = "L";
    });
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${isFaint ? 1 : 1.75}"${isFaint ? ' stroke-opacity="0.3"' : ""}${dash.length > 0 ? ` stroke-dasharray="${dash.join(" ")}"` : ""}/>`;
  });
  const legend = named.map(({ name, style }, i) => {
    const { colour, dash } = seriesStyle(style);
    const x = left + (i % columns) * (660 / columns);
    const y = 44 + 20 * Math.floor(i / columns);
    return `<path d="M${fixed(x)} ${y}h24" stroke="${colour}" stroke-width="2"${dash.length > 0 ? ` stroke-dasharray="${dash.join(" ")}"` : ""}/><text x="${fixed(x + 30)}" y="${y + 4}">${escapeXml(name)}</text>`;
  });
  const grid = [
    ...ticks(range, isLogX).map(
      (x) =>
        `<path d="M${fixed(px(x))} ${top}v${inner}" stroke="${line}"/><text x="${fixed(px(x))}" y="${top + inner + 17}" text-anchor="middle" fill="${quiet}">${number(x)}</text>`,
    ),
    ...ticks(yRange, isLogY).map(
      (y) =>
        `<path d="M${left} ${fixed(py(y))}h${width - left - right}" stroke="${line}"/><text x="${left - 8}" y="${fixed(py(y) + 4)}" text-anchor="end" fill="${quiet}">${number(y)}</text>`,
    ),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${text}">
<rect width="${width}" height="${height}" fill="${ground}"/>
<text x="${width / 2}" y="22" text-anchor="middle" font-size="15" font-weight="600">${escapeXml(title)}</text>
${legend.join("\n")}
${grid.join("\n")}
<clipPath id="inside"><rect x="${left}" y="${top}" width="${width - left - right}" height="${inner}"/></clipPath>
<g clip-path="url(#inside)">
${lines.join("\n")}
</g>
<text x="${left + (width - left - right) / 2}" y="${height - 12}" text-anchor="middle">${escapeXml(xLabel)}</text>
<text transform="translate(16 ${top + inner / 2}) rotate(-90)" text-anchor="middle">${escapeXml(yLabel)}</text>
</svg>
`;
}

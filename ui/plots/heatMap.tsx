import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { groundColours, sequentialColour } from "../../src/palette.ts";
import { csv, escapeXml, number, save } from "../core/format.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { PlotFrame } from "./plotFrame.tsx";
import { useWidth } from "./useWidth.ts";

export interface HeatMapProps {
  readonly title: string;
  readonly rowLabel: string;
  readonly columnLabel: string;
  readonly rows: readonly string[];
  /** Ascending. */
  readonly columns: readonly number[];
  /** By row, then column; NaN where there is nothing. */
  readonly values: readonly (readonly number[])[];
  /** Colours by the logarithm; values that aren't positive have none then. */
  readonly isLog?: boolean;
}

const words = texts({
  en: { from: "from", to: "to", log: "log colours" },
  zh: { from: "从", to: "到", log: "对数颜色" },
});

const rowHeight = 18;
const labelWidth = 190;
const bottom = 26;

function range(values: readonly (readonly number[])[], isLog: boolean): readonly [number, number] | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const row of values)
    for (const value of row) {
      if (!Number.isFinite(value) || (isLog && value <= 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return high >= low ? [low, high] : null;
}

/** Values over rows and columns as colours. */
export function HeatMap(props: HeatMapProps) {
  const { title, rowLabel, columnLabel, rows, columns, values } = props;
  const t = useText(words);
  const { ground } = useSettings();
  const [isLog, setLog] = useState(props.isLog ?? false);
  const [pointed, setPointed] = useState<readonly [number, number] | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  const width = useWidth(holder);
  const canvas = useRef<HTMLCanvasElement>(null);
  const ends = useMemo(() => range(values, isLog), [values, isLog]);
  const share = (value: number) => {
    if (ends === null || !Number.isFinite(value) || (isLog && value <= 0)) return null;
    const [low, high] = ends;
    if (high === low) return 0.5;
    return isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  };
  const height = rows.length * rowHeight + bottom;
  const left = Math.min(labelWidth, width * 0.4);
  const cell = columns.length === 0 ? 0 : (width - left) / columns.length;

  useEffect(() => {
    const element = canvas.current!;
    const ratio = devicePixelRatio;
    element.width = Math.max(1, width * ratio);
    element.height = height * ratio;
    const context = element.getContext("2d")!;
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const { text, quiet } = groundColours[ground];
    rows.forEach((name, row) => {
      const y = row * rowHeight;
      context.fillStyle = text;
      context.textAlign = "left";
      // The end of a path says more than its beginning.
      let shown = name;
      while (shown.length > 3 && context.measureText(shown).width > left - 8) shown = `…${shown.slice(2)}`;
      context.fillText(shown, 0, y + rowHeight / 2);
      columns.forEach((_, column) => {
        const part = share(values[row]?.[column] ?? Number.NaN);
        if (part === null) return;
        context.fillStyle = sequentialColour(part);
        context.fillRect(left + column * cell, y, Math.ceil(cell), rowHeight - 1);
      });
    });
    context.fillStyle = quiet;
    context.textAlign = "center";
    const every = Math.max(1, Math.ceil(60 / Math.max(cell, 1)));
    columns.forEach((value, column) => {
      if (column % every === 0)
        context.fillText(
          number(value),
          Math.min(width - 16, left + (column + 0.5) * cell),
          height - bottom / 2,
        );
    });
  }, [width, height, rows, columns, values, isLog, ground]);

  const point = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / rowHeight);
    const column = Math.floor((event.clientX - box.left - left) / cell);
    setPointed(
      row >= 0 && row < rows.length && column >= 0 && column < columns.length ? [row, column] : null,
    );
  };
  const exportSvg = () => {
    const [w, l] = [720, 220];
    const size = (w - l) / Math.max(1, columns.length);
    const cells = rows.flatMap((name, row) => [
      `<text x="0" y="${row * rowHeight + 13 + 30}">${escapeXml(name)}</text>`,
      ...columns.flatMap((_, column) => {
        const part = share(values[row]?.[column] ?? Number.NaN);
        return part === null
          ? []
          : [
              `<rect x="${(l + column * size).toFixed(2)}" y="${row * rowHeight + 30}" width="${(size + 0.3).toFixed(2)}" height="${rowHeight - 1}" fill="${sequentialColour(part)}"/>`,
            ];
      }),
    ]);
    const every = Math.max(1, Math.ceil(60 / size));
    const labels = columns.flatMap((value, column) =>
      column % every === 0
        ? [
            `<text x="${(l + (column + 0.5) * size).toFixed(1)}" y="${height + 22}" text-anchor="middle">${number(value)}</text>`,
          ]
        : [],
    );
    save(
      `${title}.svg`,
      "image/svg+xml",
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${height + 30}" font-family="system-ui, sans-serif" font-size="12" fill="${groundColours.light.text}"><rect width="${w}" height="${height + 30}" fill="#fff"/><text x="0" y="18" font-size="15" font-weight="600">${escapeXml(title)}</text>\n${cells.join("\n")}\n${labels.join("\n")}</svg>\n`,
    );
  };
  const exportCsv = () =>
    save(
      `${title}.csv`,
      "text/csv",
      csv([
        [rowLabel, columnLabel, title],
        ...rows.flatMap((name, row) =>
          columns.map((column, i) => {
            const value = values[row]?.[i] ?? Number.NaN;
            return [name, column, Number.isNaN(value) ? null : value];
          }),
        ),
      ]),
    );
  const [low, high] = ends ?? [Number.NaN, Number.NaN];
  const summary = `${title}: ${rows.length} × ${columns.length}, ${t.from} ${number(low)} ${t.to} ${number(high)}`;
  return (
    <PlotFrame
      title={title}
      isWide
      exportSvg={exportSvg}
      exportCsv={exportCsv}
      tools={
        <label>
          <input type="checkbox" checked={isLog} onChange={() => setLog(!isLog)} /> {t.log}
        </label>
      }
    >
      <div ref={holder} class="plot-canvas">
        <canvas
          ref={canvas}
          role="img"
          aria-label={summary}
          style={{ width: `${width}px`, height: `${height}px` }}
          onMouseMove={point}
          onMouseLeave={() => setPointed(null)}
        />
      </div>
      <div class="plot-axis quiet">
        <span>{columnLabel}</span>
        <span>
          {pointed === null
            ? `${number(low)} – ${number(high)}`
            : `${rows[pointed[0]]} · ${number(columns[pointed[1]])}: ${number(values[pointed[0]]?.[pointed[1]])}`}
        </span>
      </div>
      <div class="ramp" aria-hidden="true">
        {Array.from({ length: 32 }, (_, i) => (
          <span key={i} style={{ background: sequentialColour(i / 31) }} />
        ))}
      </div>
    </PlotFrame>
  );
}

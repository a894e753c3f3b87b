import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { groundColours, seriesStyle } from "../../src/palette.ts";
import { csv, number, save } from "../core/format.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { alignCurves, type Curve, placeOf } from "./decimate.ts";
import { PlotFrame } from "./plotFrame.tsx";
import { plotSvg } from "./plotSvg.ts";
import { ticks } from "./ticks.ts";
import { useWidth } from "./useWidth.ts";

export interface PlotSeries extends Curve {
  readonly name: string;
  /** Place in the palette. */
  readonly style: number;
  /** A thin pale line behind, without a name of its own: the raw values of a smoothed curve. */
  readonly isFaint?: boolean;
  /** Points without a line between. */
  readonly isPoints?: boolean;
  /** Drawn from `low` to `high` around the line. */
  readonly band?: { readonly low: readonly number[]; readonly high: readonly number[] };
}

export interface LinePlotProps {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PlotSeries[];
  readonly isLogX?: boolean;
  readonly isLogY?: boolean;
  /** Plots of the same key share their cursor. */
  readonly cursor?: string;
  readonly height?: number;
}

const words = texts({
  en: {
    logX: "log x",
    logY: "log y",
    whole: "Whole",
    zoomHint:
      "Drag to zoom, or turn the wheel with Ctrl; with the keyboard + and − zoom, arrows move, 0 shows all",
    empty: "Nothing was recorded yet.",
    at: (x: string) => `at ${x}`,
  },
  zh: {
    logX: "对数 x",
    logY: "对数 y",
    whole: "全部",
    zoomHint: "拖动可放大，或按住 Ctrl 滚动；键盘：+ 与 − 缩放，方向键移动，0 显示全部",
    empty: "尚无记录。",
    at: (x: string) => `位于 ${x}`,
  },
});

type Range = readonly [number, number];

function extent(series: readonly PlotSeries[], isLogX: boolean): Range | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { x } of series) {
    if (x.length === 0) continue;
    const first = isLogX ? x.find((value) => value > 0) : x[0];
    if (first !== undefined) low = Math.min(low, first);
    high = Math.max(high, x.at(-1)!);
  }
  if (!(high >= low)) return null;
  if (high > low) return [low, high];
  return isLogX ? [low / 2, low * 2] : [low - 1, low + 1];
}

/** The range of what is drawn, with a little room. A few raw values far off don't hide the rest: most of them count. */
function yExtent(rows: readonly (readonly (number | null)[])[], isLogY: boolean): Range {
  const values = rows.flatMap((row) =>
    row.filter((value): value is number => value !== null && (!isLogY || value > 0)),
  );
  if (values.length === 0) return isLogY ? [0.1, 1] : [0, 1];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (isLogY) {
    const room = Math.max(1.02, (high / low) ** 0.05);
    return [low / room, high * room];
  }
  const room = high > low ? 0.05 * (high - low) : Math.max(Math.abs(high) * 0.05, 1e-9);
  return [low - room, high + room];
}

/** Curves over one axis. They are drawn from as many points as the picture has columns, so that zooming is smooth however many there are. */
export function LinePlot(props: LinePlotProps) {
  const { title, xLabel, yLabel, series, cursor, height = 260 } = props;
  const t = useText(words);
  const { ground } = useSettings();
  const [isLogX, setLogX] = useState(props.isLogX ?? false);
  const [isLogY, setLogY] = useState(props.isLogY ?? false);
  const [zoom, setZoom] = useState<Range | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  const width = useWidth(holder);
  const plot = useRef<UPlot | null>(null);
  const shown = useMemo(() => series.filter(({ name }) => !hidden.has(name)), [series, hidden]);
  const whole = useMemo(() => extent(series, isLogX), [series, isLogX]);
  const range = zoom ?? whole;

  const drawn = useMemo(() => {
    if (range === null) return null;
    // A band is two more curves, which lie behind its line.
    const curves = shown.flatMap((one) => [
      one,
      ...(one.band === undefined
        ? []
        : [
            { x: one.x, y: one.band.high },
            { x: one.x, y: one.band.low },
          ]),
    ]);
    const aligned = alignCurves(curves, range, Math.max(50, width), isLogX);
    return { aligned, y: yExtent(aligned.y, isLogY) };
  }, [shown, range?.[0], range?.[1], width, isLogX, isLogY]);

  // What the plot is made of; its data come without making it anew.
  const layout = JSON.stringify([
    ground,
    isLogX,
    isLogY,
    cursor,
    height,
    shown.map(({ name, style, isFaint, isPoints, band }) => [
      name,
      style,
      isFaint,
      isPoints,
      band !== undefined,
    ]),
  ]);
  const ranges = useRef<{ x: Range; y: Range }>({ x: [0, 1], y: [0, 1] });
  if (range !== null && drawn !== null) ranges.current = { x: range, y: drawn.y };

  useEffect(() => {
    const element = holder.current!;
    if (width === 0 || drawn === null) return;
    const colours = groundColours[ground];
    const lines: UPlot.Series[] = [];
    const bands: UPlot.Band[] = [];
    for (const { style, isFaint = false, isPoints = false, band, name } of shown) {
      const look = seriesStyle(style, ground);
      lines.push({
        label: name,
        stroke: isFaint ? `${look.colour}55` : look.colour,
        width: isPoints ? 0 : isFaint ? 1 : 1.75,
        ...(look.dash.length > 0 && { dash: [...look.dash] }),
        spanGaps: true,
        points: isPoints
          ? { show: true, size: 6, fill: look.colour }
          : { show: (_: UPlot, __: number, from: number, to: number) => to - from < 2 },
      });
      if (band === undefined) continue;
      const edge = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
      bands.push({ series: [lines.length + 1, lines.length + 2], fill: `${look.colour}33` });
      lines.push(edge, edge);
    }
    const axis = (isLog: boolean, size: number): UPlot.Axis => ({
      stroke: colours.quiet,
      grid: { stroke: colours.line, width: 1 },
      ticks: { stroke: colours.line, width: 1 },
      font: "12px system-ui, sans-serif",
      size,
      splits: (_, index, low, high) =>
        ticks([low, high], isLog, index === 0 ? Math.max(2, Math.floor(width / 110)) : 5),
      values: (_, values) => values.map((value) => number(value)),
    });
    const made = new UPlot(
      {
        width,
        height,
        legend: { show: false },
        scales: {
          x: { time: false, distr: isLogX ? 3 : 1, range: () => [...ranges.current.x] },
          y: { distr: isLogY ? 3 : 1, range: () => [...ranges.current.y] },
        },
        series: [{}, ...lines],
        bands,
        axes: [axis(isLogX, 34), axis(isLogY, 62)],
        cursor: {
          drag: { x: true, y: false, setScale: false },
          points: { show: false },
          ...(cursor === undefined ? {} : { sync: { key: cursor, setSeries: false } }),
        },
        hooks: {
          setSelect: [
            (own) => {
              const { left, width: selected } = own.select;
              if (selected < 5) return;
              setZoom([own.posToVal(left, "x"), own.posToVal(left + selected, "x")]);
              own.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          setCursor: [
            (own) => {
              const { left = -1 } = own.cursor;
              setAt(left < 0 ? null : own.posToVal(left, "x"));
            },
          ],
        },
      },
      [drawn.aligned.x, ...drawn.aligned.y] as UPlot.AlignedData,
      element,
    );
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [layout, width > 0, drawn === null]);

  useEffect(() => {
    if (drawn === null || width === 0) return;
    plot.current?.setSize({ width, height });
    plot.current?.setData([drawn.aligned.x, ...drawn.aligned.y] as UPlot.AlignedData);
  }, [drawn, width, height]);

  /** @param around - share of the width that stays where it is */
  const move = (factor: number, shift: number, around = 0.5) => {
    if (whole === null) return;
    setZoom((before) => {
      const scale = isLogX ? Math.log : (value: number) => value;
      const back = isLogX ? Math.exp : (value: number) => value;
      const [low, high] = (before ?? whole).map(scale) as [number, number];
      const from = low + (high - low) * (shift + around * (1 - factor));
      const next: Range = [
        Math.max(whole[0], back(from)),
        Math.min(whole[1], back(from + factor * (high - low))),
      ];
      if (!(next[1] > next[0])) return before;
      return next[0] <= whole[0] && next[1] >= whole[1] ? null : next;
    });
  };
  const onWheel = useRef<(event: WheelEvent) => void>(() => {});
  onWheel.current = (event) => {
    // Without a key the wheel scrolls the page; two fingers that spread come as a wheel with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const inner = plot.current?.over.getBoundingClientRect();
    if (inner === undefined) return;
    const around = Math.min(1, Math.max(0, (event.clientX - inner.left) / inner.width));
    move(Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY / 200))), 0, around);
  };
  useEffect(() => {
    const element = holder.current!;
    const listener = (event: WheelEvent) => onWheel.current(event);
    // Not passive: the browser would zoom the page.
    element.addEventListener("wheel", listener, { passive: false });
    return () => element.removeEventListener("wheel", listener);
  }, []);
  const onKey = (event: KeyboardEvent) => {
    const moves: Record<string, () => void> = {
      "+": () => move(0.5, 0),
      "=": () => move(0.5, 0),
      "-": () => move(2, 0),
      ArrowLeft: () => move(1, -0.25),
      ArrowRight: () => move(1, 0.25),
      "0": () => setZoom(null),
    };
    const action = event.ctrlKey || event.metaKey ? undefined : moves[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };

  const named = series.filter(({ isFaint }) => isFaint !== true);
  const valueAt = ({ x, y }: Curve) => {
    if (x.length === 0) return null;
    if (at === null) return y.findLast((value) => !Number.isNaN(value)) ?? null;
    const place = placeOf(x, at);
    const near = place > 0 && (place === x.length || at - x[place - 1]! < x[place]! - at) ? place - 1 : place;
    return y[near] ?? null;
  };
  const summary = named.map((one) => `${one.name} ${number(valueAt(one))}`).join(", ");

  const exportSvg = () => {
    if (range === null || drawn === null) return;
    save(
      `${title}.svg`,
      "image/svg+xml",
      plotSvg({ title, xLabel, yLabel, isLogX, isLogY, range, yRange: drawn.y, series: shown }),
    );
  };
  const exportCsv = () => {
    const rows = named.flatMap(({ name, x, y }) =>
      x.map((value, i) => [name, value, Number.isNaN(y[i]!) ? null : y[i]!] as const),
    );
    save(`${title}.csv`, "text/csv", csv([["series", xLabel, yLabel], ...rows]));
  };

  return (
    <PlotFrame
      title={title}
      exportSvg={exportSvg}
      exportCsv={exportCsv}
      tools={
        <>
          <label>
            <input type="checkbox" checked={isLogX} onChange={() => setLogX(!isLogX)} /> {t.logX}
          </label>
          <label>
            <input type="checkbox" checked={isLogY} onChange={() => setLogY(!isLogY)} /> {t.logY}
          </label>
          {zoom !== null && (
            <button type="button" onClick={() => setZoom(null)}>
              {t.whole}
            </button>
          )}
        </>
      }
    >
      {range === null && <p class="quiet">{t.empty}</p>}
      <div
        ref={holder}
        class="plot-canvas"
        role="img"
        aria-label={`${title}: ${summary}. ${t.zoomHint}`}
        title={t.zoomHint}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard zooms it
        tabIndex={0}
        onKeyDown={onKey}
        onDblClick={() => setZoom(null)}
        style={{ minHeight: range === null ? 0 : height }}
      />
      <div class="plot-axis quiet">
        <span>{xLabel}</span>
        <span>{at !== null && t.at(number(at, 6))}</span>
      </div>
      <ul class="legend">
        {named.map((one) => {
          const look = seriesStyle(one.style, ground);
          const isHidden = hidden.has(one.name);
          return (
            <li key={one.name}>
              <button
                type="button"
                aria-pressed={!isHidden}
                onClick={() => {
                  const next = new Set(hidden);
                  if (!next.delete(one.name)) next.add(one.name);
                  setHidden(next);
                }}
              >
                <svg width="24" height="10" aria-hidden="true">
                  <title>{one.name}</title>
                  <path
                    d="M0 5h24"
                    stroke={look.colour}
                    stroke-width="2.5"
                    stroke-dasharray={look.dash.join(" ")}
                    opacity={isHidden ? 0.25 : 1}
                  />
                </svg>
                <span class={isHidden ? "quiet" : ""}>{one.name}</span>
                <span class="value">{number(valueAt(one))}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </PlotFrame>
  );
}

import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { seriesStyle } from "../palette.ts";

echarts.use([
  BarChart,
  CustomChart,
  LineChart,
  ScatterChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  SVGRenderer,
]);

export interface PlotAxis {
  readonly label: string;
  /** Default `"linear"`. */
  readonly scale?: "linear" | "log";
}

export interface PlotSeries {
  readonly name: string;
  /** Default `"line"`. */
  readonly kind?: "line" | "points";
  /** Points in the order in which they are joined; `low` and `high` draw an interval. */
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly low?: number;
    readonly high?: number;
  }[];
  /** A thin dashed line, for references. Default false. */
  readonly dashed?: boolean;
}

/** A picture of a report. */
export interface Plot {
  readonly kind: "plot";
  /** Name of the file, without folder and extension. */
  readonly file: string;
  readonly title: string;
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly series: readonly PlotSeries[];
}

/** Short labels: `0.001`, `1e-5`, `4096`. */
function label(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential().replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

function axis({ label: name, scale = "linear" }: PlotAxis, vertical: boolean) {
  return {
    type: scale === "log" ? ("log" as const) : ("value" as const),
    name,
    nameLocation: "middle" as const,
    nameGap: vertical ? 55 : 30,
    scale: true,
    axisLabel: { formatter: label },
    axisLine: { show: true },
    splitLine: { lineStyle: { color: "#eeeeee" } },
  };
}

const [itemWidth, itemGap, rowHeight] = [20, 20, 26];

/** How many rows the names of a legend take, with the widths that are estimated without a browser, rather too wide than cut. */
function legendRows(names: readonly string[], width: number): number {
  let [rows, at] = [1, 0];
  for (const name of names) {
    const wide = itemWidth + 5 + 7.5 * name.length + itemGap;
    if (at > 0 && at + wide > width) {
      rows++;
      at = 0;
    }
    at += wide;
  }
  return rows;
}

/**
 * Draws a plot as SVG text, taller by the rows that its legend needs. Points that the axes can't show (not finite, or not positive on a logarithmic axis) are left out.
 */
export function renderPlot(plot: Plot, { width = 720, height = 440 } = {}): string {
  const shown = (value: number, { scale }: PlotAxis) =>
    Number.isFinite(value) && (scale !== "log" || value > 0);
  const series = plot.series.flatMap(({ name, kind = "line", points, dashed = false }, i) => {
    const { colour: color, dash, mark } = seriesStyle(i);
    const visible = points.filter(({ x, y }) => shown(x, plot.x) && shown(y, plot.y));
    const data = visible.map(({ x, y }) => [x, y]);
    const main =
      kind === "line"
        ? {
            type: "line" as const,
            name,
            data,
            showSymbol: !dashed && points.length <= 30,
            symbol: mark,
            symbolSize: 5,
            lineStyle: {
              color,
              width: dashed ? 1 : 2,
              type: dashed ? ("dashed" as const) : dash.length > 0 ? [...dash] : ("solid" as const),
            },
            itemStyle: { color },
          }
        : { type: "scatter" as const, name, data, symbol: mark, symbolSize: 5, itemStyle: { color } };
    const intervals = visible.filter(({ low, high }) => low !== undefined && high !== undefined);
    if (intervals.length === 0) return [main];
    return [
      main,
      {
        type: "custom" as const,
        name,
        data: intervals.map(({ x, low, high }) => [x, low!, high!]),
        // So that the axis reaches as far as the intervals.
        encode: { x: 0, y: [1, 2] },
        renderItem: (
          _params: unknown,
          api: { value(dimension: number): unknown; coord(point: number[]): number[] },
        ) => {
          const [x, low, high] = [0, 1, 2].map((dimension) => Number(api.value(dimension))) as [
            number,
            number,
            number,
          ];
          const [[px, bottom], [, top]] = [api.coord([x, low]), api.coord([x, high])] as [
            [number, number],
            [number, number],
          ];
          const line = (x1: number, y1: number, x2: number, y2: number) => ({
            type: "line" as const,
            shape: { x1, y1, x2, y2 },
            style: { stroke: color, lineWidth: 1.5 },
          });
          return {
            type: "group" as const,
            children: [
              line(px, bottom, px, top),
              line(px - 4, bottom, px + 4, bottom),
              line(px - 4, top, px + 4, top),
            ],
          };
        },
        z: 5,
      },
    ];
  });
  const names = [...new Set(plot.series.map(({ name }) => name))];
  const rows = legendRows(names, width - 20);
  const top = 36 + rowHeight * rows;
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width,
    height: height + rowHeight * (rows - 1),
  });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      title: { text: plot.title, left: "center", top: 4, textStyle: { fontSize: 15 } },
      // Without a browser the width of text is only estimated: the gap keeps names off the next symbol.
      legend: {
        top: 36,
        left: 10,
        right: 10,
        data: names,
        itemWidth,
        itemGap,
      },
      grid: { left: 80, right: 30, top: top + 14, bottom: 55 },
      xAxis: axis(plot.x, false),
      yAxis: axis(plot.y, true),
      series,
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

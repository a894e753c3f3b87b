import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

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

/** Okabe and Ito's colours, which colour-blind readers can tell apart. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

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

/**
 * Draws a plot as SVG text. Points that the axes can't show (not finite, or not positive on a logarithmic axis) are left out.
 */
export function renderPlot(plot: Plot, { width = 720, height = 440 } = {}): string {
  const shown = (value: number, { scale }: PlotAxis) =>
    Number.isFinite(value) && (scale !== "log" || value > 0);
  const series = plot.series.flatMap(({ name, kind = "line", points, dashed = false }, i) => {
    const color = colours[i % colours.length]!;
    const visible = points.filter(({ x, y }) => shown(x, plot.x) && shown(y, plot.y));
    const data = visible.map(({ x, y }) => [x, y]);
    const main =
      kind === "line"
        ? {
            type: "line" as const,
            name,
            data,
            showSymbol: !dashed && points.length <= 30,
            symbolSize: 5,
            lineStyle: {
              color,
              width: dashed ? 1 : 2,
              type: dashed ? ("dashed" as const) : ("solid" as const),
            },
            itemStyle: { color },
          }
        : { type: "scatter" as const, name, data, symbolSize: 5, itemStyle: { color } };
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
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      title: { text: plot.title, left: "center", top: 4, textStyle: { fontSize: 15 } },
      // Without a browser the width of text is only estimated: the gap keeps names off the next symbol.
      legend: {
        top: 36,
        data: [...new Set(plot.series.map(({ name }) => name))],
        itemWidth: 20,
        itemGap: 20,
      },
      grid: { left: 80, right: 30, top: 76, bottom: 55 },
      xAxis: axis(plot.x, false),
      yAxis: axis(plot.y, true),
      series,
    } as never);
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

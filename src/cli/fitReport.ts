import path from "node:path";
import type { Plot } from "../experiments/index.ts";
import type { SweepFit, SweepTable } from "../scaling/index.ts";
import { reportPage } from "./reportPage.ts";

/** Batch sizes from a quarter of the smallest to sixteen times the largest swept or asked for, evenly spaced in logarithm. */
function batchGrid(fit: SweepFit, count: number): number[] {
  const sizes = [...fit.optima, ...fit.predictions].map(({ batchSize }) => batchSize);
  const swept = fit.optima.map(({ batchSize }) => batchSize);
  const low = Math.log(Math.min(...sizes) / 4);
  const high = Math.log(Math.max(16 * Math.max(...swept), 2 * Math.max(...sizes)));
  return Array.from({ length: count }, (_, i) => Math.exp(low + ((high - low) * i) / (count - 1)));
}

/** Optima at the ε that the answer is for; those without an interval aren't drawn. */
const drawnOptima = (fit: SweepFit) =>
  fit.optima.filter(
    ({ epsilon, kind }) => epsilon === fit.epsilon && (kind === "interior" || kind === "bracketed"),
  );

/** Best learning rate against batch size: optima with intervals, the prediction with its interval, the laws. */
export function lawPlot(fit: SweepFit): Plot {
  const grid = batchGrid(fit, 60);
  const predictions = fit.predict(1) === null ? [] : grid.map((batchSize) => fit.predict(batchSize)!);
  const optima = drawnOptima(fit).map(({ batchSize, value, low, high }) => ({
    x: batchSize,
    y: value,
    low,
    high,
  }));
  const line = (name: string, key: "value" | "low" | "high", dashed: boolean) => ({
    name,
    dashed,
    points: predictions.map((prediction) => ({ x: prediction.batchSize, y: prediction[key] })),
  });
  return {
    kind: "plot",
    file: "learning-rate",
    title: "Best learning rate",
    x: { label: "batch size", scale: "log" },
    y: { label: "learning rate", scale: "log" },
    series: [
      { name: "sweep", kind: "points", points: optima },
      ...(predictions.length === 0
        ? []
        : [
            line("prediction", "value", false),
            line("lower end", "low", true),
            line("upper end", "high", true),
            ...fit.laws
              .filter(({ weight }) => weight >= 0.05)
              .map((law) => ({
                name: `law: ${law.name}`,
                dashed: true,
                points: grid.map((batchSize) => ({ x: batchSize, y: law.predict(batchSize) })),
              })),
          ]),
    ],
  };
}

/** Everything the page draws, as plain numbers. */
function pageData(fit: SweepFit, source: SweepTable) {
  const grid = batchGrid(fit, 240);
  const predictions = fit.predict(1) === null ? [] : grid.map((batchSize) => fit.predict(batchSize)!);
  const most = 5000; // points that a page can draw without trouble
  const stride = Math.max(1, Math.ceil(source.rows.length / most));
  const runs = source.rows.filter((_, i) => i % stride === 0);
  return {
    confidence: fit.confidence,
    optima: drawnOptima(fit).map(({ batchSize, value, low, high }) => [batchSize, value, low, high]),
    prediction: predictions.map(({ batchSize, value, low, high }) => [batchSize, value, low, high]),
    laws: fit.laws
      .filter(({ weight }) => weight >= 0.01)
      .map((law) => ({
        name: law.name,
        points: grid.map((batchSize) => [batchSize, law.predict(batchSize)]),
      })),
    curves: fit.optima.map((optimum) => {
      const members = runs.filter(
        (row) => row.batchSize === optimum.batchSize && (row.epsilon ?? 0) === optimum.epsilon,
      );
      const [low, high] = optimum.tried;
      return {
        name: `batch size ${optimum.batchSize}${optimum.epsilon === 0 ? "" : `, epsilon ${optimum.epsilon}`}`,
        runs: members.filter(({ loss }) => Number.isFinite(loss)).map((row) => [row.learningRate, row.loss]),
        fitted: Array.from({ length: 60 }, (_, i) => {
          const rate = low * (high / low) ** (i / 59);
          return [rate, optimum.curve(rate)];
        }).filter(([, loss]) => loss !== null),
      };
    }),
  };
}

/** The page's program. It draws with the inlined ECharts and looks learning rates up between the points of the prediction. */
const script = `
const data = JSON.parse(document.getElementById("data").textContent);
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
const short = (x) => Number(x.toPrecision(3)).toString();
const axis = (name, type) => ({ type, name, nameLocation: "middle", nameGap: 34, scale: true, axisLabel: { formatter: short } });
const base = { animation: false, legend: { type: "scroll", top: 0 }, grid: { left: 80, right: 30, top: 50, bottom: 60 },
  toolbox: { feature: { dataZoom: {}, restore: {}, saveAsImage: {} } } };
const interval = (params, api) => {
  const [x, low, high] = [api.value(0), api.value(2), api.value(3)];
  const [bottom, top] = [api.coord([x, low]), api.coord([x, high])];
  return { type: "line", shape: { x1: bottom[0], y1: bottom[1], x2: top[0], y2: top[1] }, style: { stroke: colours[0], lineWidth: 2 } };
};
const rates = echarts.init(document.getElementById("rates"));
rates.setOption({ ...base, xAxis: axis("batch size", "log"), yAxis: { ...axis("learning rate", "log"), nameGap: 60 }, tooltip: { trigger: "item", formatter: (p) => p.seriesName + "<br>batch size " + short(p.value[0]) + "<br>learning rate " + short(p.value[1]) },
  series: [
    { name: "sweep", type: "scatter", data: data.optima, symbolSize: 9, itemStyle: { color: colours[0] }, z: 5 },
    { name: "sweep", type: "custom", renderItem: interval, data: data.optima, tooltip: { show: false } },
    { name: "prediction", type: "line", showSymbol: false, data: data.prediction.map((p) => [p[0], p[1]]), itemStyle: { color: colours[1] }, lineStyle: { width: 3 } },
    { name: "interval", type: "line", showSymbol: false, data: data.prediction.map((p) => [p[0], p[2]]), itemStyle: { color: colours[1] }, lineStyle: { type: "dashed" } },
    { name: "interval", type: "line", showSymbol: false, data: data.prediction.map((p) => [p[0], p[3]]), itemStyle: { color: colours[1] }, lineStyle: { type: "dashed" } },
    ...data.laws.map((law, i) => ({ name: law.name, type: "line", showSymbol: false, data: law.points, itemStyle: { color: colours[(i + 2) % colours.length] }, lineStyle: { width: 1 } })),
  ] });
const losses = echarts.init(document.getElementById("losses"));
losses.setOption({ ...base, xAxis: axis("learning rate", "log"), yAxis: { ...axis("loss", "value"), nameGap: 60 }, tooltip: { trigger: "item", formatter: (p) => p.seriesName + "<br>learning rate " + short(p.value[0]) + "<br>loss " + short(p.value[1]) },
  series: data.curves.flatMap((curve, i) => [
    { name: curve.name, type: "scatter", data: curve.runs, symbolSize: 6, itemStyle: { color: colours[i % colours.length] } },
    { name: curve.name, type: "line", showSymbol: false, data: curve.fitted, itemStyle: { color: colours[i % colours.length] }, tooltip: { show: false } },
  ]) });
addEventListener("resize", () => { rates.resize(); losses.resize(); });
const input = document.getElementById("batch");
const output = document.getElementById("answer");
const look = () => {
  const size = Number(input.value);
  const points = data.prediction;
  const at = points.findIndex((p) => p[0] >= size);
  if (!(size > 0) || at < 1) { output.textContent = points.length === 0 ? "no prediction" : "outside of the plot"; return; }
  const [a, b] = [points[at - 1], points[at]];
  const t = Math.log(size / a[0]) / Math.log(b[0] / a[0]);
  const [value, low, high] = [1, 2, 3].map((k) => short(Math.exp((1 - t) * Math.log(a[k]) + t * Math.log(b[k]))));
  output.textContent = "learning rate " + value + ", " + Math.round(100 * data.confidence) + " % interval " + low + " to " + high;
};
input.addEventListener("input", look);
look();
`;

/**
 * A page that needs nothing else: it holds its data and the plots' library, and loads nothing.
 *
 * @param file - the sweep, whose name is the title
 * @param text - the answer, as the command prints it
 */
export function sweepReport(fit: SweepFit, source: SweepTable, file: string, text: string): string {
  const first = fit.predictions.at(-1)?.batchSize ?? fit.optima[0]!.batchSize;
  return reportPage({
    title: `Learning rates of ${path.basename(file)}`,
    body: `<p><label>Batch size <input id="batch" type="number" min="0" value="${first}"></label>: <strong><output id="answer" for="batch"></output></strong></p>
<h2>Best learning rate against batch size</h2>
<div id="rates" class="plot"></div>
<h2>Loss against learning rate</h2>
<div id="losses" class="plot"></div>`,
    text,
    data: pageData(fit, source),
    script,
  });
}

import type { Plot } from "../experiments/index.ts";
import { hasLearningRate, measuredCurve, type RunMeasurement } from "../measure/index.ts";
import { seriesColours } from "../palette.ts";
import type { Basis, Estimate } from "../scaling/index.ts";
import { reportPage } from "./reportPage.ts";

/** Best learning rate against batch size: what was measured with intervals, the curve through it, the approximation. */
export function measurePlot({ checkpoints, run }: RunMeasurement): Plot {
  const series = checkpoints.flatMap((measured) => {
    const name = checkpoints.length === 1 ? "" : `step ${measured.step}: `;
    const points = measured.optima.filter((own) => own.basis === "measured" && hasLearningRate(own));
    const approximation = measured.optima.filter((own) => own.approximation !== null);
    return [
      {
        name: `${name}measured`,
        kind: "points" as const,
        points: points.map(({ batchSize, learningRate }) => ({
          x: batchSize,
          y: learningRate.value,
          ...(learningRate.low > 0 && Number.isFinite(learningRate.high)
            ? { low: learningRate.low, high: learningRate.high }
            : {}),
        })),
      },
      {
        name: `${name}η*`,
        points: measuredCurve(measured, 41).map(({ batchSize, learningRate }) => ({
          x: batchSize,
          y: learningRate.value,
        })),
      },
      ...(checkpoints.length > 1 || approximation.length === 0
        ? []
        : [
            {
              name: "approximation",
              dashed: true,
              points: approximation.map(({ batchSize, approximation: rate }) => ({ x: batchSize, y: rate! })),
            },
          ]),
    ];
  });
  return {
    kind: "plot",
    file: "learning-rate",
    title: `Best learning rate of ${run.name} by its checkpoints`,
    x: { label: "batch size (sequences)", scale: "log" },
    y: { label: "learning rate", scale: "log" },
    series,
  };
}

/** Everything the page draws, as plain numbers. */
function pageData({ checkpoints }: RunMeasurement) {
  const ends = ({ learningRate: { low, high } }: { readonly learningRate: Estimate }) => [
    Math.max(low, 0),
    Number.isFinite(high) ? high : null,
  ];
  return checkpoints.map((measured) => ({
    step: measured.step,
    confidence: measured.confidence,
    points: measured.optima
      .filter((own) => (own.basis as Basis) === "measured" && hasLearningRate(own))
      .map((own) => [own.batchSize, own.learningRate.value, ...ends(own)]),
    curve: measuredCurve(measured, 81).map((own) => [
      own.batchSize,
      own.learningRate.value,
      ...ends(own),
      own.lossDecrease.value,
      own.basis,
    ]),
    approximation: measured.optima
      .filter(({ approximation }) => approximation !== null)
      .map(({ batchSize, approximation }) => [batchSize, approximation]),
  }));
}

/** The page's program: two plots, and η* looked up between the points of the curve. */
const script = `
const data = JSON.parse(document.getElementById("data").textContent);
const colours = ${JSON.stringify(seriesColours.light)};
const short = (x) => Number(x.toPrecision(3)).toString();
const axis = (name) => ({ type: "log", name, nameLocation: "middle", nameGap: 40, scale: true, axisLabel: { formatter: short } });
const base = (y) => ({ animation: false, legend: { type: "scroll", top: 0 }, grid: { left: 90, right: 30, top: 50, bottom: 60 },
  toolbox: { feature: { dataZoom: {}, restore: {}, saveAsImage: {} } }, xAxis: axis("batch size (sequences)"), yAxis: { ...axis(y), nameGap: 65 },
  tooltip: { trigger: "item", formatter: (p) => p.seriesName + "<br>batch size " + short(p.value[0]) + "<br>" + y + " " + short(p.value[1]) } });
const interval = (colour) => (params, api) => {
  const [x, low, high] = [api.value(0), api.value(2), api.value(3)];
  if (!(low > 0) || !(high > 0)) return;
  const [bottom, top] = [api.coord([x, low]), api.coord([x, high])];
  return { type: "line", shape: { x1: bottom[0], y1: bottom[1], x2: top[0], y2: top[1] }, style: { stroke: colour, lineWidth: 2 } };
};
const rates = echarts.init(document.getElementById("rates"));
rates.setOption({ ...base("learning rate"), series: data.flatMap((own, i) => {
  const colour = colours[i % colours.length];
  const name = "step " + own.step;
  return [
    { name, type: "line", showSymbol: false, data: own.curve.map((p) => [p[0], p[1]]), itemStyle: { color: colour } },
    { name, type: "scatter", data: own.points, symbolSize: 8, itemStyle: { color: colour }, z: 5 },
    { name, type: "custom", renderItem: interval(colour), data: own.points, tooltip: { show: false } },
    ...(data.length > 1 ? [] : [
      { name: "interval", type: "line", showSymbol: false, data: own.curve.filter((p) => p[2] > 0).map((p) => [p[0], p[2]]), itemStyle: { color: colour }, lineStyle: { type: "dashed", width: 1 } },
      { name: "interval", type: "line", showSymbol: false, data: own.curve.filter((p) => p[3] > 0).map((p) => [p[0], p[3]]), itemStyle: { color: colour }, lineStyle: { type: "dashed", width: 1 } },
      { name: "approximation", type: "line", showSymbol: false, data: own.approximation, itemStyle: { color: colours[1] }, lineStyle: { type: "dotted" } },
    ]),
  ];
}) });
const gains = echarts.init(document.getElementById("gains"));
gains.setOption({ ...base("decrease of the loss"), series: data.map((own, i) => (
  { name: "step " + own.step, type: "line", showSymbol: false, data: own.curve.map((p) => [p[0], p[4]]), itemStyle: { color: colours[i % colours.length] } })) });
addEventListener("resize", () => { rates.resize(); gains.resize(); });
const input = document.getElementById("batch");
const output = document.getElementById("answer");
const look = () => {
  const size = Number(input.value);
  output.textContent = data.map((own) => {
    const at = own.curve.findIndex((p) => p[0] >= size);
    if (!(size > 0) || at < 1) return "step " + own.step + ": outside of the plot";
    const [a, b] = [own.curve[at - 1], own.curve[at]];
    const t = Math.log(size / a[0]) / Math.log(b[0] / a[0]);
    const [value, low, high] = [1, 2, 3].map((k) => a[k] > 0 && b[k] > 0 ? short(Math.exp((1 - t) * Math.log(a[k]) + t * Math.log(b[k]))) : "?");
    return "step " + own.step + ": learning rate " + value + ", " + Math.round(100 * own.confidence) + " % interval " + low + " to " + high + ", " + b[5];
  }).join("; ");
};
input.addEventListener("input", look);
look();
`;

/** A page that needs nothing else. */
export function measureReport(measured: RunMeasurement, text: string): string {
  return reportPage({
    title: `Learning rates of ${measured.run.name} by its checkpoints`,
    body: `<p><label>Batch size <input id="batch" type="number" min="0" value="${measured.batchSize}"></label>: <strong><output id="answer" for="batch"></output></strong></p>
<h2>Best learning rate against batch size</h2>
<div id="rates" class="plot"></div>
<h2>Decrease of the loss in a step with it</h2>
<div id="gains" class="plot"></div>`,
    text,
    data: pageData(measured),
    script,
  });
}

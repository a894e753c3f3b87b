import path from "node:path";
import type { Plot } from "../experiments/index.ts";
import { seriesColours } from "../palette.ts";
import type { GroupsFit, SweepFit, SweepRow, SweepTable } from "../scaling/index.ts";
import { keyText } from "./fitText.ts";
import { escapeHtml, reportPage } from "./reportPage.ts";

/** Batch sizes from a quarter of the smallest to sixteen times the largest swept or asked for, evenly spaced in logarithm. */
function batchGrid(fit: SweepFit, count: number): number[] {
  const sizes = [...fit.optima, ...fit.predictions].map(({ batchSize }) => batchSize);
  const swept = fit.optima.map(({ batchSize }) => batchSize);
  const low = Math.log(Math.min(...sizes) / 4);
  const high = Math.log(Math.max(16 * Math.max(...swept), 2 * Math.max(...sizes)));
  return Array.from({ length: count }, (_, i) => Math.exp(low + ((high - low) * i) / (count - 1)));
}

/** Optima at the ε that the answer is for, inside the tried learning rates; and those at an edge. */
const drawnOptima = (fit: SweepFit) =>
  fit.optima.filter(
    ({ epsilon, kind }) => epsilon === fit.epsilon && (kind === "interior" || kind === "bracketed"),
  );
const drawnBounds = (fit: SweepFit) =>
  fit.optima.filter(({ epsilon, kind }) => epsilon === fit.epsilon && (kind === "above" || kind === "below"));

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

/**
 * Losses above this are drawn at the edge: a few that blew up, or a common ceiling of those past the wall, would hide the minimum.
 *
 * @param usual - losses of runs below the wall of their batch size
 */
function clipLevel(losses: readonly number[], usual: readonly number[]): number | null {
  const sorted = usual.toSorted((a, b) => a - b);
  const [least, largest] = [sorted[0], sorted.at(-1)];
  if (least === undefined || largest === undefined || largest === least) return null;
  const quarter = sorted[Math.floor(0.75 * (sorted.length - 1))]!;
  const clip = Math.min(quarter + 1.5 * (quarter - least), largest + 0.25 * (largest - least));
  return clip > least && losses.some((loss) => loss > clip) ? clip : null;
}

/** Everything that the pictures of one sweep show, as plain numbers. */
function pageData(fit: SweepFit, rows: readonly SweepRow[]) {
  const grid = batchGrid(fit, 120);
  const predictions = fit.predict(1) === null ? [] : grid.map((batchSize) => fit.predict(batchSize)!);
  const most = 5000; // points that a page can draw without trouble
  const stride = Math.max(1, Math.ceil(rows.length / most));
  const runs = rows.filter((_, i) => i % stride === 0);
  const walls = new Map(fit.optima.map(({ batchSize, epsilon, wall }) => [`${batchSize} ${epsilon}`, wall]));
  const isPast = ({ batchSize, epsilon = 0, learningRate }: SweepRow) =>
    learningRate >= (walls.get(`${batchSize} ${epsilon}`) ?? Number.POSITIVE_INFINITY) * (1 - 1e-9);
  const finite = runs.filter(({ loss }) => Number.isFinite(loss));
  const clip = clipLevel(
    finite.map(({ loss }) => loss),
    finite.filter((row) => !isPast(row)).map(({ loss }) => loss),
  );
  const blown = ({ loss }: SweepRow) => !Number.isFinite(loss) || (clip !== null && loss > clip);
  return {
    confidence: fit.confidence,
    clip,
    optima: drawnOptima(fit).map(({ batchSize, value, low, high }) => [batchSize, value, low, high]),
    bounds: drawnBounds(fit).map(({ batchSize, kind, tried }) => [
      batchSize,
      kind === "above" ? tried[1] : tried[0],
      kind === "above" ? 1 : -1,
    ]),
    prediction: predictions.map(({ batchSize, value, low, high }) => [batchSize, value, low, high]),
    laws: fit.laws
      .filter(({ weight }) => weight >= 0.05)
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
        name: `${optimum.batchSize}${optimum.epsilon === 0 ? "" : `, epsilon ${optimum.epsilon}`}`,
        runs: members.filter((row) => !blown(row)).map((row) => [row.learningRate, row.loss]),
        blown: members.filter(blown).map((row) => row.learningRate),
        fitted: Array.from({ length: 60 }, (_, i) => {
          const rate = low * (high / low) ** (i / 59);
          return [rate, optimum.curve(rate)];
        }).filter(([, loss]) => loss !== null && (clip === null || loss! <= clip)),
      };
    }),
  };
}

/** The page's program. It draws with the inlined ECharts and looks learning rates up between the points of the prediction. */
const script = `
const data = JSON.parse(document.getElementById("data").textContent);
const colours = ${JSON.stringify(seriesColours.light)};
const short = (x) => Number(x.toPrecision(3)).toString();
const axis = (name, type) => ({ type, name, nameLocation: "middle", nameGap: 30, scale: true, axisLabel: { formatter: short, hideOverlap: true } });
// The name of the upright axis stands above it, beside the tools: there it fits on a phone.
const upright = (name, type) => ({ ...axis(name, type), nameLocation: "end", nameGap: 10, nameTextStyle: { align: "left" } });
const base = { animation: false, legend: { type: "scroll", top: 0, left: 0, right: 0 }, grid: { left: 4, right: 24, top: 62, bottom: 30, containLabel: true },
  toolbox: { top: 26, right: 0, itemSize: 13, feature: { dataZoom: {}, restore: {}, saveAsImage: {} } } };
const charts = [];
const chart = (element) => { const one = echarts.init(element); charts.push(one); return one; };
const interval = (params, api) => {
  const [x, low, high] = [api.value(0), api.value(2), api.value(3)];
  const [bottom, top] = [api.coord([x, low]), api.coord([x, high])];
  return { type: "line", shape: { x1: bottom[0], y1: bottom[1], x2: top[0], y2: top[1] }, style: { stroke: colours[0], lineWidth: 2 } };
};
const drawRates = (element, d) => chart(element).setOption({ ...base, xAxis: axis("batch size", "log"), yAxis: upright("learning rate", "log"), tooltip: { trigger: "item", confine: true, formatter: (p) => p.seriesName + "<br>batch size " + short(p.value[0]) + "<br>learning rate " + short(p.value[1]) },
  series: [
    { name: "sweep", type: "scatter", data: d.optima, symbolSize: 9, itemStyle: { color: colours[0] }, z: 5 },
    { name: "sweep", type: "custom", renderItem: interval, data: d.optima, tooltip: { show: false } },
    ...(d.bounds.length === 0 ? [] : [{ name: "at the edge of what was tried", type: "scatter", symbol: "triangle", data: d.bounds.map((b) => ({ value: b, symbolRotate: b[2] > 0 ? 0 : 180 })), symbolSize: 11, itemStyle: { color: colours[0], opacity: 0.6 }, z: 5 }]),
    { name: "prediction", type: "line", showSymbol: false, data: d.prediction.map((p) => [p[0], p[1]]), itemStyle: { color: colours[1] }, lineStyle: { width: 3 } },
    { name: "interval", type: "line", showSymbol: false, data: d.prediction.map((p) => [p[0], p[2]]), itemStyle: { color: colours[1] }, lineStyle: { type: "dashed" } },
    { name: "interval", type: "line", showSymbol: false, data: d.prediction.map((p) => [p[0], p[3]]), itemStyle: { color: colours[1] }, lineStyle: { type: "dashed" } },
    ...d.laws.map((law, i) => ({ name: law.name, type: "line", showSymbol: false, data: law.points, itemStyle: { color: colours[(i + 2) % colours.length] }, lineStyle: { width: 1 } })),
  ] });
const drawLosses = (element, d) => chart(element).setOption({ ...base, xAxis: axis("learning rate", "log"), yAxis: { ...upright(d.clip === null ? "loss" : "loss (triangles: higher or diverged)", "value"), ...(d.clip === null ? {} : { max: d.clip }) }, tooltip: { trigger: "item", confine: true, formatter: (p) => "batch size " + p.seriesName + "<br>learning rate " + short(p.value[0]) + "<br>loss " + (p.seriesType === "scatter" && p.data.blown ? "higher or diverged" : short(p.value[1])) },
  series: d.curves.flatMap((curve, i) => [
    { name: curve.name, type: "scatter", data: curve.runs.concat(d.clip === null ? [] : curve.blown.map((rate) => ({ value: [rate, d.clip], blown: true, symbol: "triangle", symbolSize: 9 }))), symbolSize: 6, clip: false, itemStyle: { color: colours[i % colours.length] } },
    { name: curve.name, type: "line", showSymbol: false, data: curve.fitted, itemStyle: { color: colours[i % colours.length] }, tooltip: { show: false } },
  ]) });
const drawObserved = (element, d) => {
  const all = d.observed.flatMap((group) => group.points).flat();
  const ends = [Math.min(...all), Math.max(...all)];
  chart(element).setOption({ ...base, xAxis: axis("learning rate, joint law", "log"), yAxis: upright("learning rate, measured", "log"), tooltip: { trigger: "item", confine: true, formatter: (p) => p.seriesName },
    series: [
      { name: "equal", type: "line", showSymbol: false, data: ends.map((x) => [x, x]), itemStyle: { color: "#999999" }, lineStyle: { width: 1 } },
      ...d.observed.map((group, i) => ({ name: group.name, type: "scatter", symbolSize: 7, data: group.points, itemStyle: { color: colours[i % colours.length] } })),
    ] });
};
for (const element of document.querySelectorAll(".plot")) {
  const d = element.dataset.group === undefined ? data : data.groups[Number(element.dataset.group)];
  ({ rates: drawRates, losses: drawLosses, observed: drawObserved })[element.dataset.draw](element, d);
}
addEventListener("resize", () => charts.forEach((one) => one.resize()));
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
if (input !== null) { input.addEventListener("input", look); look(); }
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
<div class="plot" data-draw="rates"></div>
<h2>Loss against learning rate, by batch size</h2>
<div class="plot" data-draw="losses"></div>`,
    text,
    data: pageData(fit, source.rows),
    script,
  });
}

/** The page of a study with groups: what was measured against the joint law, and the pictures of each group. */
export function groupsReport(fit: GroupsFit, file: string, text: string): string {
  const observed = fit.groups.map(({ key, fit: own }) => ({
    name: keyText(key),
    points: drawnOptima(own).flatMap(({ batchSize, value }) => {
      const prediction = fit.predict({ key, batchSize });
      return prediction === null ? [] : [[prediction.value, value]];
    }),
  }));
  const sections = fit.groups.map(
    ({ key }, i) => `<h2>${escapeHtml(keyText(key))}</h2>
<div class="plot" data-draw="rates" data-group="${i}"></div>
<div class="plot" data-draw="losses" data-group="${i}"></div>`,
  );
  return reportPage({
    title: `Learning rates of ${path.basename(file)} by ${fit.by.join(", ")}`,
    body: `<h2>Measured against the joint law</h2>
<div class="plot" data-draw="observed"></div>
${sections.join("\n")}`,
    text,
    data: {
      observed,
      groups: fit.groups.map(({ fit: own, rows }) => pageData(own, rows)),
    },
    script,
  });
}

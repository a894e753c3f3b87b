import type { Section, Table } from "../experiment.ts";
import { formatEstimate } from "../laws/showNumbers.ts";
import type { Plot } from "../plot.ts";
import { formatInterval, interval } from "../statistics.ts";
import type { Plan } from "./plan.ts";
import { rateOf, type Series } from "./results.ts";
import { price } from "./verdicts.ts";

function tableOf(series: readonly Series[]): Table {
  const { axis } = series[0]!;
  return {
    kind: "table",
    title: `Best learning rate over ${axis.name} (interval over seeds), slope, and validation loss above the best where the smallest size's rate is kept at the largest`,
    columns: ["", ...axis.sizes.map((size) => `${axis.name} ${size}`), "slope", "price in nats"],
    rows: series.map((one) => [
      `${one.optimizer}, ${one.parametrization}`,
      ...one.optima.map((optimum) => formatEstimate(rateOf(optimum))),
      formatInterval(one.slope, 2),
      Number.isFinite(price(one).mean) ? formatInterval(price(one)) : "diverges",
    ]),
  };
}

function lossTable(series: readonly Series[]): Table {
  const { axis } = series[0]!;
  return {
    kind: "table",
    title: `Validation loss in nats at the best learning rate of the grid, over ${axis.name}`,
    columns: ["", ...axis.sizes.map((size) => `${axis.name} ${size}`)],
    rows: series.map((one) => [
      `${one.optimizer}, ${one.parametrization}`,
      ...one.optima.map(({ bestLosses }) => formatInterval(interval(bestLosses))),
    ]),
  };
}

function plotOf(series: readonly Series[]): Plot {
  const { axis, optimizer } = series[0]!;
  return {
    kind: "plot",
    file: `${axis.name}-${optimizer}`,
    title: `${optimizer}: best learning rate as a multiple of that at ${axis.name} ${axis.sizes[0]}`,
    x: { label: axis.name, scale: "log" },
    y: { label: "multiple", scale: "log" },
    series: series.map(({ parametrization, optima }) => {
      const base = rateOf(optima[0]!).value;
      return {
        name: parametrization,
        points: optima.map((optimum) => {
          const { value, low, high } = rateOf(optimum);
          return { x: optimum.size, y: value / base, low: low / base, high: high / base };
        }),
      };
    }),
  };
}

export function sections(results: readonly Series[], plan: Plan): Section[] {
  const { axes, numLayers, modelDim, headDim, steps, batchSize, length, seeds, evaluated } = plan;
  const of = (name: string) => results.filter((series) => series.axis.name === name);
  const how = `**How.** Moby-Dick in bytes, heads of ${headDim}; ${numLayers} ${numLayers === 1 ? "layer" : "layers"}${axes.some(({ name }) => name === "depth") ? `, over depth width ${modelDim}` : ""}; ${steps} steps of ${batchSize} × ${length} bytes, a tenth of them warm-up, then a cosine to 0, no weight decay. The smallest size is the base of mup. Learning rates are powers of 2 around the best of the size before, all ${seeds.length === 1 ? "with one seed" : `${seeds.length} seeds at the best and beside it`}, judged by ${evaluated} sequences of validation; η* of a seed is the vertex of the parabola through its three losses. Muon has its usual factor √max(1, fanOut/fanIn); AdamW beside it has a fixed share of its rate. A claim fails if what was carried is off by more than the aim from the whole interval of what was measured.`;
  return [
    { kind: "text", text: how },
    ...axes.flatMap((axis): Section[] => {
      const own = of(axis.name);
      return [
        tableOf(own),
        lossTable(own),
        ...axis.optimizers.map((optimizer) => plotOf(own.filter((series) => series.optimizer === optimizer))),
      ];
    }),
    {
      kind: "text",
      text: `**What it can't say.** Runs of ${steps} steps of models up to ${axes[0]!.sizes.at(-1)} wide; whether a rate carried to a hundredfold size is as good is not measured here, nor other schedules, texts, or, unless a table above says so, depths.`,
    },
  ];
}

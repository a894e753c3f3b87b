import type { Section } from "../experiment.ts";
import { formatEstimate } from "../laws/showNumbers.ts";
import { formatInterval, interval } from "../statistics.ts";
import type { Plan } from "./plan.ts";
import { rateOf, type Series } from "./results.ts";

export function sections(series: readonly Series[], plan: Plan): Section[] {
  const { horizons, warmupSteps, modelDim, batchSize, length, evaluated, seeds } = plan;
  return [
    {
      kind: "text",
      text: `**How.** Moby-Dick in bytes, one block of width ${modelDim}; AdamW without weight decay; batches of ${batchSize} × ${length} bytes, ${warmupSteps} steps of warm-up. The rate then stays (constant), falls to 0 over the last fifth (warmup–stable–decay) or over all steps (decay to zero), linearly. Learning rates are powers of 2 around the best of the horizon before, ${seeds.length === 1 ? "one seed" : `${seeds.length} seeds at the best and beside it, with the same batches under every schedule`}, judged by ${evaluated} sequences of validation; η* of a seed is the vertex of the parabola through its three losses. A claim on a rule fails if what was carried is off by more than the aim from the whole interval of what was measured.`,
    },
    {
      kind: "table",
      title: "Best learning rate by number of steps (interval over seeds), and the slope of its logarithm",
      columns: ["schedule", ...horizons.map((steps) => `${steps} steps`), "slope"],
      rows: series.map(({ schedule, best, slope }) => [
        schedule,
        ...best.map((own) => formatEstimate(rateOf(own))),
        formatInterval(slope, 2),
      ]),
    },
    {
      kind: "table",
      title: "Validation loss in nats at the best learning rate of the grid",
      columns: ["schedule", ...horizons.map((steps) => `${steps} steps`)],
      rows: series.map(({ schedule, best }) => [
        schedule,
        ...best.map(({ losses }) => formatInterval(interval(losses))),
      ]),
    },
    {
      kind: "plot",
      file: "rates",
      title: "Best learning rate as a multiple of the shortest run's",
      x: { label: "steps", scale: "log" },
      y: { label: "multiple", scale: "log" },
      series: series.map(({ schedule, best }) => ({
        name: schedule,
        points: best.map((own) => {
          const { value, low, high } = rateOf(own);
          const first = rateOf(best[0]!).value;
          return { x: own.steps, y: value / first, low: low / first, high: high / first };
        }),
      })),
    },
    {
      kind: "text",
      text: `**What it can't say.** Runs of ${horizons[0]} to ${horizons.at(-1)} steps of a model of some ten thousand parameters; the published exponent is of models and runs a thousand times larger.`,
    },
  ];
}

import type { StoredMeasurement } from "../../src/runs/index.ts";
import { number } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { LinePlot, type PlotSeries } from "../plots/linePlot.tsx";

const words = texts({
  en: {
    rates: "Best learning rate of one step against batch size",
    batch: { sequences: "batch size (sequences)", examples: "batch size (examples)" },
    rate: "learning rate",
    best: (step: number) => `η*, step ${step}`,
    measured: (step: number) => `measured, step ${step}`,
    own: (step: number) => `the run, step ${step}`,
    along: "The run's learning rate and the best of one step",
    steps: "steps",
    used: "the run",
    ownBest: (batch: string) => `η* at batch size ${batch}`,
  },
  zh: {
    rates: "单步最佳学习率与批量",
    batch: { sequences: "批量（序列数）", examples: "批量（样本数）" },
    rate: "学习率",
    best: (step: number) => `η*，第 ${step} 步`,
    measured: (step: number) => `测得，第 ${step} 步`,
    own: (step: number) => `本次训练，第 ${step} 步`,
    along: "本次训练的学习率与单步最佳值",
    steps: "步数",
    used: "本次训练",
    ownBest: (batch: string) => `批量 ${batch} 时的 η*`,
  },
});

/** Bands of more curves than this hide each other. */
const mostBands = 2;

const positive = (value: number | null) => (value !== null && value > 0 ? value : Number.NaN);

function bandOf(rates: readonly StoredMeasurement["own"][]) {
  return {
    low: rates.map(({ learningRate }) => positive(learningRate.low)),
    high: rates.map(({ learningRate }) => positive(learningRate.high)),
  };
}

const hasRate = ({ learningRate: { value } }: StoredMeasurement["own"]) => value !== null && value > 0;

/** η*(B) of each checkpoint, and where the run itself is. */
export function RatesPlot({ measurements }: { readonly measurements: readonly StoredMeasurement[] }) {
  const t = useText(words);
  const series = measurements.flatMap((measurement, style): PlotSeries[] => {
    const { step, curve, optima, batchSize, learningRate } = measurement;
    const measured = optima.filter((own) => own.basis === "measured" && hasRate(own));
    const [x, y] = [curve.map((own) => own.batchSize), curve.map((own) => own.learningRate.value!)];
    return [
      {
        name: t.best(step),
        style,
        x,
        y,
        ...(measurements.length <= mostBands ? { band: bandOf(curve) } : {}),
      },
      {
        name: t.measured(step),
        style,
        isPoints: true,
        x: measured.map((own) => own.batchSize),
        y: measured.map((own) => own.learningRate.value!),
      },
      ...(learningRate.now > 0
        ? [
            {
              name: t.own(step),
              style: style + measurements.length,
              isPoints: true,
              x: [batchSize],
              y: [learningRate.now],
            },
          ]
        : []),
    ];
  });
  return (
    <LinePlot
      title={t.rates}
      xLabel={t.batch[measurements[0]?.sample ?? "sequences"]}
      yLabel={t.rate}
      series={series}
      isLogX
      isLogY
      height={380}
    />
  );
}

/** The run's schedule, and η* at the run's batch size at each checkpoint. */
export function SchedulePlot({
  measurements,
  schedule,
}: {
  readonly measurements: readonly StoredMeasurement[];
  readonly schedule: { readonly steps: readonly number[]; readonly values: readonly number[] } | undefined;
}) {
  const t = useText(words);
  const known = measurements.filter(({ own }) => hasRate(own));
  const best = {
    name: t.ownBest(number(measurements[0]?.batchSize)),
    style: 1,
    x: known.map(({ step }) => step),
    y: known.map(({ own }) => own.learningRate.value!),
  };
  const used =
    schedule === undefined || schedule.steps.length === 0
      ? {
          x: measurements.map(({ step }) => step),
          y: measurements.map(({ learningRate }) => learningRate.now),
        }
      : { x: schedule.steps, y: schedule.values };
  return (
    <LinePlot
      title={t.along}
      xLabel={t.steps}
      yLabel={t.rate}
      series={[
        { name: t.used, style: 0, ...used },
        known.length === 1
          ? { ...best, isPoints: true }
          : { ...best, band: bandOf(known.map(({ own }) => own)) },
      ]}
      isLogY
      height={300}
    />
  );
}

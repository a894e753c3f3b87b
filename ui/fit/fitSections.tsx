import { number } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { Section } from "../parts/section.tsx";
import { Table } from "../parts/table.tsx";
import { LinePlot, type PlotSeries } from "../plots/linePlot.tsx";
import { ParallelPlot } from "../plots/parallelPlot.tsx";
import { SweepMap } from "../plots/sweepMap.tsx";
import type { FitView } from "./fitView.ts";

const words = texts({
  en: {
    answer: "Answer",
    batch: "batch size",
    rate: "learning rate",
    loss: "loss",
    columns: {
      batch: "Batch size",
      best: "Best learning rate",
      from: "From",
      to: "To",
      loss: "Loss",
    },
    interval: (share: number) => `${Math.round(100 * share)} % interval`,
    extrapolated: (factor: number) => `${number(factor, 2)} times outside of what was tried`,
    predicted: "Predictions",
    measured: "Best of each batch size",
    kinds: {
      interior: "",
      bracketed: "between its neighbours",
      above: "at the upper edge: add larger learning rates",
      below: "at the lower edge: add smaller learning rates",
      unresolved: "too noisy to tell",
    },
    laws: "Laws",
    lawColumns: { law: "Law", support: "Support", formula: "Formula" },
    map: "Map",
    curves: "Loss against learning rate, by batch size",
    fitted: (batch: string) => `batch ${batch}, fit`,
    runsOf: (batch: string) => `batch ${batch}`,
    parallel: "All options of the runs",
    next: "Runs to do next",
    nextColumns: { batch: "Batch size", rates: "Learning rates", why: "Why", left: "Uncertainty left" },
  },
  zh: {
    answer: "答案",
    batch: "批量",
    rate: "学习率",
    loss: "损失",
    columns: { batch: "批量", best: "最佳学习率", from: "下限", to: "上限", loss: "损失" },
    interval: (share: number) => `${Math.round(100 * share)} % 区间`,
    extrapolated: (factor: number) => `超出所试范围 ${number(factor, 2)} 倍`,
    predicted: "预测",
    measured: "各批量的最佳值",
    kinds: {
      interior: "",
      bracketed: "介于相邻值之间",
      above: "位于上边缘：请增加更大的学习率",
      below: "位于下边缘：请增加更小的学习率",
      unresolved: "噪声过大，无法判断",
    },
    laws: "定律",
    lawColumns: { law: "定律", support: "支持度", formula: "公式" },
    map: "图",
    curves: "各批量下损失对学习率",
    fitted: (batch: string) => `批量 ${batch}，拟合`,
    runsOf: (batch: string) => `批量 ${batch}`,
    parallel: "各训练的全部选项",
    next: "接下来的训练",
    nextColumns: { batch: "批量", rates: "学习率", why: "原因", left: "剩余不确定度" },
  },
});

/** Losses above this are drawn at the edge: a few that blew up would hide the minimum. */
function clipOf(losses: readonly number[]): number {
  const sorted = losses.toSorted((a, b) => a - b);
  const quarter = sorted[Math.floor(0.75 * (sorted.length - 1))] ?? 0;
  return quarter + 1.5 * (quarter - (sorted[0] ?? 0));
}

function Curves({ fit }: { readonly fit: FitView }) {
  const t = useText(words);
  const clip = clipOf(fit.runs.flatMap(({ loss }) => loss ?? []));
  const series: PlotSeries[] = fit.optima.flatMap(({ batchSize }, style) => {
    const runs = fit.runs
      .filter((run) => run.batchSize === batchSize && run.loss !== null && run.loss <= clip)
      .sort((a, b) => a.learningRate - b.learningRate);
    const fitted = (fit.curves[style] ?? []).filter(([, loss]) => loss <= clip);
    const shown = number(batchSize);
    return [
      {
        name: t.runsOf(shown),
        style,
        isPoints: true,
        x: runs.map(({ learningRate }) => learningRate),
        y: runs.map(({ loss }) => loss!),
      },
      { name: t.fitted(shown), style, x: fitted.map(([rate]) => rate), y: fitted.map(([, loss]) => loss) },
    ];
  });
  return <LinePlot title={t.curves} xLabel={t.rate} yLabel={t.loss} series={series} isLogX height={340} />;
}

function Rates({
  title,
  rows,
}: {
  readonly title: string;
  readonly rows: readonly {
    batchSize: number;
    value: number;
    low: number;
    high: number;
    loss?: number;
    remark: string;
  }[];
}) {
  const t = useText(words);
  return (
    <Table
      label={title}
      caption={title}
      columns={[
        {
          key: "batch",
          label: t.columns.batch,
          isNumber: true,
          isHeading: true,
          cell: ({ batchSize }) => number(batchSize),
        },
        {
          key: "best",
          label: t.columns.best,
          isNumber: true,
          cell: ({ value }) => <strong>{number(value, 3)}</strong>,
        },
        { key: "from", label: t.columns.from, isNumber: true, cell: ({ low }) => number(low, 3) },
        {
          key: "to",
          label: t.columns.to,
          isNumber: true,
          cell: ({ high }) => (high >= 1e300 ? "∞" : number(high, 3)),
        },
        { key: "loss", label: t.columns.loss, isNumber: true, cell: ({ loss }) => number(loss) },
        { key: "remark", label: "", cell: ({ remark }) => remark },
      ]}
      rows={rows}
      rowKey={({ batchSize }) => batchSize}
    />
  );
}

/** What one fit says: the best learning rates with their intervals, the map, the laws, what to do next. */
export function FitSections({ fit, name }: { readonly fit: FitView; readonly name: string }) {
  const t = useText(words);
  const settings = [...new Set(fit.runs.flatMap((run) => Object.keys(run.settings)))];
  const losses = fit.runs.flatMap(({ loss }) => loss ?? []).sort((a, b) => a - b);
  return (
    <>
      <Section title={t.answer}>
        {fit.predictions.length > 0 && (
          <Rates
            title={`${t.predicted}, ${t.interval(fit.confidence)}`}
            rows={fit.predictions.map((one) => ({
              ...one,
              remark: one.extrapolation > 1.001 ? t.extrapolated(one.extrapolation) : "",
            }))}
          />
        )}
        <Rates
          title={`${t.measured}, ${t.interval(fit.confidence)}`}
          rows={fit.optima.map((one) => ({ ...one, remark: t.kinds[one.kind] }))}
        />
      </Section>
      <Section title={t.map}>
        <SweepMap fit={fit} name={name} />
        <Curves fit={fit} />
      </Section>
      {fit.laws.length > 0 && (
        <Section title={t.laws}>
          <Table
            label={t.laws}
            columns={[
              { key: "law", label: t.lawColumns.law, isHeading: true, cell: ({ name: law }) => law },
              {
                key: "support",
                label: t.lawColumns.support,
                isNumber: true,
                cell: ({ weight }) => `${Math.round(100 * weight)} %`,
              },
              {
                key: "formula",
                label: t.lawColumns.formula,
                cell: ({ formula }) => <code>{formula}</code>,
              },
            ]}
            rows={fit.laws}
            rowKey={({ name: law }) => law}
          />
        </Section>
      )}
      {fit.nextRuns.length > 0 && (
        <Section title={t.next}>
          <Table
            label={t.next}
            columns={[
              {
                key: "batch",
                label: t.nextColumns.batch,
                isNumber: true,
                isHeading: true,
                cell: ({ batchSize }) => number(batchSize),
              },
              {
                key: "rates",
                label: t.nextColumns.rates,
                cell: ({ learningRates }) => learningRates.map((rate) => number(rate)).join(", "),
              },
              { key: "why", label: t.nextColumns.why, cell: ({ reason }) => reason },
              {
                key: "left",
                label: t.nextColumns.left,
                isNumber: true,
                cell: ({ remainingVariance: left }) =>
                  left !== null && `${Math.round(100 * Math.sqrt(left))} %`,
              },
            ]}
            rows={fit.nextRuns}
            rowKey={({ batchSize, reason }) => `${batchSize} ${reason}`}
          />
        </Section>
      )}
      {settings.length > 0 && (
        <Section title={t.parallel} isOpen={false}>
          <ParallelPlot
            title={t.parallel}
            axes={[
              { name: t.batch, isLog: true },
              { name: t.rate, isLog: true },
              ...settings.map((key) => ({ name: key, isLog: false })),
              { name: t.loss, isLog: false },
            ]}
            lines={fit.runs.map((run, i) => ({
              key: String(i),
              label: `${t.loss} ${number(run.loss)}`,
              values: [
                run.batchSize,
                run.learningRate,
                ...settings.map((key) => run.settings[key] ?? null),
                run.loss,
              ],
              rank:
                run.loss === null || losses.length < 2
                  ? null
                  : losses.indexOf(run.loss) / (losses.length - 1),
            }))}
          />
        </Section>
      )}
    </>
  );
}

import { useState } from "preact/hooks";
import type { StoredMeasurement } from "../../src/runs/index.ts";
import type { MeasurementsView } from "../../src/ui/views.ts";
import { shared } from "../core/api.ts";
import { moment, number } from "../core/format.ts";
import { measureHref, runHref } from "../core/router.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { useData, useMetrics } from "../core/useData.ts";
import { MeasureForm } from "../measure/measureForm.tsx";
import { RatesPlot, SchedulePlot } from "../measure/measurePlots.tsx";
import { type RateInterval, rateAt } from "../measure/rateAt.ts";
import { Pending } from "../parts/pending.tsx";
import { RunChoice } from "../parts/runChoice.tsx";
import { Section } from "../parts/section.tsx";
import { Table, type TableColumn } from "../parts/table.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Measure",
    intro:
      "Which learning rate gains most in one step from a checkpoint, for every batch size, from gradients and Hessian-vector products; nothing is trained.",
    none: "Nothing has been measured yet. Measure a checkpoint here, or with rotor measure.",
    checkpoints: "Checkpoints",
    columns: {
      step: "Step",
      best: "η* at the run's batch size",
      from: "From",
      to: "To",
      used: "Used",
      simple: "B simple",
      noise: "B noise",
      when: "Measured",
    },
    times: (factor: string, isAbove: boolean) => `${factor} times ${isAbove ? "above" : "below"}`,
    interval: (share: number) => `${Math.round(100 * share)} % intervals`,
    at: "At batch sizes",
    atHint: "numbers, with commas between",
    batch: "Batch size",
    outside: "outside of what was measured",
    assumptions: "Assumptions",
    verdicts: { holds: "holds", fails: "fails", open: "open" },
    ofStep: (step: number) => `Step ${step}`,
    caution: "η* gains most in one step; over many steps another rate may.",
  },
  zh: {
    title: "测量",
    intro: "由梯度和海森-向量积得出：从某检查点出发，各批量下单步收益最大的学习率；不作任何训练。",
    none: "尚未测量。请在此处或用 rotor measure 测量一个检查点。",
    checkpoints: "检查点",
    columns: {
      step: "步",
      best: "本批量下的 η*",
      from: "下限",
      to: "上限",
      used: "所用",
      simple: "B simple",
      noise: "B noise",
      when: "测量时间",
    },
    times: (factor: string, isAbove: boolean) => `${isAbove ? "高" : "低"} ${factor} 倍`,
    interval: (share: number) => `${Math.round(100 * share)} % 区间`,
    at: "批量为",
    atHint: "数字，以逗号分隔",
    batch: "批量",
    outside: "超出所测范围",
    assumptions: "假设",
    verdicts: { holds: "成立", fails: "不成立", open: "未定" },
    ofStep: (step: number) => `第 ${step} 步`,
    caution: "η* 是单步收益最大的值；多步之后可能是另一个。",
  },
});

/** An open end is infinite. */
const open = (value: number | null) => (value === null ? "∞" : number(value, 3));

function Checkpoints({ measurements }: Pick<MeasurementsView, "measurements">) {
  const t = useText(words);
  const { language } = useSettings();
  const number3 = { isNumber: true } as const;
  const columns: TableColumn<StoredMeasurement>[] = [
    { key: "step", label: t.columns.step, isHeading: true, ...number3, cell: ({ step }) => step },
    {
      key: "best",
      label: t.columns.best,
      ...number3,
      cell: ({ own }) => <strong>{open(own.learningRate.value)}</strong>,
    },
    { key: "from", label: t.columns.from, ...number3, cell: ({ own }) => number(own.learningRate.low, 3) },
    { key: "to", label: t.columns.to, ...number3, cell: ({ own }) => open(own.learningRate.high) },
    {
      key: "used",
      label: t.columns.used,
      ...number3,
      cell: ({ learningRate }) => number(learningRate.now, 3),
    },
    {
      key: "compared",
      label: "",
      cell: ({ own, learningRate }) => {
        const { value } = own.learningRate;
        if (value === null || value === 0 || learningRate.now === 0) return "";
        const factor = learningRate.now / value;
        return t.times(number(factor >= 1 ? factor : 1 / factor, 2), factor >= 1);
      },
    },
    {
      key: "simple",
      label: t.columns.simple,
      ...number3,
      cell: ({ simpleNoiseScale }) => open(simpleNoiseScale.value),
    },
    {
      key: "noise",
      label: t.columns.noise,
      ...number3,
      cell: ({ noiseScale }) => number(noiseScale.value, 3),
    },
    { key: "when", label: t.columns.when, cell: ({ measuredAt }) => moment(measuredAt, language) },
  ];
  return (
    <Table
      label={t.checkpoints}
      caption={`${t.checkpoints}, ${t.interval(measurements[0]!.confidence)}`}
      columns={columns}
      rows={measurements}
      rowKey={({ step }) => step}
    />
  );
}

const rateText = (rate: RateInterval | null) =>
  rate === null
    ? null
    : `${number(rate.value, 3)} (${rate.low === null ? "0" : number(rate.low, 3)} – ${open(rate.high)})`;

/** η* at batch sizes that a person types. */
function AtBatchSizes({ measurements }: Pick<MeasurementsView, "measurements">) {
  const t = useText(words);
  const [text, setText] = useState("");
  const sizes = text
    .split(/[,\s]+/)
    .map(Number)
    .filter((value) => value > 0 && Number.isFinite(value));
  return (
    <>
      <label>
        {t.at}{" "}
        <input
          value={text}
          placeholder={number(4 * measurements[0]!.batchSize)}
          title={t.atHint}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      {sizes.length > 0 && (
        <Table
          label={t.at}
          columns={[
            { key: "batch", label: t.batch, isNumber: true, isHeading: true, cell: (size) => number(size) },
            ...measurements.map(
              (own): TableColumn<number> => ({
                key: String(own.step),
                label: t.ofStep(own.step),
                isNumber: true,
                cell: (size) => rateText(rateAt(own, size)) ?? <span class="quiet">{t.outside}</span>,
              }),
            ),
          ]}
          rows={sizes}
          rowKey={(_, place) => place}
        />
      )}
    </>
  );
}

function Measured({ id }: { readonly id: string }) {
  const t = useText(words);
  const { data, error } = useData<MeasurementsView>(
    `/api/runs/${encodeURIComponent(id)}/measurements`,
    "measurements",
  );
  const schedule = useMetrics([id], ["learningRate"])[id]?.learningRate;
  if (data === null) return <Pending error={error} />;
  const { run, measurements } = data;
  return (
    <>
      <h2>
        <a href={runHref(run.id)}>{run.name}</a> <span class="quiet">{run.id}</span>
      </h2>
      {error !== null && <Pending error={error} />}
      {shared === null && <MeasureForm data={data} />}
      {measurements.length === 0 ? (
        <p class="quiet">{t.none}</p>
      ) : (
        <>
          <div class="plots">
            <div class="wide">
              <RatesPlot measurements={measurements} />
            </div>
          </div>
          <Checkpoints measurements={measurements} />
          <p class="quiet">{t.caution}</p>
          <AtBatchSizes measurements={measurements} />
          <SchedulePlot measurements={measurements} schedule={schedule} />
          <Section title={t.assumptions} isOpen={false}>
            {measurements.map(({ step, assumptions, direction }) => (
              <div key={step}>
                <h3>{t.ofStep(step)}</h3>
                <p>
                  <code>{direction}</code>
                </p>
                <ul>
                  {assumptions.map(({ name, verdict, finding }) => (
                    <li key={name}>
                      <strong>{t.verdicts[verdict]}</strong> {name}: {finding}
                    </li>
                  ))}
                </ul>
              </div>
            ))}
          </Section>
        </>
      )}
    </>
  );
}

/** Runs of text, to choose from. */
function Measure({ query }: { readonly query: URLSearchParams }) {
  const t = useText(words);
  const id = query.get("run");
  return (
    <>
      <h1>{t.title}</h1>
      <p class="quiet">{t.intro}</p>
      {shared === null && (
        <p>
          <RunChoice
            value={id ?? ""}
            suits={({ task }) => task === "language" || task === "own"}
            onChange={(chosen) => {
              location.hash = measureHref(chosen);
            }}
          />
        </p>
      )}
      {id !== null && <Measured key={id} id={id} />}
    </>
  );
}

export const measurePage = pageRow({
  path: "/measure",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Measure,
});

import { useMemo, useState } from "preact/hooks";
import type { CompareView, DifferenceView, RunsView } from "../../src/ui/views.ts";
import { shared } from "../core/api.ts";
import { alongAxis } from "../core/axis.ts";
import { number } from "../core/format.ts";
import { meanOver } from "../core/meanOver.ts";
import { compareHref, runHref } from "../core/router.ts";
import { smooth } from "../core/smooth.ts";
import { texts, useText } from "../core/text.ts";
import { useData, useMetrics } from "../core/useData.ts";
import { Choice } from "../parts/choice.tsx";
import { CurveControls, useCurveView } from "../parts/curveControls.tsx";
import { Notices } from "../parts/notices.tsx";
import { Pending } from "../parts/pending.tsx";
import { Progress } from "../parts/progress.tsx";
import { Section } from "../parts/section.tsx";
import { StateMark } from "../parts/stateMark.tsx";
import { Table, type TableColumn } from "../parts/table.tsx";
import { LinePlot, type PlotSeries } from "../plots/linePlot.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Compare",
    add: "Add a run",
    choose: "Choose …",
    none: "Choose runs here, or in the table of runs.",
    remove: (name: string) => `Remove ${name}`,
    seeds: "Mean and band over seeds",
    seedsHint:
      "Runs whose options differ in the seed alone are one curve: their mean, and a band from the least to the greatest",
    seedsOf: (count: number) => `${count} seeds`,
    training: "Training loss",
    validation: "Validation loss",
    bits: "Bits per byte of the validation text",
    bitsMissing: "No evaluation has been recorded yet, so there are no bits per byte.",
    others: "Another metric",
    runs: "Runs",
    differences: "Options that differ",
    equal: "All options are equal.",
    option: "Option",
    columns: {
      run: "Run",
      state: "State",
      step: "Step",
      training: "Training",
      validation: "Validation",
      bits: "Bits per byte",
    },
  },
  zh: {
    title: "比较",
    add: "添加训练",
    choose: "选择……",
    none: "在此处或在训练列表中选择训练。",
    remove: (name: string) => `移除 ${name}`,
    seeds: "按种子取均值与区间",
    seedsHint: "仅种子不同的训练合为一条曲线：其均值，以及最小到最大的区间",
    seedsOf: (count: number) => `${count} 个种子`,
    training: "训练损失",
    validation: "验证损失",
    bits: "验证文本的每字节比特",
    bitsMissing: "尚无评估记录，因此没有每字节比特。",
    others: "其他指标",
    runs: "训练",
    differences: "不同的选项",
    equal: "所有选项相同。",
    option: "选项",
    columns: {
      run: "训练",
      state: "状态",
      step: "步",
      training: "训练",
      validation: "验证",
      bits: "每字节比特",
    },
  },
});

type ComparedRun = CompareView["runs"][number];

/** Runs that differ in their seed alone, together. */
function bySeed(
  view: CompareView,
  isTogether: boolean,
): { readonly runs: readonly ComparedRun[]; readonly key: string }[] {
  if (!isTogether) return view.runs.map((run) => ({ runs: [run], key: run.id }));
  const groups = new Map<string, ComparedRun[]>();
  view.runs.forEach((run, i) => {
    const key = JSON.stringify(
      view.differences.filter(({ path }) => path !== "training.seed").map(({ values }) => values[i]),
    );
    groups.set(key, [...(groups.get(key) ?? []), run]);
  });
  return [...groups].map(([key, runs]) => ({ key, runs }));
}

/** A name that tells a run from the others: its own, with its id where others have it too. */
function nameOf(run: ComparedRun, all: readonly ComparedRun[]): string {
  return all.filter(({ name }) => name === run.name).length > 1
    ? `${run.name} ${run.id.slice(-4)}`
    : run.name;
}

function Compared({ ids }: { readonly ids: readonly string[] }) {
  const t = useText(words);
  const { data, error } = useData<CompareView>(
    `/api/compare?${ids.map((id) => `run=${encodeURIComponent(id)}`).join("&")}`,
  );
  const view = useCurveView(data?.runs ?? []);
  const { axis, axisLabel, window } = view;
  const [isTogether, setTogether] = useState(false);
  const [other, setOther] = useState("gradNorm");
  const isBits = data?.by === "bitsPerByte";
  const names = useMemo(
    () => [...new Set([...(isBits ? ["bitsPerByte"] : ["loss", "validationLoss"]), other])],
    [isBits, other],
  );
  const metrics = useMetrics(ids, data === null ? [] : names);
  const groups = useMemo(() => (data === null ? [] : bySeed(data, isTogether)), [data, isTogether]);

  const curves = (metric: string, isSmooth: boolean): PlotSeries[] =>
    groups.flatMap(({ runs }, style) => {
      const members = runs.flatMap((run) => {
        const series = metrics[run.id]?.[metric];
        return series === undefined || series.steps.length === 0 ? [] : [{ run, series }];
      });
      const first = members[0];
      if (first === undefined) return [];
      const units = first.run;
      const name = nameOf(units, data!.runs);
      if (members.length === 1) {
        const { steps, values } = first.series;
        const x = alongAxis(steps, axis, units);
        const line = { name, style, x, y: isSmooth ? smooth(values, window) : values };
        return isSmooth && window > 1 && groups.length <= 4
          ? [{ name: `${name} raw`, style, isFaint: true, x, y: values }, line]
          : [line];
      }
      const { steps, mean, low, high } = meanOver(
        members.map(({ series }) => ({
          steps: series.steps,
          values: isSmooth ? smooth(series.values, window) : series.values,
        })),
      );
      return [
        {
          name: `${units.name}, ${t.seedsOf(members.length)}`,
          style,
          x: alongAxis(steps, axis, units),
          y: mean,
          band: { low, high },
        },
      ];
    });
  const key = JSON.stringify([axis, window, isTogether, names]);
  const training = useMemo(() => curves("loss", true), [metrics, groups, key, Object.values(metrics)]);

  if (data === null) return <Pending error={error} />;
  const bits = curves("bitsPerByte", false);
  const runColumns: readonly TableColumn<ComparedRun>[] = [
    {
      key: "run",
      label: t.columns.run,
      isHeading: true,
      cell: (run) => (
        <>
          <a href={runHref(run.id)}>{nameOf(run, data.runs)}</a> <span class="quiet">{run.id}</span>
        </>
      ),
    },
    { key: "state", label: t.columns.state, cell: ({ status }) => <StateMark state={status} /> },
    { key: "step", label: t.columns.step, isNumber: true, cell: (run) => <Progress run={run} /> },
    ...(data.by === "loss"
      ? [
          {
            key: "training",
            label: t.columns.training,
            isNumber: true,
            cell: ({ summary }: ComparedRun) => number(summary.loss),
          },
          {
            key: "validation",
            label: t.columns.validation,
            isNumber: true,
            cell: ({ summary }: ComparedRun) => number(summary.validationLoss),
          },
        ]
      : []),
    {
      key: "bits",
      label: t.columns.bits,
      isNumber: true,
      cell: ({ summary }) => number(summary.bitsPerByte),
    },
    {
      key: "remove",
      label: "",
      cell: (run) =>
        shared === null && (
          <a
            href={compareHref(ids.filter((id) => id !== run.id))}
            aria-label={t.remove(nameOf(run, data.runs))}
          >
            ×
          </a>
        ),
    },
  ];
  return (
    <>
      {error !== null && <Pending error={error} />}
      <Notices lines={data.notes} />
      <div class="controls">
        <CurveControls view={view} />
        <label title={t.seedsHint}>
          <input type="checkbox" checked={isTogether} onChange={() => setTogether(!isTogether)} /> {t.seeds}
        </label>
      </div>
      <div class="plots">
        {data.by === "loss" && (
          <>
            <div class="wide">
              <LinePlot
                title={t.training}
                xLabel={axisLabel}
                yLabel={t.training}
                series={training}
                cursor="compare"
                height={380}
              />
            </div>
            <LinePlot
              title={t.validation}
              xLabel={axisLabel}
              yLabel={t.validation}
              series={curves("validationLoss", false)}
              cursor="compare"
            />
          </>
        )}
        {isBits &&
          (bits.length === 0 ? (
            <p>{t.bitsMissing}</p>
          ) : (
            <div class="wide">
              <LinePlot
                title={t.bits}
                xLabel={axisLabel}
                yLabel={t.bits}
                series={bits}
                cursor="compare"
                height={380}
              />
            </div>
          ))}
        <div>
          <Choice
            label={t.others}
            value={other}
            names={data.commonMetrics.filter(
              (name) => !(isBits && (name === "loss" || name === "validationLoss")),
            )}
            onChange={setOther}
          />
          <LinePlot
            title={other}
            xLabel={axisLabel}
            yLabel={other}
            series={curves(other, false)}
            cursor="compare"
          />
        </div>
      </div>
      <Section title={t.runs}>
        <Table label={t.runs} columns={runColumns} rows={data.runs} rowKey={({ id }) => id} />
      </Section>
      <Section title={t.differences}>
        {data.differences.length === 0 ? (
          <p>{t.equal}</p>
        ) : (
          <Table
            label={t.differences}
            columns={[
              {
                key: "option",
                label: t.option,
                isHeading: true,
                cell: ({ path }: DifferenceView) => <code>{path}</code>,
              },
              ...data.runs.map((run, i) => ({
                key: run.id,
                label: nameOf(run, data.runs),
                cell: ({ values }: DifferenceView) => values[i] ?? "–",
              })),
            ]}
            rows={data.differences}
            rowKey={({ path }) => path}
          />
        )}
      </Section>
    </>
  );
}

/** Adds a run to those that are compared. */
function Chooser({ ids }: { readonly ids: readonly string[] }) {
  const t = useText(words);
  const { data } = useData<RunsView>("/api/runs");
  const left = data?.runs.filter(({ id }) => !ids.includes(id)) ?? [];
  return (
    <label>
      {t.add}{" "}
      <select
        value=""
        onChange={(event) => {
          location.hash = compareHref([...ids, event.currentTarget.value]);
        }}
      >
        <option value="" disabled>
          {t.choose}
        </option>
        {left.slice(0, 500).map(({ id, name }) => (
          <option key={id} value={id}>
            {name} {id}
          </option>
        ))}
      </select>
    </label>
  );
}

function Compare({ query }: { readonly query: URLSearchParams }) {
  const t = useText(words);
  const ids = query.getAll("run");
  return (
    <>
      <h1>{t.title}</h1>
      {shared === null && <Chooser ids={ids} />}
      {ids.length === 0 ? <p>{t.none}</p> : <Compared key={ids.join()} ids={ids} />}
    </>
  );
}

export const comparePage = pageRow({
  path: "/compare",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Compare,
});

import { useState } from "preact/hooks";
import type { SweepDetailView, TrialView } from "../../src/ui/views.ts";
import { shared } from "../core/api.ts";
import { number } from "../core/format.ts";
import { runHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { FitAnswer } from "../fit/fitAnswer.tsx";
import { PlacesField } from "../fit/fitControls.tsx";
import { defaultFlags } from "../fit/fitFlags.ts";
import { TableDrop } from "../fit/tableDrop.tsx";
import { useFit } from "../fit/useFit.ts";
import { Pending } from "../parts/pending.tsx";
import { Section } from "../parts/section.tsx";
import { StateMark } from "../parts/stateMark.tsx";
import { Table, type TableColumn } from "../parts/table.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Sweep",
    done: (done: number, all: number) => `${done} of ${all} trials have ended`,
    trials: "Trials",
    workers: "Workers",
    noResults: "No trial has ended yet.",
    columns: {
      number: "Trial",
      state: "State",
      step: "Step",
      loss: "Training loss",
      validation: "Validation loss",
      worker: "Worker",
      run: "Run",
    },
  },
  zh: {
    title: "扫描",
    done: (done: number, all: number) => `${all} 次试验中 ${done} 次已结束`,
    trials: "试验",
    workers: "工作进程",
    noResults: "还没有试验结束。",
    columns: {
      number: "试验",
      state: "状态",
      step: "步",
      loss: "训练损失",
      validation: "验证损失",
      worker: "工作进程",
      run: "训练",
    },
  },
});

/** The fit of the trials that have ended. */
function SweepFit({ id, name, csv }: { readonly id: string; readonly name: string; readonly csv: string }) {
  const [flags, setFlags] = useState(defaultFlags);
  const fitted = useFit({ id, name, files: [{ name, content: csv }] }, flags);
  return (
    <>
      {shared === null && (
        <div class="controls">
          <PlacesField flags={flags} onChange={setFlags} />
        </div>
      )}
      <FitAnswer fitted={fitted} name={name} />
    </>
  );
}

const isRunning = ({ status }: TrialView) => status === "running";

function Sweep({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const t = useText(words);
  const id = params.sweep!;
  const { data, error } = useData<SweepDetailView>(`/api/sweeps/${encodeURIComponent(id)}`, "sweeps");
  if (data === null) return <Pending error={error} />;
  const { counts, trials } = data;
  const done = counts.finished + counts.diverged + counts.failed;
  const workers = [...new Set(trials.filter(isRunning).flatMap(({ worker }) => worker ?? []))];
  const columns: readonly TableColumn<TrialView>[] = [
    {
      key: "number",
      label: t.columns.number,
      isNumber: true,
      isHeading: true,
      cell: (trial) => trial.number,
    },
    ...data.parameters.map((path) => ({
      key: path,
      label: path.split(".").at(-1)!,
      hint: path,
      isNumber: true,
      cell: ({ values: { [path]: value } }: TrialView) =>
        typeof value === "number" ? number(value) : JSON.stringify(value),
    })),
    {
      key: "state",
      label: t.columns.state,
      cell: ({ status, message }) => (
        <>
          <StateMark state={status} />
          {message !== null && <span class="quiet note">{message}</span>}
        </>
      ),
    },
    {
      key: "step",
      label: t.columns.step,
      isNumber: true,
      cell: ({ step, numSteps }) => `${step} / ${numSteps}`,
    },
    { key: "loss", label: t.columns.loss, isNumber: true, cell: ({ loss }) => number(loss) },
    {
      key: "validation",
      label: t.columns.validation,
      isNumber: true,
      cell: ({ validationLoss }) => number(validationLoss),
    },
    { key: "worker", label: t.columns.worker, isQuiet: true, cell: ({ worker }) => worker },
    {
      key: "run",
      label: t.columns.run,
      cell: ({ run }) => run !== null && <a href={runHref(run)}>{run.slice(-4)}</a>,
    },
  ];
  // Those that run first, then those that ended.
  const order = trials.toSorted((a, b) => Number(isRunning(b)) - Number(isRunning(a)) || a.number - b.number);
  return (
    <>
      <h1>
        {data.name} <span class="quiet">{data.id}</span>
      </h1>
      {error !== null && <Pending error={error} />}
      <p role="status">
        <progress max={trials.length} value={done} aria-label={t.done(done, trials.length)} />{" "}
        {t.done(done, trials.length)}
        {counts.running > 0 && ` · ${t.workers}: ${workers.length}`}
      </p>
      {data.csv === null ? (
        <p class="quiet">{t.noResults}</p>
      ) : (
        <SweepFit id={data.id} name={data.name} csv={data.csv} />
      )}
      <Section title={t.trials} isOpen={trials.length <= 60 || counts.running > 0}>
        <Table label={t.trials} columns={columns} rows={order} rowKey={({ id: trial }) => trial} />
      </Section>
      <TableDrop />
    </>
  );
}

export const sweepPage = pageRow({
  path: "/sweep/:sweep",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: false,
  Page: Sweep,
});

import type { SweepDetailView, TrialView } from "../../src/ui/views.ts";
import { number } from "../core/format.ts";
import { Pending, Scroller, Section, StateMark } from "../core/parts.tsx";
import { runHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { FitAnswer } from "../fit/fitAnswer.tsx";
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

const isRunning = ({ status }: TrialView) => status === "running";

function Sweep({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const t = useText(words);
  const id = params.sweep!;
  const { data, error } = useData<SweepDetailView>(`/api/sweeps/${encodeURIComponent(id)}`, "sweeps");
  if (data === null) return <Pending error={error} />;
  const { counts, trials } = data;
  const done = counts.finished + counts.diverged + counts.failed;
  const workers = [...new Set(trials.filter(isRunning).flatMap(({ worker }) => worker ?? []))];
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
        <FitAnswer id={data.id} content={data.csv} name={data.name} />
      )}
      <Section title={t.trials} isOpen={trials.length <= 60 || counts.running > 0}>
        <Scroller kind="scroll" label={t.trials}>
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  {t.columns.number}
                </th>
                {data.parameters.map((path) => (
                  <th key={path} scope="col" class="number" title={path}>
                    {path.split(".").at(-1)}
                  </th>
                ))}
                <th scope="col">{t.columns.state}</th>
                <th scope="col" class="number">
                  {t.columns.step}
                </th>
                <th scope="col" class="number">
                  {t.columns.loss}
                </th>
                <th scope="col" class="number">
                  {t.columns.validation}
                </th>
                <th scope="col">{t.columns.worker}</th>
                <th scope="col">{t.columns.run}</th>
              </tr>
            </thead>
            <tbody>
              {order.map((trial) => (
                <tr key={trial.id}>
                  <th scope="row" class="number">
                    {trial.number}
                  </th>
                  {data.parameters.map((path) => {
                    const value = trial.values[path];
                    return (
                      <td key={path} class="number">
                        {typeof value === "number" ? number(value) : JSON.stringify(value)}
                      </td>
                    );
                  })}
                  <td>
                    <StateMark state={trial.status} />
                    {trial.message !== null && <span class="quiet note">{trial.message}</span>}
                  </td>
                  <td class="number">
                    {trial.step} / {trial.numSteps}
                  </td>
                  <td class="number">{number(trial.loss)}</td>
                  <td class="number">{number(trial.validationLoss)}</td>
                  <td class="quiet">{trial.worker}</td>
                  <td>{trial.run !== null && <a href={runHref(trial.run)}>{trial.run.slice(-4)}</a>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroller>
      </Section>
    </>
  );
}

export const sweepPage = pageRow({
  path: "/sweep/:sweep",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: false,
  Page: Sweep,
});

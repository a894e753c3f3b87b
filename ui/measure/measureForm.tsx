import { useState } from "preact/hooks";
import type { MeasurementsView } from "../../src/ui/views.ts";
import { postJson } from "../core/api.ts";
import { runHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { Notices } from "../parts/notices.tsx";

const words = texts({
  en: {
    checkpoint: "Checkpoint",
    samples: "Sequences",
    samplesHint: "whose gradients are taken; more of them make intervals narrower",
    asUsual: "as usual",
    start: "Measure",
    stop: "Stop",
    again: "measured",
    none: "The run has no checkpoint yet.",
    running: (step: number) => `Step ${step} is being measured`,
    starting: "starting …",
    of: (done: number, total: number) => `${done} of ${total} gradients and products`,
    other: "of another run:",
    finished: (step: number) => `Step ${step} is measured.`,
    stopped: (step: number) => `The measurement of step ${step} was stopped.`,
    text: "The page measures runs of text. For a task of your own: rotor measure, with --task.",
  },
  zh: {
    checkpoint: "检查点",
    samples: "序列数",
    samplesHint: "取这么多序列的梯度；越多区间越窄",
    asUsual: "默认",
    start: "测量",
    stop: "停止",
    again: "已测量",
    none: "此训练还没有检查点。",
    running: (step: number) => `正在测量第 ${step} 步`,
    starting: "启动中……",
    of: (done: number, total: number) => `${total} 个梯度与乘积中已完成 ${done} 个`,
    other: "另一次训练：",
    finished: (step: number) => `第 ${step} 步已测量。`,
    stopped: (step: number) => `第 ${step} 步的测量已停止。`,
    text: "此页面只测量文本训练。自己的任务请用 rotor measure 加 --task。",
  },
});

/** Starts a measurement of a checkpoint, shows how it goes, and stops it. */
export function MeasureForm({ data }: { readonly data: MeasurementsView }) {
  const t = useText(words);
  const { run, checkpoints, measurements, job } = data;
  const done = new Set(measurements.map(({ step }) => step));
  const [chosen, setChosen] = useState<number | null>(null);
  const [samples, setSamples] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  // The newest that isn't measured.
  const step = chosen ?? checkpoints.findLast((own) => !done.has(own)) ?? checkpoints.at(-1);
  if (run.task !== "language") return <p class="quiet">{t.text}</p>;
  if (step === undefined) return <p class="quiet">{t.none}</p>;
  const isRunning = job?.status === "running";
  const ask = async (path: string, body: unknown) => {
    try {
      await postJson(path, body);
      setProblem(null);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <>
      <form
        class="controls"
        onSubmit={(event) => {
          event.preventDefault();
          const count = Number(samples);
          void ask(`/api/runs/${encodeURIComponent(run.id)}/measure`, {
            step,
            ...(samples.trim() === "" ? {} : { samples: count }),
          });
          setChosen(null);
        }}
      >
        <label>
          {t.checkpoint}{" "}
          <select value={step} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
            {checkpoints.map((own) => (
              <option key={own} value={own}>
                {done.has(own) ? `${own} (${t.again})` : own}
              </option>
            ))}
          </select>
        </label>
        <label title={t.samplesHint}>
          {t.samples}{" "}
          <input
            type="number"
            min="8"
            max="65536"
            value={samples}
            placeholder={t.asUsual}
            onInput={(event) => setSamples(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={isRunning}>
          {t.start}
        </button>
        {isRunning && (
          <button type="button" onClick={() => void ask("/api/measure/stop", {})}>
            {t.stop}
          </button>
        )}
      </form>
      <Notices lines={problem === null ? [] : [problem]} isAlert />
      {job !== null && (
        <p role="status" class={job.status === "failed" ? "notice" : undefined}>
          {job.run !== run.id && (
            <>
              {t.other} <a href={runHref(job.run)}>{job.run}</a>{" "}
            </>
          )}
          {job.status === "running" && (
            <>
              {t.running(job.step)}{" "}
              <progress
                {...(job.total === null ? {} : { max: job.total, value: job.done })}
                aria-label={t.running(job.step)}
              />{" "}
              {job.total === null ? t.starting : t.of(job.done, job.total)}
            </>
          )}
          {job.status === "finished" && t.finished(job.step)}
          {job.status === "stopped" && t.stopped(job.step)}
          {job.status === "failed" && job.message}
        </p>
      )}
    </>
  );
}

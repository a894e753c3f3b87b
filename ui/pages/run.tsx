import { useMemo, useState } from "preact/hooks";
import type { RunEvent } from "../../src/runs/index.ts";
import type { DifferenceView, RunDetailView, RunView } from "../../src/ui/views.ts";
import { ApiError, fileAddress, postJson, shared } from "../core/api.ts";
import { alongAxis } from "../core/axis.ts";
import { compactNumber, duration, moment, number } from "../core/format.ts";
import { codesHref, compareHref, measureHref, playgroundHref, sweepHref } from "../core/router.ts";
import { useSettings } from "../core/settings.ts";
import { smooth } from "../core/smooth.ts";
import { texts, useText } from "../core/text.ts";
import { useData, useMetrics } from "../core/useData.ts";
import { Choice } from "../parts/choice.tsx";
import { CurveControls, useCurveView } from "../parts/curveControls.tsx";
import { Facts } from "../parts/facts.tsx";
import { Notices } from "../parts/notices.tsx";
import { Pending } from "../parts/pending.tsx";
import { Progress } from "../parts/progress.tsx";
import { Scroller } from "../parts/scroller.tsx";
import { Section } from "../parts/section.tsx";
import { StateMark } from "../parts/stateMark.tsx";
import { Table } from "../parts/table.tsx";
import { HeatMap } from "../plots/heatMap.tsx";
import { LinePlot, type PlotSeries } from "../plots/linePlot.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Run",
    stepsAxis: "steps",
    seconds: "seconds of training",
    loss: "Loss",
    training: "training",
    validation: "validation",
    unit: {
      language: "nats per token",
      autoencoder: "mean squared error",
      codes: "nats per code",
    } as Readonly<Record<string, string>>,
    names: {
      learningRate: "Learning rate",
      gradNorm: "Gradient norm",
      noiseScale: "Noise scale (sequences)",
      bitsPerByte: "Bits per byte",
      usage: "Share of codes in use",
      deadCodes: "Dead codes",
      perplexity: "Perplexity of codes",
    } as Readonly<Record<string, string>>,
    perSecond: (item: string) => `${item} per second`,
    curves: "Curves",
    spectra: "Spectra of the matrices",
    quantity: "Quantity",
    quantities: { ratio: "|update| / |weight|" },
    matrix: "matrix",
    samples: "Samples",
    pictures: "Pictures",
    codes: "Use of the codes",
    rank: "rank of the code",
    hits: "hits at the evaluation",
    codebook: (place: number, step: number) => `codebook ${place + 1}, step ${step}`,
    atStep: (step: number) => `Step ${step}`,
    configuration: "Configuration",
    differs: (preset: string) => `Differs from the preset ${preset}:`,
    equal: (preset: string) => `As the preset ${preset}.`,
    option: "Option",
    here: "this run",
    whole: "All of it",
    events: "Events",
    kinds: {
      start: (step: number) => (step === 0 ? "training began" : `went on after step ${step}`),
      checkpoint: (step: number) => `checkpoint of step ${step}`,
      end: (status: string, step: number | null) => `${status}${step === null ? "" : ` at step ${step}`}`,
    },
    when: "When",
    what: "What",
    tags: "Tags",
    addTag: "Add tag",
    removeTag: (tag: string) => `Remove tag ${tag}`,
    note: "Note",
    save: "Save",
    saved: "Saved.",
    begun: "Begun",
    version: "Rotor",
    seed: "Seed",
    checkpoints: "Checkpoints",
    steps: "Steps",
    finalLoss: "Training loss",
    validationLoss: "Validation loss",
    compare: "Compare with others",
    measure: "Measure its learning rate",
    playground: "Try it in the playground",
    sweep: "Sweep",
  },
  zh: {
    title: "训练",
    stepsAxis: "步数",
    seconds: "训练秒数",
    loss: "损失",
    training: "训练",
    validation: "验证",
    unit: { language: "每词元奈特", autoencoder: "均方误差", codes: "每码奈特" } as Readonly<
      Record<string, string>
    >,
    names: {
      learningRate: "学习率",
      gradNorm: "梯度范数",
      noiseScale: "噪声尺度（序列数）",
      bitsPerByte: "每字节比特",
      usage: "在用码的比例",
      deadCodes: "死码数",
      perplexity: "码的困惑度",
    } as Readonly<Record<string, string>>,
    perSecond: (item: string) => `每秒 ${item}`,
    curves: "曲线",
    spectra: "矩阵的谱",
    quantity: "量",
    quantities: { ratio: "|更新| / |权重|" },
    matrix: "矩阵",
    samples: "样本",
    pictures: "图片",
    codes: "码的使用",
    rank: "码的名次",
    hits: "评估时的命中数",
    codebook: (place: number, step: number) => `码本 ${place + 1}，第 ${step} 步`,
    atStep: (step: number) => `第 ${step} 步`,
    configuration: "配置",
    differs: (preset: string) => `与预设 ${preset} 的差异：`,
    equal: (preset: string) => `与预设 ${preset} 相同。`,
    option: "选项",
    here: "本次训练",
    whole: "全部",
    events: "事件",
    kinds: {
      start: (step: number) => (step === 0 ? "开始训练" : `从第 ${step} 步之后继续`),
      checkpoint: (step: number) => `第 ${step} 步的检查点`,
      end: (status: string, step: number | null) => `${status}${step === null ? "" : `，第 ${step} 步`}`,
    },
    when: "时间",
    what: "事件",
    tags: "标签",
    addTag: "添加标签",
    removeTag: (tag: string) => `移除标签 ${tag}`,
    note: "备注",
    save: "保存",
    saved: "已保存。",
    begun: "开始",
    version: "Rotor",
    seed: "种子",
    checkpoints: "检查点",
    steps: "步数",
    finalLoss: "训练损失",
    validationLoss: "验证损失",
    compare: "与其他训练比较",
    measure: "测量其学习率",
    playground: "在试验场中试用",
    sweep: "扫描",
  },
});

/** Tags and note: what a person says of a run. */
function Annotation({ run }: { readonly run: RunView }) {
  const t = useText(words);
  const [note, setNote] = useState(run.note);
  const [tag, setTag] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  // What another page wrote is shown, unless somebody is writing here.
  const [before, setBefore] = useState(run.note);
  if (run.note !== before) {
    if (note === before) setNote(run.note);
    setBefore(run.note);
  }
  const change = async (tags: readonly string[], text: string) => {
    try {
      await postJson(`/api/runs/${encodeURIComponent(run.id)}/annotation`, { tags, note: text });
      setSaid(t.saved);
    } catch (error) {
      setSaid(error instanceof ApiError ? error.message : String(error));
    }
  };
  return (
    <div class="annotation">
      <div>
        {run.tags.map((word) => (
          <span key={word} class="tag">
            {word}
            {shared === null && (
              <button
                type="button"
                aria-label={t.removeTag(word)}
                onClick={() =>
                  void change(
                    run.tags.filter((other) => other !== word),
                    run.note,
                  )
                }
              >
                ×
              </button>
            )}
          </span>
        ))}
        {shared === null && (
          <form
            class="selection inline"
            onSubmit={(event) => {
              event.preventDefault();
              if (tag.trim() === "") return;
              void change([...run.tags, tag.trim()], run.note);
              setTag("");
            }}
          >
            <label>
              <span class="hidden">{t.tags}</span>
              <input value={tag} maxLength={64} onInput={(event) => setTag(event.currentTarget.value)} />
            </label>
            <button type="submit">{t.addTag}</button>
          </form>
        )}
      </div>
      {shared === null ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void change(run.tags, note);
          }}
        >
          <label>
            {t.note}
            <textarea
              value={note}
              maxLength={10_000}
              onInput={(event) => setNote(event.currentTarget.value)}
            />
          </label>
          <button type="submit" disabled={note === run.note}>
            {t.save}
          </button>{" "}
          <span role="status">{said}</span>
        </form>
      ) : (
        run.note !== "" && <p>{run.note}</p>
      )}
    </div>
  );
}

/** Names of matrices, by depth: numbers in them as numbers. */
const byDepth = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

function Spectra({ run, names }: { readonly run: string; readonly names: readonly string[] }) {
  const t = useText(words);
  const quantities = [...new Set(names.map((name) => name.slice(name.lastIndexOf("/") + 1)))];
  const hasRatio = quantities.includes("updateRms") && quantities.includes("rms");
  const [quantity, setQuantity] = useState(hasRatio ? "ratio" : quantities[0]!);
  const matrices = useMemo(
    () => [...new Set(names.map((name) => name.slice(0, name.lastIndexOf("/"))))].sort(byDepth),
    [names.join()],
  );
  const wanted = matrices.flatMap((path) =>
    quantity === "ratio" ? [`${path}/updateRms`, `${path}/rms`] : [`${path}/${quantity}`],
  );
  const metrics = useMetrics(
    [run],
    wanted.filter((name) => names.includes(name)),
  )[run];
  const map = useMemo(() => {
    if (metrics === undefined) return null;
    const steps = [...new Set(Object.values(metrics).flatMap((series) => series.steps))].sort(
      (a, b) => a - b,
    );
    // No more columns than a picture has room for.
    const stride = Math.max(1, Math.ceil(steps.length / 400));
    const columns = steps.filter((_, i) => i % stride === 0);
    const at = (name: string) => {
      const series = metrics[name];
      return new Map(series?.steps.map((step, i) => [step, series.values[i]!]));
    };
    const rows = matrices.map((path) => {
      if (quantity !== "ratio") {
        const values = at(`${path}/${quantity}`);
        return columns.map((step) => values.get(step) ?? Number.NaN);
      }
      const [updates, weights] = [at(`${path}/updateRms`), at(`${path}/rms`)];
      return columns.map((step) => (updates.get(step) ?? Number.NaN) / (weights.get(step) ?? Number.NaN));
    });
    return { columns, rows };
  }, [metrics, quantity, matrices]);
  return (
    <>
      <Choice
        label={t.quantity}
        value={quantity}
        names={[...(hasRatio ? ["ratio"] : []), ...quantities]}
        wordOf={(name) => (name === "ratio" ? t.quantities.ratio : name)}
        onChange={setQuantity}
      />
      {map === null ? (
        <Pending error={null} />
      ) : (
        <HeatMap
          title={quantity === "ratio" ? t.quantities.ratio : quantity}
          rowLabel={t.matrix}
          columnLabel={t.stepsAxis}
          rows={matrices}
          columns={map.columns}
          values={map.rows}
          isLog={quantity === "ratio"}
        />
      )}
    </>
  );
}

interface HistogramFile {
  readonly step: number;
  readonly codebooks: readonly {
    readonly numCodes: number;
    readonly hits: readonly (readonly [number, number])[];
  }[];
}

/** How often each code was hit at the first and the last evaluation, from the most used. */
function Codes({ run, files }: { readonly run: string; readonly files: RunDetailView["histograms"] }) {
  const t = useText(words);
  const address = (file: string | undefined) =>
    file === undefined ? null : `/api/runs/${encodeURIComponent(run)}/codes/${encodeURIComponent(file)}`;
  const first = useData<HistogramFile>(address(files.length > 1 ? files[0]?.file : undefined), "once").data;
  const last = useData<HistogramFile>(address(files.at(-1)?.file), "once").data;
  const series = [first, last].flatMap((histogram) =>
    (histogram?.codebooks ?? []).map(({ numCodes, hits }, place) => {
      const counts = Array.from({ length: numCodes }, () => 0);
      for (const [code, count] of hits) counts[code] = count;
      counts.sort((a, b) => b - a);
      return { name: t.codebook(place, histogram!.step), x: counts.map((_, i) => i + 1), y: counts };
    }),
  );
  return (
    <LinePlot
      title={t.codes}
      xLabel={t.rank}
      yLabel={t.hits}
      series={series.map((one, style) => ({ ...one, style }))}
    />
  );
}

function Run({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const t = useText(words);
  const { language } = useSettings();
  const id = params.run!;
  const { data, error } = useData<RunDetailView>(`/api/runs/${encodeURIComponent(id)}`);
  const view = useCurveView(data === null ? [] : [data]);
  const { axis, axisLabel, window } = view;
  const plain = data?.metricNames.filter((name) => !name.includes("/")) ?? [];
  const metrics = useMetrics([id], plain)[id] ?? {};
  const spectra = data?.metricNames.filter((name) => name.includes("/")) ?? [];
  const place = (steps: readonly number[]) => (data === null ? steps : alongAxis(steps, axis, data));
  const lossSeries = useMemo((): PlotSeries[] => {
    const { loss, validationLoss } = metrics;
    return [
      ...(loss === undefined
        ? []
        : [
            { name: "raw", style: 0, isFaint: true, x: place(loss.steps), y: loss.values },
            { name: t.training, style: 0, x: place(loss.steps), y: smooth(loss.values, window) },
          ]),
      ...(validationLoss === undefined
        ? []
        : [{ name: t.validation, style: 1, x: place(validationLoss.steps), y: validationLoss.values }]),
    ];
  }, [metrics.loss, metrics.validationLoss, axis, window, t, axis === "time" ? data?.clock : null]);

  if (data === null) return <Pending error={error} />;
  const { run, item, clock } = data;
  const validation = metrics.validationLoss?.values.at(-1);
  const [speed, seconds] = [clock.itemsPerSecond.at(-1), clock.seconds.at(-1)];
  const eventText = (event: RunEvent) => {
    switch (event.kind) {
      case "note":
        return event.message;
      case "start":
      case "checkpoint":
        return t.kinds[event.kind](event.step);
      case "end":
        return `${t.kinds.end(event.status, event.step)}${event.message === null ? "" : `: ${event.message}`}`;
      default:
        return null;
    }
  };
  const others = plain.filter(
    (name) => !["loss", "validationLoss", "covarianceTrace", "gradientSquared"].includes(name),
  );
  return (
    <>
      <h1>
        {run.name} <span class="quiet">{run.id}</span>
      </h1>
      {error !== null && <Pending error={error} />}
      <Notices lines={run.message === null ? [] : [run.message]} />
      <Facts
        facts={[
          { key: "state", name: <StateMark state={run.status} />, value: <Progress run={run} /> },
          {
            key: "loss",
            name: t.finalLoss,
            value: number(run.summary.loss ?? metrics.loss?.values.at(-1)),
          },
          validation === undefined
            ? null
            : {
                key: "validation",
                name: t.validationLoss,
                value: (
                  <>
                    {number(validation)} <span class="quiet">{t.unit[run.task]}</span>
                  </>
                ),
              },
          speed === undefined ? null : { key: "speed", name: t.perSecond(item), value: compactNumber(speed) },
          seconds === undefined ? null : { key: "seconds", name: t.seconds, value: duration(seconds) },
          { key: "begun", name: t.begun, value: moment(run.createdAt, language) },
          { key: "version", name: t.version, value: run.codeVersion },
          { key: "seed", name: t.seed, value: run.seed },
          run.sweep === null
            ? null
            : { key: "sweep", name: t.sweep, value: <a href={sweepHref(run.sweep)}>{run.sweep}</a> },
          data.checkpoints.length === 0
            ? null
            : { key: "checkpoints", name: t.checkpoints, value: data.checkpoints.slice(-4).join(", ") },
        ]}
      />
      <Annotation run={run} />
      {shared === null && (
        <p>
          <a href={compareHref([run.id])}>{t.compare}</a>
          {(run.task === "language" || run.task === "own") && (
            <>
              {" · "}
              <a href={measureHref(run.id)}>{t.measure}</a>
            </>
          )}
          {(run.task === "language" || run.task === "autoencoder") && (
            <>
              {" · "}
              <a href={run.task === "language" ? playgroundHref([run.id]) : codesHref(run.id)}>
                {t.playground}
              </a>
            </>
          )}
        </p>
      )}
      <Section title={t.curves}>
        <div class="controls">
          <CurveControls view={view} />
        </div>
        <div class="plots">
          <div class="wide">
            <LinePlot
              title={t.loss}
              xLabel={axisLabel}
              yLabel={t.unit[run.task] ?? t.loss}
              series={lossSeries}
              cursor={run.id}
              height={340}
            />
          </div>
          {others.map((name) => {
            const series = metrics[name];
            if (series === undefined) return null;
            const shown = t.names[name] ?? name;
            return (
              <LinePlot
                key={name}
                title={shown}
                xLabel={axisLabel}
                yLabel={shown}
                series={[{ name: shown, style: 0, x: place(series.steps), y: series.values }]}
                cursor={run.id}
                height={200}
              />
            );
          })}
          {clock.steps.length > 1 && (
            <LinePlot
              title={t.perSecond(item)}
              xLabel={axisLabel}
              yLabel={t.perSecond(item)}
              series={[{ name: t.perSecond(item), style: 0, x: place(clock.steps), y: clock.itemsPerSecond }]}
              cursor={run.id}
              height={200}
            />
          )}
        </div>
      </Section>
      {spectra.length > 0 && (
        <Section title={t.spectra}>
          <Spectra run={run.id} names={spectra} />
        </Section>
      )}
      {data.histograms.length > 0 && (
        <Section title={t.codes}>
          <Codes run={run.id} files={data.histograms} />
        </Section>
      )}
      {data.pictures.length > 0 && (
        <Section title={t.pictures}>
          <Scroller kind="strip" label={t.pictures}>
            {data.pictures.map(({ step, file }) => (
              <figure key={file}>
                <figcaption>{t.atStep(step)}</figcaption>
                <img
                  alt={t.atStep(step)}
                  loading="lazy"
                  src={fileAddress(
                    `/api/runs/${encodeURIComponent(run.id)}/pictures/${encodeURIComponent(file)}`,
                  )}
                />
              </figure>
            ))}
          </Scroller>
        </Section>
      )}
      {data.samples.length > 0 && (
        <Section title={t.samples}>
          <Scroller kind="strip" label={t.samples}>
            {data.samples.toReversed().map(({ step, text }) => (
              <figure key={step}>
                <figcaption>{t.atStep(step)}</figcaption>
                <pre>{text}</pre>
              </figure>
            ))}
          </Scroller>
        </Section>
      )}
      <Section title={t.configuration}>
        {data.preset !== null &&
          (data.preset.differences.length === 0 ? (
            <p>{t.equal(data.preset.name)}</p>
          ) : (
            <>
              <p>{t.differs(data.preset.name)}</p>
              <Table
                label={t.differs(data.preset.name)}
                columns={[
                  {
                    key: "option",
                    label: t.option,
                    isHeading: true,
                    cell: ({ path }: DifferenceView) => <code>{path}</code>,
                  },
                  { key: "preset", label: data.preset.name, cell: ({ values }) => values[0] ?? "–" },
                  { key: "here", label: t.here, cell: ({ values }) => values[1] ?? "–" },
                ]}
                rows={data.preset.differences}
                rowKey={({ path }) => path}
              />
            </>
          ))}
        <details>
          <summary>{t.whole}</summary>
          <pre>{JSON.stringify(data.config, null, 2)}</pre>
        </details>
      </Section>
      {data.events.length > 0 && (
        <Section title={t.events} isOpen={data.events.length <= 30}>
          <Table
            label={t.events}
            columns={[
              { key: "when", label: t.when, cell: ({ time }: RunEvent) => moment(time, language) },
              { key: "what", label: t.what, cell: eventText },
            ]}
            rows={data.events.toReversed()}
            rowKey={(_, place) => data.events.length - place}
          />
        </Section>
      )}
    </>
  );
}

export const runPage = pageRow({
  path: "/run/:run",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: false,
  Page: Run,
});

import { useEffect, useMemo, useState } from "preact/hooks";
import type { RunsView, RunView, SparksView } from "../../src/ui/views.ts";
import { getJson, postJson, shared, sharedAnswers } from "../core/api.ts";
import { moment, number } from "../core/format.ts";
import { compareHref, runHref, sweepHref } from "../core/router.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { Choice } from "../parts/choice.tsx";
import { Notices } from "../parts/notices.tsx";
import { Pending } from "../parts/pending.tsx";
import { Progress } from "../parts/progress.tsx";
import { Scroller } from "../parts/scroller.tsx";
import { Spark } from "../parts/spark.tsx";
import { StateMark } from "../parts/stateMark.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Runs",
    caption: "Runs, newest first unless sorted",
    search: "Filter",
    searchHint: "name, id, tag, note, optimizer, state …",
    group: "Group by",
    groups: {
      sweep: "sweep",
      none: "nothing",
      tag: "tag",
      task: "task",
      status: "state",
      optimizer: "optimizer",
      name: "name",
    },
    untagged: "no tag",
    columns: {
      name: "Run",
      status: "State",
      step: "Step",
      curve: "Loss",
      loss: "Training",
      validation: "Validation",
      learningRate: "Learning rate",
      batchSize: "Batch",
      optimizer: "Optimizer",
      createdAt: "Begun",
    },
    select: (name: string) => `Select ${name}`,
    selected: (count: number) => `${count} selected`,
    compare: "Compare",
    addTag: "Add tag",
    tag: "Tag",
    none: "There are no runs yet. Start one with:",
    noMatch: "No run fits the filter.",
    shown: (shown: number, count: number) => `${shown} of ${count} runs`,
    more: (count: number) => `Show ${count} more`,
    trials: (count: number) => `${count} trials`,
    runs: (count: number) => `${count} runs`,
    latest: "latest",
    best: "best",
  },
  zh: {
    title: "训练",
    caption: "训练列表，未排序时最新在前",
    search: "筛选",
    searchHint: "名称、编号、标签、备注、优化器、状态……",
    group: "分组",
    groups: {
      sweep: "扫描",
      none: "不分组",
      tag: "标签",
      task: "任务",
      status: "状态",
      optimizer: "优化器",
      name: "名称",
    },
    untagged: "无标签",
    columns: {
      name: "训练",
      status: "状态",
      step: "步",
      curve: "损失",
      loss: "训练损失",
      validation: "验证损失",
      learningRate: "学习率",
      batchSize: "批量",
      optimizer: "优化器",
      createdAt: "开始",
    },
    select: (name: string) => `选择 ${name}`,
    selected: (count: number) => `已选 ${count} 个`,
    compare: "比较",
    addTag: "添加标签",
    tag: "标签",
    none: "还没有训练。用以下命令开始：",
    noMatch: "没有符合筛选的训练。",
    shown: (shown: number, count: number) => `${count} 个训练中的 ${shown} 个`,
    more: (count: number) => `再显示 ${count} 个`,
    trials: (count: number) => `${count} 次试验`,
    runs: (count: number) => `${count} 个训练`,
    latest: "最新",
    best: "最佳",
  },
});

type Column = keyof (typeof words)["en"]["columns"];
type Grouping = keyof (typeof words)["en"]["groups"];

const sortable: Readonly<Partial<Record<Column, (run: RunView) => string | number | null>>> = {
  name: ({ name }) => name,
  status: ({ status }) => status,
  step: ({ step }) => step,
  loss: ({ summary }) => summary.loss ?? null,
  validation: ({ summary }) => summary.validationLoss ?? null,
  learningRate: ({ learningRate }) => learningRate,
  batchSize: ({ batchSize }) => batchSize,
  optimizer: ({ optimizer }) => optimizer,
  createdAt: ({ createdAt }) => createdAt,
};

interface Sorting {
  readonly column: Column;
  readonly isDown: boolean;
}

function sorted(runs: readonly RunView[], sorting: Sorting | null): readonly RunView[] {
  if (sorting === null) return runs;
  const key = sortable[sorting.column]!;
  const sign = sorting.isDown ? -1 : 1;
  return runs.toSorted((a, b) => {
    const [x, y] = [key(a), key(b)];
    // What has no value stands last, whichever way.
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y));
  });
}

const fits = (run: RunView, text: string) =>
  text === "" ||
  text
    .toLowerCase()
    .split(/\s+/)
    .every((word) =>
      [
        run.name,
        run.id,
        run.note,
        run.status,
        run.task,
        run.optimizer ?? "",
        run.sweep ?? "",
        ...run.tags,
      ].some((part) => part.toLowerCase().includes(word)),
    );

interface Group {
  readonly key: string;
  readonly label: string;
  readonly runs: readonly RunView[];
  /** Shown by itself, without a heading. */
  readonly isSingle: boolean;
}

function grouped(runs: readonly RunView[], by: Grouping, untagged: string): Group[] {
  const groups = new Map<string, { label: string; runs: RunView[]; isSingle: boolean }>();
  const add = (key: string, label: string, run: RunView, isSingle = false) => {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { label, runs: [run], isSingle });
    else group.runs.push(run);
  };
  for (const run of runs) {
    if (by === "none" || (by === "sweep" && run.sweep === null)) add(`run ${run.id}`, run.name, run, true);
    else if (by === "tag")
      for (const tag of run.tags.length > 0 ? run.tags : [null]) add(`tag ${tag}`, tag ?? untagged, run);
    else {
      const label = String(run[by] ?? "");
      add(`${by} ${label}`, label, run);
    }
  }
  return [...groups].map(([key, group]) => ({ key, ...group }));
}

/** Rows that are made at once; the rest on request, so that the table is there at once. */
const pageSize = 100;

function Runs() {
  const t = useText(words);
  const { language } = useSettings();
  const { data, error } = useData<RunsView>("/api/runs");
  const [search, setSearch] = useState("");
  const [grouping, setGrouping] = useState<Grouping>("sweep");
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [count, setCount] = useState(pageSize);
  const [tag, setTag] = useState("");
  const [sparks, setSparks] = useState<Readonly<Record<string, readonly number[]>>>({});

  const runs = data?.runs ?? [];
  const groups = useMemo(
    () =>
      grouped(
        sorted(
          runs.filter((run) => fits(run, search.trim())),
          sorting,
        ),
        grouping,
        t.untagged,
      ),
    [runs, search, sorting, grouping, t],
  );
  const lines = groups.flatMap((group) => [
    { group, run: group.isSingle ? group.runs[0]! : null },
    ...(group.isSingle || !open.has(group.key) ? [] : group.runs.map((run) => ({ group, run }))),
  ]);
  const shown = lines.slice(0, count);
  // Curves of the rows that are shown, asked for when they are new or have moved.
  const visible = shown.flatMap(({ run }) => (run === null ? [] : [run]));
  const wanted = visible.map(({ id, step }) => `${id} ${step}`).join(",");
  useEffect(() => {
    if (visible.length === 0) return;
    if (shared !== null) {
      setSparks(Object.assign({}, ...sharedAnswers<SparksView>("/api/sparks")));
      return;
    }
    const ids = visible
      .map(({ id }) => id)
      .filter((id, i) => sparks[id] === undefined || visible[i]!.status === "running");
    if (ids.length === 0) return;
    void getJson<SparksView>(`/api/sparks?${ids.map((id) => `run=${encodeURIComponent(id)}`).join("&")}`)
      .then((more) => setSparks((before) => ({ ...before, ...more })))
      .catch(() => {});
  }, [wanted]);

  if (data === null) return <Pending error={error} />;
  const toggle = (set: ReadonlySet<string>, key: string) => {
    const next = new Set(set);
    if (!next.delete(key)) next.add(key);
    return next;
  };
  const addTag = async () => {
    const word = tag.trim();
    if (word === "") return;
    for (const run of runs.filter(({ id }) => selected.has(id)))
      if (!run.tags.includes(word))
        await postJson(`/api/runs/${encodeURIComponent(run.id)}/annotation`, {
          tags: [...run.tags, word],
          note: run.note,
        });
    setTag("");
  };
  const header = (column: Column, isNumber = false) => {
    const isSorted = sorting?.column === column;
    return (
      <th
        scope="col"
        class={isNumber ? "number" : ""}
        aria-sort={isSorted ? (sorting.isDown ? "descending" : "ascending") : undefined}
      >
        {sortable[column] === undefined ? (
          t.columns[column]
        ) : (
          <button
            type="button"
            onClick={() => setSorting(isSorted && sorting.isDown ? null : { column, isDown: isSorted })}
          >
            {t.columns[column]}
            <span aria-hidden="true">{isSorted ? (sorting.isDown ? " ▼" : " ▲") : ""}</span>
          </button>
        )}
      </th>
    );
  };
  const runRow = (run: RunView, isInside: boolean) => (
    <tr key={run.id} class={isInside ? "inside" : ""}>
      <td>
        <input
          type="checkbox"
          aria-label={t.select(`${run.name} ${run.id}`)}
          checked={selected.has(run.id)}
          onChange={() => setSelected(toggle(selected, run.id))}
        />
      </td>
      <th scope="row">
        <a href={runHref(run.id)}>{run.name}</a>{" "}
        {run.id === data.latest && <span class="tag">{t.latest}</span>}
        {run.tags.map((word) => (
          <span key={word} class="tag">
            {word}
          </span>
        ))}
        <span class="quiet id">{run.id}</span>
        {run.note !== "" && <span class="quiet note">{run.note}</span>}
      </th>
      <td>
        <StateMark state={run.status} />
      </td>
      <td class="number">
        <Progress run={run} />
      </td>
      <td>
        <Spark values={sparks[run.id]} />
      </td>
      <td class="number">{number(run.summary.loss ?? sparks[run.id]?.at(-1))}</td>
      <td class="number">{number(run.summary.validationLoss)}</td>
      <td class="number">{number(run.learningRate)}</td>
      <td class="number">{number(run.batchSize)}</td>
      <td>{run.optimizer}</td>
      <td>{moment(run.createdAt, language)}</td>
    </tr>
  );
  const groupRow = (group: Group) => {
    const best = group.runs.reduce(
      (least: number | null, { summary: { validationLoss } }) =>
        validationLoss === undefined ? least : Math.min(least ?? validationLoss, validationLoss),
      null,
    );
    const running = group.runs.filter(({ status }) => status === "running").length;
    return (
      <tr key={group.key} class="group">
        <td>
          <button
            type="button"
            aria-expanded={open.has(group.key)}
            aria-label={group.label}
            onClick={() => setOpen(toggle(open, group.key))}
          >
            {open.has(group.key) ? "▾" : "▸"}
          </button>
        </td>
        <th scope="rowgroup" colSpan={5}>
          {grouping === "sweep" ? <a href={sweepHref(group.label)}>{group.label}</a> : group.label}{" "}
          <span class="quiet">
            {grouping === "sweep" ? t.trials(group.runs.length) : t.runs(group.runs.length)}
          </span>
          {running > 0 && <StateMark state="running" />}
        </th>
        <td class="number">{best !== null && `${t.best} ${number(best)}`}</td>
        <td colSpan={4} />
      </tr>
    );
  };
  return (
    <>
      <h1>{t.title}</h1>
      {error !== null && <Pending error={error} />}
      <Notices lines={data.problems} isAlert />
      <div class="controls">
        <label>
          {t.search}{" "}
          <input
            type="search"
            value={search}
            placeholder={t.searchHint}
            onInput={(event) => {
              setSearch(event.currentTarget.value);
              setCount(pageSize);
            }}
          />
        </label>
        <Choice
          label={t.group}
          value={grouping}
          names={Object.keys(t.groups) as Grouping[]}
          wordOf={(name) => t.groups[name]}
          onChange={setGrouping}
        />
        <span class="quiet" role="status">
          {t.shown(
            groups.reduce((sum, group) => sum + group.runs.length, 0),
            data.count,
          )}
        </span>
        {shared === null && selected.size > 0 && (
          <form
            class="selection"
            onSubmit={(event) => {
              event.preventDefault();
              void addTag();
            }}
          >
            <span>{t.selected(selected.size)}</span>
            <a class="button" href={compareHref([...selected])}>
              {t.compare}
            </a>
            <label>
              {t.tag}{" "}
              <input value={tag} maxLength={64} onInput={(event) => setTag(event.currentTarget.value)} />
            </label>
            <button type="submit">{t.addTag}</button>
          </form>
        )}
      </div>
      {data.count === 0 ? (
        <p>
          {t.none} <code>rotor train tiny</code>
        </p>
      ) : lines.length === 0 ? (
        <p>{t.noMatch}</p>
      ) : (
        <Scroller kind="scroll" label={t.caption}>
          <table class="runs">
            <thead>
              <tr>
                <td />
                {header("name")}
                {header("status")}
                {header("step", true)}
                {header("curve")}
                {header("loss", true)}
                {header("validation", true)}
                {header("learningRate", true)}
                {header("batchSize", true)}
                {header("optimizer")}
                {header("createdAt")}
              </tr>
            </thead>
            <tbody>
              {shown.map(({ group, run }) => (run === null ? groupRow(group) : runRow(run, !group.isSingle)))}
            </tbody>
          </table>
        </Scroller>
      )}
      {lines.length > count && (
        <button type="button" onClick={() => setCount(count + 500)}>
          {t.more(Math.min(500, lines.length - count))}
        </button>
      )}
    </>
  );
}

export const runsPage = pageRow({
  path: "/runs",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Runs,
});

import type { SweepsView, SweepView } from "../../src/ui/views.ts";
import { moment } from "../core/format.ts";
import { sweepHref } from "../core/router.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { TableDrop } from "../fit/tableDrop.tsx";
import { Notices } from "../parts/notices.tsx";
import { Pending } from "../parts/pending.tsx";
import { Table } from "../parts/table.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Sweeps",
    none: "There are no sweeps yet. Start one with:",
    where: (place: string) => `In ${place}.`,
    columns: {
      name: "Sweep",
      waiting: "Waiting",
      running: "Running",
      finished: "Finished",
      diverged: "Diverged",
      failed: "Failed",
      parameters: "Parameters",
      begun: "Begun",
    },
  },
  zh: {
    title: "扫描",
    none: "还没有扫描。用以下命令开始：",
    where: (place: string) => `位于 ${place}。`,
    columns: {
      name: "扫描",
      waiting: "等待",
      running: "运行中",
      finished: "已完成",
      diverged: "发散",
      failed: "失败",
      parameters: "参数",
      begun: "开始",
    },
  },
});

const counted = ["waiting", "running", "finished", "diverged", "failed"] as const;

function Sweeps() {
  const t = useText(words);
  const { language } = useSettings();
  const { data, error } = useData<SweepsView>("/api/sweeps", "sweeps");
  if (data === null) return <Pending error={error} />;
  return (
    <>
      <h1>{t.title}</h1>
      {error !== null && <Pending error={error} />}
      <Notices lines={data.problems} isAlert />
      {data.sweeps.length === 0 ? (
        <p>
          {t.none} <code>rotor sweep sweep.yaml</code>
        </p>
      ) : (
        <Table
          label={t.title}
          columns={[
            {
              key: "name",
              label: t.columns.name,
              isHeading: true,
              cell: ({ id, name }: SweepView) => (
                <>
                  <a href={sweepHref(id)}>{name}</a> <span class="quiet id">{id}</span>
                </>
              ),
            },
            ...counted.map((name) => ({
              key: name,
              label: t.columns[name],
              isNumber: true,
              cell: ({ counts }: SweepView) => counts[name],
            })),
            {
              key: "parameters",
              label: t.columns.parameters,
              cell: ({ parameters }) => parameters.join(", "),
            },
            { key: "begun", label: t.columns.begun, cell: ({ createdAt }) => moment(createdAt, language) },
          ]}
          rows={data.sweeps}
          rowKey={({ id }) => id}
        />
      )}
      <p class="quiet">{t.where(data.location)}</p>
      <TableDrop />
    </>
  );
}

export const sweepsPage = pageRow({
  path: "/sweeps",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Sweeps,
});

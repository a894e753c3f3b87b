import type { SweepsView } from "../../src/ui/views.ts";
import { moment } from "../core/format.ts";
import { Pending, Scroller } from "../core/parts.tsx";
import { sweepHref } from "../core/router.ts";
import { useSettings } from "../core/settings.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
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
      {data.problems.map((problem) => (
        <p key={problem} class="notice" role="alert">
          {problem}
        </p>
      ))}
      {data.sweeps.length === 0 ? (
        <p>
          {t.none} <code>rotor sweep sweep.yaml</code>
        </p>
      ) : (
        <Scroller kind="scroll" label={t.title}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t.columns.name}</th>
                {counted.map((name) => (
                  <th key={name} scope="col" class="number">
                    {t.columns[name]}
                  </th>
                ))}
                <th scope="col">{t.columns.parameters}</th>
                <th scope="col">{t.columns.begun}</th>
              </tr>
            </thead>
            <tbody>
              {data.sweeps.map((sweep) => (
                <tr key={sweep.id}>
                  <th scope="row">
                    <a href={sweepHref(sweep.id)}>{sweep.name}</a> <span class="quiet id">{sweep.id}</span>
                  </th>
                  {counted.map((name) => (
                    <td key={name} class="number">
                      {sweep.counts[name]}
                    </td>
                  ))}
                  <td>{sweep.parameters.join(", ")}</td>
                  <td>{moment(sweep.createdAt, language)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroller>
      )}
      <p class="quiet">{t.where(data.location)}</p>
    </>
  );
}

export const sweepsPage = pageRow({
  path: "/sweeps",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Sweeps,
});

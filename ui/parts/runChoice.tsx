import type { RunsView, RunView } from "../../src/ui/views.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";

const words = texts({
  en: { run: "Run", choose: "Choose a run …" },
  zh: { run: "训练", choose: "选择训练……" },
});

/** So many of the newest can be chosen. */
const limit = 500;

/** One of the runs that suit. */
export function RunChoice({
  value,
  suits,
  onChange,
}: {
  /** An id; empty if none is chosen. */
  readonly value: string;
  suits(run: RunView): boolean;
  onChange(id: string): void;
}) {
  const t = useText(words);
  const { data } = useData<RunsView>("/api/runs");
  return (
    <label>
      {t.run}{" "}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="" disabled>
          {t.choose}
        </option>
        {data?.runs
          .filter(suits)
          .slice(0, limit)
          .map((run) => (
            <option key={run.id} value={run.id}>
              {run.name} {run.id}
            </option>
          ))}
      </select>
    </label>
  );
}

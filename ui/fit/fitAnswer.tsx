import { useState } from "preact/hooks";
import { save } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { Choice } from "../parts/choice.tsx";
import { Section } from "../parts/section.tsx";
import { FitSections } from "./fitSections.tsx";
import type { Fitted } from "./useFit.ts";

const words = texts({
  en: {
    fitting: "Fitting …",
    noFit: "No fit:",
    group: "Group",
    notes: "Notes",
    text: "As rotor fit says it",
  },
  zh: {
    fitting: "拟合中……",
    noFit: "无法拟合：",
    group: "组",
    notes: "说明",
    text: "rotor fit 的原文",
  },
});

/** Everything that a table of runs says, or why it says nothing. */
export function FitAnswer({
  fitted: { outcome, isBusy },
  name,
}: {
  readonly fitted: Fitted;
  readonly name: string;
}) {
  const t = useText(words);
  const [chosen, setChosen] = useState<string | null>(null);
  if (outcome === null) return <p role="status">{t.fitting}</p>;
  if (outcome.kind === "refused")
    return (
      <p class="notice" role="alert" aria-busy={isBusy}>
        {t.noFit} {outcome.problem}
      </p>
    );
  const groups = outcome.kind === "groups" ? outcome.groups : [];
  const group = groups.find((one) => one.name === chosen) ?? groups[0];
  const fit = outcome.kind === "sweep" ? outcome.fit : group?.fit;
  return (
    <div aria-busy={isBusy}>
      {isBusy && <p role="status">{t.fitting}</p>}
      <div class="controls">
        {group !== undefined && (
          <Choice
            label={t.group}
            value={group.name}
            names={groups.map((one) => one.name)}
            onChange={setChosen}
          />
        )}
        <button type="button" onClick={() => save(`${name}.json`, "application/json", `${outcome.json}\n`)}>
          JSON
        </button>
      </div>
      {fit !== undefined && <FitSections fit={fit} name={name} />}
      {outcome.warnings.length > 0 && (
        <Section title={t.notes}>
          <ul>
            {outcome.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={t.text} isOpen={fit === undefined || outcome.kind === "groups"}>
        <pre>{outcome.text}</pre>
      </Section>
    </div>
  );
}

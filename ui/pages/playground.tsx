import { useState } from "preact/hooks";
import type { ModelPlace } from "../../src/ui/model/modelQuestion.ts";
import { shared } from "../core/api.ts";
import { playgroundHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { useKept } from "../core/useKept.ts";
import { Notices } from "../parts/notices.tsx";
import { Section } from "../parts/section.tsx";
import { useModel } from "../playground/askModel.ts";
import { Attention } from "../playground/attention.tsx";
import {
  type AskedPlace,
  CheckpointChooser,
  parsePlace,
  placeText,
  useCheckpoint,
} from "../playground/checkpointChooser.tsx";
import { Continuation } from "../playground/continuation.tsx";
import { PlaygroundTabs } from "../playground/tabs.tsx";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Playground",
    prompt: "Prompt",
    tokens: "Tokens",
    temperature: "Temperature",
    topK: "Top k",
    topP: "Top p",
    seed: "Seed",
    all: "all",
    go: "Continue the text",
    stop: "Stop",
    busy: "The model is asked …",
    beside: "Another checkpoint beside it",
    alone: "Only the first checkpoint",
    attention: "Attention",
    panel: (place: number) => `Checkpoint ${place + 1}`,
  },
  zh: {
    title: "试验场",
    prompt: "提示",
    tokens: "词元数",
    temperature: "温度",
    topK: "Top k",
    topP: "Top p",
    seed: "种子",
    all: "全部",
    go: "续写文本",
    stop: "停止",
    busy: "正在询问模型……",
    beside: "并列另一个检查点",
    alone: "仅第一个检查点",
    attention: "注意力",
    panel: (place: number) => `检查点 ${place + 1}`,
  },
});

/** How text is drawn; empty for what isn't limited. */
const firstSettings = { tokens: "24", temperature: "0.8", topK: "", topP: "", seed: "0" };
type Settings = typeof firstSettings;

const limits: Record<
  keyof Settings,
  { readonly min: number; readonly max: number; readonly step: number | "any" }
> = {
  tokens: { min: 1, max: 256, step: 1 },
  temperature: { min: 0, max: 100, step: "any" },
  topK: { min: 1, max: 1_000_000, step: 1 },
  topP: { min: 0, max: 1, step: "any" },
  seed: { min: 0, max: 2 ** 32 - 1, step: 1 },
};

const numberOf = (text: string) => (text.trim() === "" ? null : Number(text));

/** What an answer goes on from, whatever was chosen and typed since. */
interface Read {
  readonly at: ModelPlace;
  readonly prompt: string;
}

/** One checkpoint with what it makes of the prompt. */
function Panel({
  index,
  place,
  prompt,
  settings,
  asked,
  onChange,
}: {
  readonly index: number;
  readonly place: AskedPlace;
  readonly prompt: string;
  readonly settings: Settings;
  /** Grows when a person asks all panels. */
  readonly asked: number;
  onChange(place: AskedPlace): void;
}) {
  const t = useText(words);
  const { detail, checkpoint } = useCheckpoint(place);
  const { answer, problem, isBusy, ask, stop } = useModel("continue", `text:${index}`);
  const [answered, setAnswered] = useState(0);
  const [read, setRead] = useKept<Read | null>(`read:${index}`, null);
  const go = (from: Read, ids: readonly number[]) => {
    setRead(from);
    const { tokens, temperature, topK, topP, seed } = settings;
    ask(from.at, {
      prompt: from.prompt,
      ids,
      tokens: Number(tokens),
      temperature: Number(temperature),
      topK: numberOf(topK),
      topP: numberOf(topP),
      seed: Number(seed),
    });
  };
  if (asked !== answered) {
    setAnswered(asked);
    if (checkpoint !== null) go({ at: checkpoint, prompt }, []);
  }
  const nameAt = (step: number | undefined) => `${detail?.run.name ?? "model"}-${step ?? ""}`;
  return (
    <section aria-label={t.panel(index)} class="panel">
      <CheckpointChooser task="language" place={place} onChange={onChange} />
      {isBusy && (
        <p role="status">
          {t.busy}{" "}
          <button type="button" onClick={stop}>
            {t.stop}
          </button>
        </p>
      )}
      <Notices lines={problem === null ? [] : [problem]} isAlert />
      {answer !== null && read !== null && (
        <Continuation
          view={answer}
          prompt={read.prompt}
          name={nameAt(read.at.step)}
          onContinue={(ids) => go(read, ids)}
        />
      )}
      <Section title={t.attention} isOpen={shared !== null}>
        <Attention at={checkpoint} prompt={prompt} index={index} name={nameAt(checkpoint?.step)} />
      </Section>
    </section>
  );
}

function Playground({ query }: { readonly query: URLSearchParams }) {
  const t = useText(words);
  const given = query.getAll("at").slice(0, 2).map(parsePlace);
  const places = given.length === 0 ? [{ run: "", step: null }] : given;
  const [prompt, setPrompt] = useKept("prompt", "The ");
  const [settings, setSettings] = useKept<Settings>("settings", firstSettings);
  const [asked, setAsked] = useState(0);
  const go = (next: readonly AskedPlace[]) => {
    location.hash = playgroundHref(next.map(placeText));
  };
  return (
    <>
      <h1>{t.title}</h1>
      {shared === null && <PlaygroundTabs current="text" />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(asked + 1);
        }}
      >
        <label>
          {t.prompt}
          <textarea
            value={prompt}
            maxLength={8000}
            readOnly={shared !== null}
            onInput={(event) => setPrompt(event.currentTarget.value)}
          />
        </label>
        <div class="controls">
          {(Object.keys(limits) as (keyof Settings)[]).map((name) => (
            <label key={name}>
              {t[name]}{" "}
              <input
                type="number"
                {...limits[name]}
                required={name !== "topK" && name !== "topP"}
                value={settings[name]}
                placeholder={t.all}
                readOnly={shared !== null}
                onInput={(event) => setSettings({ ...settings, [name]: event.currentTarget.value })}
              />
            </label>
          ))}
          {shared === null && (
            <>
              <button type="submit" disabled={places.every(({ run }) => run === "")}>
                {t.go}
              </button>
              {places.length === 1 ? (
                <button
                  type="button"
                  disabled={places[0]!.run === ""}
                  onClick={() => go([places[0]!, places[0]!])}
                >
                  {t.beside}
                </button>
              ) : (
                <button type="button" onClick={() => go([places[0]!])}>
                  {t.alone}
                </button>
              )}
            </>
          )}
        </div>
      </form>
      <div class="panels">
        {places.map((place, index) => (
          <Panel
            key={index}
            index={index}
            place={place}
            prompt={prompt}
            settings={settings}
            asked={asked}
            onChange={(changed) => go(places.map((own, i) => (i === index ? changed : own)))}
          />
        ))}
      </div>
    </>
  );
}

export const playgroundPage = pageRow({
  path: "/playground",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: true,
  Page: Playground,
});

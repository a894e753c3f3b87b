import { useEffect, useState } from "preact/hooks";
import { shared } from "../core/api.ts";
import { texts, useText } from "../core/text.ts";
import { PlaygroundTabs } from "../playground/tabs.tsx";
import { LayoutPanel } from "../positions/layoutPanel.tsx";
import { usePositions } from "../positions/usePositions.ts";
import { pageRow } from "./pageRow.ts";

const words = texts({
  en: {
    title: "Positions",
    intro:
      "Where a layout puts the tokens of text, images and videos. Everything is worked out in your browser.",
    document: "Document",
    hint: "for example text:5 image:4x6 text:3 video:2x4x4@0.5; with /2 at the end, sides are of patches of which 2 × 2 are merged",
    draw: "Draw",
    layout: (place: number) => (place === 0 ? "Layout" : `Layout ${place + 1}`),
    layouts: "Layouts",
    models: "Published models",
    beside: "Another layout beside it",
    alone: "Only the first layout",
  },
  zh: {
    title: "位置",
    intro: "布局把文本、图像与视频的词元放在何处。一切都在你的浏览器中计算。",
    document: "文档",
    hint: "例如 text:5 image:4x6 text:3 video:2x4x4@0.5；末尾加 /2 表示边长为图块数，每 2 × 2 个合并",
    draw: "绘制",
    layout: (place: number) => (place === 0 ? "布局" : `布局 ${place + 1}`),
    layouts: "布局",
    models: "已发布的模型",
    beside: "并列另一个布局",
    alone: "仅第一个布局",
  },
});

const first = { layout: "tie-v2", second: "mrope", document: "text:5 image:4x6 text:3" };

function LayoutChoice({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  onChange(layout: string): void;
}) {
  const t = useText(words);
  const answer = usePositions({ kind: "names" });
  const names = answer?.kind === "names" ? answer : { layouts: [value], models: [] };
  return (
    <label>
      {label}{" "}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <optgroup label={t.layouts}>
          {names.layouts.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </optgroup>
        <optgroup label={t.models}>
          {names.models.map((name) => (
            <option key={name} value={name}>
              {name.replace(/^model:/, "")}
            </option>
          ))}
        </optgroup>
      </select>
    </label>
  );
}

function Positions({ query }: { readonly query: URLSearchParams }) {
  const t = useText(words);
  const document = query.get("document") ?? first.document;
  const given = query.getAll("layout").slice(0, 2);
  const layouts = given.length === 0 ? [first.layout] : given;
  const [text, setText] = useState(document);
  useEffect(() => setText(document), [document]);
  const go = (nextLayouts: readonly string[], nextDocument: string) => {
    const next = new URLSearchParams([
      ...nextLayouts.map((layout) => ["layout", layout]),
      ["document", nextDocument],
    ]);
    location.hash = `#/playground/positions?${next}`;
  };
  return (
    <>
      <h1>{t.title}</h1>
      {shared === null && <PlaygroundTabs current="positions" />}
      <p class="quiet">{t.intro}</p>
      {shared === null && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            go(layouts, text);
          }}
        >
          <label>
            {t.document}
            <input
              class="long"
              value={text}
              maxLength={2000}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
          <p class="quiet">{t.hint}</p>
          <div class="controls">
            <button type="submit">{t.draw}</button>
            {layouts.length === 1 ? (
              <button type="button" onClick={() => go([layouts[0]!, first.second], document)}>
                {t.beside}
              </button>
            ) : (
              <button type="button" onClick={() => go([layouts[0]!], document)}>
                {t.alone}
              </button>
            )}
          </div>
        </form>
      )}
      <div class="panels">
        {layouts.map((layout, place) => (
          <section key={place} class="panel" aria-label={t.layout(place)}>
            {shared === null && (
              <LayoutChoice
                label={t.layout(place)}
                value={layout}
                onChange={(changed) =>
                  go(
                    layouts.map((own, i) => (i === place ? changed : own)),
                    document,
                  )
                }
              />
            )}
            <LayoutPanel layout={layout} document={document} onDraw={(example) => go(layouts, example)} />
          </section>
        ))}
      </div>
    </>
  );
}

export const positionsPage = pageRow({
  path: "/playground/positions",
  title: { en: words.en.title, zh: words.zh.title },
  isListed: false,
  Page: Positions,
});

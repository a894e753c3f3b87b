import { useEffect, useRef, useState } from "preact/hooks";
import { groundColours, sequentialColour } from "../../src/palette.ts";
import type { ModelPlace } from "../../src/ui/model/modelQuestion.ts";
import type { AttentionView } from "../../src/ui/views.ts";
import { shared } from "../core/api.ts";
import { csv, escapeXml, number, save } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { Choice } from "../parts/choice.tsx";
import { Notices } from "../parts/notices.tsx";
import { PlotFrame } from "../plots/plotFrame.tsx";
import { useModel } from "./askModel.ts";
import { shownText } from "./shownText.ts";

const words = texts({
  en: {
    show: "Show attention",
    busy: "The model is asked …",
    layer: "Layer",
    head: (head: number) => `Head ${head + 1}`,
    summary: (first: string, before: string, itself: string) =>
      `on average ${first} on the first token, ${before} on the one before, ${itself} on itself`,
    hint: "a row is a token that attends, a column one that is attended to; arrows move",
    from: (query: string, key: string, weight: string) => `${query} attends to ${key}: ${weight}`,
  },
  zh: {
    show: "显示注意力",
    busy: "正在询问模型……",
    layer: "层",
    head: (head: number) => `头 ${head + 1}`,
    summary: (first: string, before: string, itself: string) =>
      `平均：首个词元 ${first}，前一个 ${before}，自身 ${itself}`,
    hint: "行为注意的词元，列为被注意的词元；方向键移动",
    from: (query: string, key: string, weight: string) => `${query} 注意 ${key}：${weight}`,
  },
});

const percent = (share: number) => `${Math.round(100 * share)} %`;

/** Mean weights on the first token, the one before and the own, of queries that have one before. */
function habits(rows: AttentionView["heads"][number]): readonly [number, number, number] {
  const own = rows.slice(1);
  const mean = (of: (row: readonly number[]) => number) =>
    own.length === 0 ? 1 : own.reduce((sum, row) => sum + of(row), 0) / own.length;
  return [mean((row) => row[0]!), mean((row) => row.at(-2)!), mean((row) => row.at(-1)!)];
}

const side = 220;

/** What one head attends to. */
function Head({
  view,
  head,
  name,
}: {
  readonly view: AttentionView;
  readonly head: number;
  readonly name: string;
}) {
  const t = useText(words);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [asked, setPointed] = useState<readonly [number, number] | null>(null);
  const { tokens } = view;
  const rows = view.heads[head]!;
  const count = tokens.length;
  // A new answer may have fewer tokens.
  const pointed = asked !== null && asked[0] < count ? asked : null;
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    context.fillStyle = sequentialColour(0);
    context.fillRect(0, 0, side, side);
    const cell = side / count;
    rows.forEach((row, query) => {
      row.forEach((weight, key) => {
        context.fillStyle = sequentialColour(weight);
        context.fillRect(key * cell, query * cell, Math.ceil(cell), Math.ceil(cell));
      });
    });
    if (pointed === null) return;
    context.strokeStyle = "#ffffff";
    context.lineWidth = 2;
    context.strokeRect(pointed[1] * cell, pointed[0] * cell, cell, cell);
  }, [rows, count, pointed]);
  const point = (query: number, key: number) => {
    const own = Math.min(count - 1, Math.max(0, query));
    setPointed([own, Math.min(own, Math.max(0, key))]);
  };
  const wordOf = (place: number) => `${shownText(tokens[place]!.text)} (${place + 1})`;
  const said =
    pointed === null
      ? t.summary(...(habits(rows).map(percent) as [string, string, string]))
      : t.from(wordOf(pointed[0]), wordOf(pointed[1]), number(rows[pointed[0]]![pointed[1]]!, 3));
  const title = t.head(head);
  const file = `${name}-layer-${view.layer + 1}-head-${head + 1}`;
  const exportSvg = () => {
    const [cell, left, top] = [12, 90, 90];
    const size = left + cell * count;
    const colours = groundColours.light;
    const marks = rows.flatMap((row, query) =>
      row.map(
        (weight, key) =>
          `<rect x="${left + key * cell}" y="${top + query * cell}" width="${cell}" height="${cell}" fill="${sequentialColour(weight)}"/>`,
      ),
    );
    const labels = tokens.map(({ text }, i) => {
      const word = escapeXml(shownText(text));
      const middle = i * cell + 9;
      return `<text x="${left - 4}" y="${top + middle}" text-anchor="end">${word}</text><text transform="translate(${left + middle} ${top - 4}) rotate(-90)">${word}</text>`;
    });
    save(
      `${file}.svg`,
      "image/svg+xml",
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}" font-family="system-ui, sans-serif" font-size="10" fill="${colours.text}"><rect width="${size}" height="${size}" fill="${colours.ground}"/>\n${labels.join("\n")}\n${marks.join("\n")}</svg>\n`,
    );
  };
  const exportCsv = () =>
    save(
      `${file}.csv`,
      "text/csv",
      csv([
        ["query", "query_token", "key", "key_token", "weight"],
        ...rows.flatMap((row, query) =>
          row.map((weight, key) => [query, tokens[query]!.text, key, tokens[key]!.text, weight]),
        ),
      ]),
    );
  return (
    <PlotFrame title={title} exportSvg={exportSvg} exportCsv={exportCsv}>
      <canvas
        ref={canvas}
        width={side}
        height={side}
        class="attention"
        role="img"
        aria-label={`${title}: ${said}. ${t.hint}`}
        tabIndex={0}
        onMouseMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const place = (at: number, size: number) => Math.floor((at / size) * count);
          point(place(event.clientY - box.top, box.height), place(event.clientX - box.left, box.width));
        }}
        onMouseLeave={() => setPointed(null)}
        onKeyDown={(event) => {
          const by = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[
            event.key
          ];
          if (by === undefined) return;
          event.preventDefault();
          point((pointed?.[0] ?? 0) + by[0]!, (pointed?.[1] ?? 0) + by[1]!);
        }}
      />
      <p class="quiet" role="status">
        {said}
      </p>
    </PlotFrame>
  );
}

/** What each head of a layer attends to while it reads the prompt. */
export function Attention({
  at,
  prompt,
  index,
  name,
}: {
  readonly at: ModelPlace | null;
  readonly prompt: string;
  /** Of the panel, for what a page that is shared keeps. */
  readonly index: number;
  /** Of files. */
  readonly name: string;
}) {
  const t = useText(words);
  const { answer, problem, isBusy, ask } = useModel("attention", `attention:${index}`);
  return (
    <>
      <div class="controls">
        {answer !== null && (
          <Choice
            label={t.layer}
            value={String(answer.layer)}
            names={Array.from({ length: answer.numLayers }, (_, i) => String(i))}
            wordOf={(layer) => String(Number(layer) + 1)}
            onChange={(layer) => at !== null && ask(at, { prompt, layer: Number(layer) })}
          />
        )}
        {shared === null && (
          <button
            type="button"
            disabled={at === null}
            onClick={() => at !== null && ask(at, { prompt, layer: answer?.layer ?? 0 })}
          >
            {t.show}
          </button>
        )}
        {isBusy && <span role="status">{t.busy}</span>}
      </div>
      <Notices lines={problem === null ? [] : [problem]} isAlert />
      {answer !== null && (
        <>
          <p class="quiet">{t.hint}</p>
          <div class="heads">
            {answer.heads.map((_, head) => (
              <Head key={head} view={answer} head={head} name={name} />
            ))}
          </div>
        </>
      )}
    </>
  );
}

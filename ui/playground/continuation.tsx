import { useEffect, useRef, useState } from "preact/hooks";
import type { ChoiceView, ContinuationView, TokenView } from "../../src/ui/views.ts";
import { shared } from "../core/api.ts";
import { csv, number, save } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";
import { Table } from "../parts/table.tsx";
import { shownText } from "./shownText.ts";

const words = texts({
  en: {
    text: "The text: choose a token to see what else could have come",
    end: "end of text",
    next: (token: string) => `In the place of ${token}`,
    entropy: (nats: string) => `entropy ${nats} nats`,
    token: "Token",
    probability: "Probability",
    goOn: (token: string) => `Go on with ${token}`,
    own: "The model's own probabilities, before temperature, top k and top p.",
    csv: "Probabilities as CSV",
  },
  zh: {
    text: "文本：选择一个词元，查看此处还可能出现什么",
    end: "文本结束",
    next: (token: string) => `在 ${token} 的位置`,
    entropy: (nats: string) => `熵 ${nats} 奈特`,
    token: "词元",
    probability: "概率",
    goOn: (token: string) => `以 ${token} 继续`,
    own: "模型自身的概率，未经温度、top k 与 top p。",
    csv: "概率 CSV",
  },
});

const percent = (share: number) => `${number(100 * share, 3)} %`;

function Bar({ share }: { readonly share: number }) {
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${100 * share}%` }} />
    </span>
  );
}

/** Tokens that a model drew after a prompt; each shows what else could have come, and text goes on with what is chosen of it. */
export function Continuation({
  view,
  prompt,
  name,
  onContinue,
}: {
  readonly view: ContinuationView;
  readonly prompt: string;
  /** Of the file of probabilities. */
  readonly name: string;
  /** @param ids - after the prompt: those before the place, and the one that was chosen */
  onContinue(ids: readonly number[]): void;
}) {
  const t = useText(words);
  const { chosen, tokens } = view;
  const [place, setPlace] = useState(0);
  const text = useRef<HTMLDivElement>(null);
  useEffect(() => setPlace(0), [view]);
  const at = Math.min(place, tokens.length - 1);
  const shown = tokens[at];
  const wordOf = (token: TokenView & { readonly isEnd?: boolean }) =>
    token.isEnd === true ? t.end : shownText(token.text);
  const move = (by: number) => {
    const next = Math.min(tokens.length - 1, Math.max(0, at + by));
    setPlace(next);
    text.current?.querySelectorAll<HTMLButtonElement>("button")[next]?.focus();
  };
  const choose = (id: number) =>
    onContinue([...chosen.map((own) => own.id), ...tokens.slice(0, at).map((own) => own.id), id]);
  const exportCsv = () =>
    save(
      `${name}.csv`,
      "text/csv",
      csv([
        ["place", "drawn", "token", "id", "probability"],
        ...tokens.flatMap((token, i) =>
          token.choices.map((choice) => [i, token.text, choice.text, choice.id, choice.probability]),
        ),
      ]),
    );
  return (
    <>
      <div
        ref={text}
        class="continuation"
        role="toolbar"
        aria-label={t.text}
        onKeyDown={(event) => {
          const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          move(by);
        }}
      >
        <span class="quiet">{prompt}</span>
        <span>{chosen.map((own) => own.text).join("")}</span>
        {tokens.map((token, i) => (
          <button
            key={i}
            type="button"
            class="token"
            tabIndex={i === at ? 0 : -1}
            aria-pressed={i === at}
            aria-label={`${wordOf(token)}, ${percent(token.probability)}`}
            title={percent(token.probability)}
            onClick={() => setPlace(i)}
          >
            {token.isEnd ? t.end : token.text === "" ? "∅" : token.text}
          </button>
        ))}
      </div>
      {shown !== undefined && (
        <>
          <Table<ChoiceView>
            label={t.next(wordOf(shown))}
            caption={`${t.next(wordOf(shown))}: ${t.entropy(number(shown.entropy, 3))}`}
            columns={[
              {
                key: "token",
                label: t.token,
                isHeading: true,
                cell: (choice) =>
                  shared === null ? (
                    <button
                      type="button"
                      class="choice"
                      aria-label={t.goOn(shownText(choice.text))}
                      onClick={() => choose(choice.id)}
                    >
                      <code>{shownText(choice.text)}</code>
                    </button>
                  ) : (
                    <code>{shownText(choice.text)}</code>
                  ),
              },
              {
                key: "probability",
                label: t.probability,
                isNumber: true,
                cell: ({ probability }) => percent(probability),
              },
              { key: "bar", label: "", cell: ({ probability }) => <Bar share={probability} /> },
            ]}
            rows={shown.choices}
            rowKey={({ id }) => id}
          />
          <p class="quiet">
            {t.own}{" "}
            <button type="button" onClick={exportCsv}>
              {t.csv}
            </button>
          </p>
        </>
      )}
    </>
  );
}

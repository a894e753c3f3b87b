import { texts, useText } from "../core/text.ts";

const words = texts({
  en: {
    running: "running",
    finished: "finished",
    interrupted: "interrupted",
    failed: "failed",
    waiting: "waiting",
    diverged: "diverged",
  },
  zh: {
    running: "运行中",
    finished: "已完成",
    interrupted: "已中断",
    failed: "失败",
    waiting: "等待",
    diverged: "发散",
  },
});

/** Of a run or a trial. */
export type State = keyof (typeof words)["en"];

const marks: Readonly<Record<State, string>> = {
  running: "▶",
  finished: "✓",
  interrupted: "‖",
  failed: "✕",
  waiting: "○",
  diverged: "↗",
};

/** A state in a sign and a word, not by a colour alone. */
export function StateMark({ state }: { readonly state: State }) {
  const t = useText(words);
  return (
    <span class={`state state-${state}`}>
      <span aria-hidden="true">{marks[state]}</span> {t[state]}
    </span>
  );
}

import type { ComponentChildren } from "preact";
import { groundColours, seriesColours } from "../../src/palette.ts";
import type { RunView } from "../../src/ui/views.ts";
import type { ApiError } from "./api.ts";
import { duration } from "./format.ts";
import { useSettings } from "./settings.ts";
import { texts, useText } from "./text.ts";

const words = texts({
  en: {
    loading: "Loading …",
    errors: {
      AWAY: "The server doesn't answer.",
      NOT_SHARED: "This copy doesn't hold that part.",
    } as Readonly<Record<string, string>>,
    states: {
      running: "running",
      finished: "finished",
      interrupted: "interrupted",
      failed: "failed",
      waiting: "waiting",
      diverged: "diverged",
    },
    left: (time: string) => `${time} left`,
  },
  zh: {
    loading: "加载中……",
    errors: {
      AWAY: "服务器没有响应。",
      NOT_SHARED: "此副本不含这一部分。",
    } as Readonly<Record<string, string>>,
    states: {
      running: "运行中",
      finished: "已完成",
      interrupted: "已中断",
      failed: "失败",
      waiting: "等待",
      diverged: "发散",
    },
    left: (time: string) => `剩余 ${time}`,
  },
});

export type State = keyof (typeof words)["en"]["states"];

/** What is shown until data come, or in their place. */
export function Pending({ error }: { readonly error: ApiError | null }) {
  const t = useText(words);
  if (error === null) return <p class="quiet">{t.loading}</p>;
  return (
    <p class="notice" role="alert">
      {t.errors[error.code] ?? error.message}
    </p>
  );
}

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
      <span aria-hidden="true">{marks[state]}</span> {t.states[state]}
    </span>
  );
}

/** How far a run is. */
export function Progress({
  run,
}: {
  readonly run: Pick<RunView, "step" | "numSteps" | "secondsLeft" | "status">;
}) {
  const t = useText(words);
  const { step, numSteps, secondsLeft, status } = run;
  return (
    <span class="progress">
      {numSteps === null ? step : `${step} / ${numSteps}`}
      {status === "running" && secondsLeft !== null && (
        <span class="quiet"> {t.left(duration(secondsLeft))}</span>
      )}
    </span>
  );
}

/** A curve as small as a word. */
export function Spark({ values }: { readonly values: readonly number[] | undefined }) {
  const { ground } = useSettings();
  const [width, height] = [90, 22];
  if (values === undefined || values.length < 2)
    return <svg width={width} height={height} aria-hidden="true" />;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values
    .map((value, i) => {
      const x = 1 + ((width - 2) * i) / (values.length - 1);
      const y = high > low ? 1 + (height - 2) * (1 - (value - low) / (high - low)) : height / 2;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
  return (
    <svg width={width} height={height} aria-hidden="true">
      <polyline points={points} fill="none" stroke={seriesColours[ground][0]} stroke-width="1.5" />
    </svg>
  );
}

/** A part of a page with its heading; left out without content. */
export function Section({
  title,
  children,
  isOpen = true,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly isOpen?: boolean;
}) {
  return (
    <details class="section" open={isOpen}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  );
}

/** What is wider than the page, and scrolls by itself. */
export function Scroller({
  label,
  kind,
  children,
}: {
  readonly label: string;
  readonly kind: "scroll" | "strip";
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must reach what scrolls
    <section class={kind} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}

export const useGroundColours = () => groundColours[useSettings().ground];

import { useState } from "preact/hooks";
import { type AxisName, axisNames, hasAxis, type StepUnits } from "../core/axis.ts";
import { texts, useText } from "../core/text.ts";
import { Choice } from "./choice.tsx";

const words = texts({
  en: {
    axis: "Against",
    axes: { steps: "steps", time: "time", flops: "FLOPs" },
    seconds: "seconds of training",
    smoothing: "Smoothing",
    window: (steps: number) => `${steps} steps`,
  },
  zh: {
    axis: "横轴",
    axes: { steps: "步数", time: "时间", flops: "FLOPs" },
    seconds: "训练秒数",
    smoothing: "平滑",
    window: (steps: number) => `${steps} 步`,
  },
});

/** How the curves of a page are shown. */
export interface CurveView {
  readonly axis: AxisName;
  /** What stands under the axis. */
  readonly axisLabel: string;
  /** Steps that a curve is averaged over; 1 for none. */
  readonly window: number;
  readonly axes: readonly AxisName[];
  readonly item: string;
  change(view: { readonly axis?: AxisName; readonly window?: number }): void;
}

/** @param runs - whose curves are shown: an axis that one of them lacks can't be chosen; none until they are known */
export function useCurveView(runs: readonly (StepUnits & { readonly item: string })[]): CurveView {
  const t = useText(words);
  const [{ axis: wanted, window }, setView] = useState<{ axis: AxisName; window: number }>({
    axis: "steps",
    window: 20,
  });
  const axes = axisNames.filter((name) => runs.every((run) => hasAxis(name, run)));
  const axis = axes.includes(wanted) ? wanted : "steps";
  const item = runs[0]?.item ?? "";
  return {
    axis,
    axisLabel: { ...t.axes, time: t.seconds, items: item }[axis],
    window,
    axes,
    item,
    change: (view) => setView((before) => ({ ...before, ...view })),
  };
}

/** What the curves of a page are drawn against, and how smooth they are. */
export function CurveControls({ view }: { readonly view: CurveView }) {
  const t = useText(words);
  return (
    <>
      <Choice
        label={t.axis}
        value={view.axis}
        names={view.axes}
        wordOf={(name) => (name === "items" ? view.item : t.axes[name])}
        onChange={(axis) => view.change({ axis })}
      />
      <label>
        {t.smoothing}{" "}
        <input
          type="range"
          min="0"
          max="10"
          step="0.25"
          value={Math.log2(view.window)}
          onInput={(event) => view.change({ window: 2 ** Number(event.currentTarget.value) })}
        />{" "}
        {t.window(Math.round(view.window))}
      </label>
    </>
  );
}

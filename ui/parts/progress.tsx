import type { RunView } from "../../src/ui/views.ts";
import { duration } from "../core/format.ts";
import { texts, useText } from "../core/text.ts";

const words = texts({
  en: { left: (time: string) => `${time} left` },
  zh: { left: (time: string) => `剩余 ${time}` },
});

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

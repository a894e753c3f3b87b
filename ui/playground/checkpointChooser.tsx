import type { ModelPlace } from "../../src/ui/model/modelQuestion.ts";
import type { RunDetailView } from "../../src/ui/views.ts";
import { runHref } from "../core/router.ts";
import { texts, useText } from "../core/text.ts";
import { useData } from "../core/useData.ts";
import { Pending } from "../parts/pending.tsx";
import { RunChoice } from "../parts/runChoice.tsx";

const words = texts({
  en: {
    checkpoint: "Checkpoint",
    none: "The run has no checkpoint yet.",
    page: "its page",
  },
  zh: {
    checkpoint: "检查点",
    none: "此训练还没有检查点。",
    page: "其页面",
  },
});

/** A place in the address: a run, and a step unless it is the newest. */
export interface AskedPlace {
  readonly run: string;
  readonly step: number | null;
}

export function parsePlace(text: string): AskedPlace {
  const [run = "", step = ""] = text.split(":");
  return { run, step: /^\d+$/.test(step) ? Number(step) : null };
}

export const placeText = ({ run, step }: AskedPlace) => (step === null ? run : `${run}:${step}`);

/** Steps of a run's checkpoints; null until they are known. */
export function useCheckpoint({ run, step }: AskedPlace): {
  readonly detail: RunDetailView | null;
  readonly checkpoint: ModelPlace | null;
  readonly error: ReturnType<typeof useData<RunDetailView>>["error"];
} {
  const { data: detail, error } = useData<RunDetailView>(
    run === "" ? null : `/api/runs/${encodeURIComponent(run)}`,
  );
  const newest = detail?.checkpoints.at(-1);
  const asked = step ?? newest;
  return { detail, error, checkpoint: asked === undefined ? null : { run, step: asked } };
}

/** A run of a task, and one of its checkpoints. */
export function CheckpointChooser({
  task,
  place,
  onChange,
}: {
  readonly task: string;
  readonly place: AskedPlace;
  onChange(place: AskedPlace): void;
}) {
  const t = useText(words);
  const { detail, checkpoint, error } = useCheckpoint(place);
  return (
    <>
      <div class="controls">
        <RunChoice
          value={place.run}
          suits={(run) => run.task === task}
          onChange={(run) => onChange({ run, step: null })}
        />
        {detail !== null && checkpoint !== null && (
          <label>
            {t.checkpoint}{" "}
            <select
              value={checkpoint.step}
              onChange={(event) => onChange({ run: place.run, step: Number(event.currentTarget.value) })}
            >
              {detail.checkpoints.map((step) => (
                <option key={step} value={step}>
                  {step}
                </option>
              ))}
            </select>
          </label>
        )}
        {detail !== null && <a href={runHref(place.run)}>{t.page}</a>}
      </div>
      {error !== null && <Pending error={error} />}
      {detail !== null && checkpoint === null && <p class="quiet">{t.none}</p>}
    </>
  );
}

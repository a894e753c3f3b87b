import { existsSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
import { OutputError } from "../errors.ts";
import { patiently, type RunRecord, RunStore } from "../runs/index.ts";
import { type TimedScalar, writeTensorboardEvents } from "../sweepFiles/index.ts";
import { clockOf, eventsOf } from "../ui/index.ts";
import { commandPatience } from "./commandPatience.ts";
import { out } from "./print.ts";

/** A folder's name for a run: its own with its id, whatever characters it has. */
function folderOf({ name, id }: RunRecord): string {
  const plain = name
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .slice(0, 64)
    .replace(/^[.-]+|[.-]+$/g, "");
  return plain === "" ? id : `${plain}-${id}`;
}

/** All metrics of a run by step, with the times of its clock: between two known ones in proportion, where none is known a second a step. */
function timedScalars(store: RunStore, run: RunRecord): TimedScalar[] {
  const begin = Date.parse(run.createdAt) / 1000;
  const { steps, seconds } = clockOf(eventsOf(run.directory));
  const timeOf = (step: number) => {
    const at = steps.findIndex((known) => known >= step);
    if (at < 0) return (seconds.at(-1) ?? 0) + (step - (steps.at(-1) ?? 0));
    const [x0, y0] = at === 0 ? [0, 0] : [steps[at - 1]!, seconds[at - 1]!];
    return y0 + ((step - x0) * (seconds[at]! - y0)) / (steps[at]! - x0);
  };
  return store
    .metricNames(run.id)
    .flatMap((tag) =>
      store
        .metric(run.id, tag)
        .map(({ step, value }) => ({ tag, step, value, wallTime: begin + timeOf(step) })),
    )
    .sort((a, b) => a.step - b.step);
}

/** `rotor runs export --to tensorboard` */
export async function exportMetrics(
  references: readonly string[],
  { home, out: folder }: { readonly home: string; readonly out: string },
): Promise<number> {
  using store = await patiently(() => new RunStore(home, { readOnly: true }), commandPatience());
  const runs = references.map((reference) => store.getRun(reference));
  const files = runs.map((run) =>
    path.join(
      folder,
      folderOf(run),
      `events.out.tfevents.${Math.floor(Date.parse(run.createdAt) / 1000)}.rotor`,
    ),
  );
  const known = files.find((file) => existsSync(file));
  if (known !== undefined) throw new OutputError(`${known}: is there already`);
  for (const [i, run] of runs.entries()) {
    const rows = timedScalars(store, run);
    writeFileAtomically(files[i]!, writeTensorboardEvents(rows));
    out(`${files[i]}: ${rows.length} values of ${run.name} ${run.id}`);
  }
  return 0;
}

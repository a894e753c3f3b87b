import { existsSync } from "node:fs";
import path from "node:path";
import { writeFileAtomically } from "../data/index.ts";
import { OutputError } from "../errors.ts";
import { patiently, type RunRecord, RunStore } from "../runs/index.ts";
import { type TimedScalar, writeTensorboardEvents, writeWandbFile } from "../sweepFiles/index.ts";
import { clockOf, eventsOf, sweepOfTrial } from "../ui/index.ts";
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

/** A program that takes runs: where a run's file lies in the folder, and what it holds. */
interface ExportFormat {
  file(run: RunRecord): string;
  write(run: RunRecord, rows: readonly TimedScalar[]): Uint8Array;
}

/** How W&B tells ends apart; one that is interrupted ends as by Ctrl-C. */
const exitCodes: Readonly<Record<RunRecord["status"], number | null>> = {
  running: null,
  finished: 0,
  interrupted: 255,
  failed: 1,
};

const exportFormats = {
  tensorboard: {
    file: (run) =>
      path.join(folderOf(run), `events.out.tfevents.${Math.floor(Date.parse(run.createdAt) / 1000)}.rotor`),
    write: (_, rows) => writeTensorboardEvents(rows),
  },
  wandb: {
    // W&B looks for folders of such names.
    file: ({ id, createdAt }) =>
      path.join(
        `offline-run-${createdAt.slice(0, 19).replace(/[-:]/g, "").replace("T", "_")}-${id}`,
        `run-${id}.wandb`,
      ),
    write: (run, rows) =>
      writeWandbFile(
        {
          id: run.id,
          project: "rotor",
          name: run.name,
          group: run.trial === null ? null : sweepOfTrial(run.trial),
          notes: run.note,
          tags: run.tags,
          config: run.config as Record<string, unknown>,
          summary: run.summary,
          startTime: Date.parse(run.createdAt) / 1000,
          exitCode: exitCodes[run.status],
        },
        rows,
      ),
  },
} as const satisfies Record<string, ExportFormat>;

export type ExportTarget = keyof typeof exportFormats;

/** `rotor runs export` */
export async function exportMetrics(
  references: readonly string[],
  { home, out: folder, to }: { readonly home: string; readonly out: string; readonly to: ExportTarget },
): Promise<number> {
  using store = await patiently(() => new RunStore(home, { readOnly: true }), commandPatience());
  const runs = references.map((reference) => store.getRun(reference));
  const format: ExportFormat = exportFormats[to];
  const files = runs.map((run) => path.join(folder, format.file(run)));
  const known = files.find((file) => existsSync(file));
  if (known !== undefined) throw new OutputError(`${known}: is there already`);
  for (const [i, run] of runs.entries()) {
    const rows = timedScalars(store, run);
    writeFileAtomically(files[i]!, format.write(run, rows));
    out(`${files[i]}: ${rows.length} values of ${run.name} ${run.id}`);
  }
  return 0;
}

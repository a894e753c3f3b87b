import { readFileSync } from "node:fs";
import path from "node:path";
import { checkpointSteps } from "../../checkpoint/index.ts";
import type { RunRecord } from "../../runs/index.ts";
import type { UiContext } from "../context.ts";
import { NotFoundError, route } from "../route.ts";
import {
  budgetOf,
  clockOf,
  configOf,
  eventsOf,
  nearestPreset,
  runView,
  stepFiles,
  thinClock,
} from "../runView.ts";
import type { RunDetailView } from "../views.ts";

/** A run by its whole id. @throws NotFoundError */
export function runOf({ runs }: UiContext, id: string): RunRecord {
  if (!runs.hasRun(id))
    throw new NotFoundError(`run ${JSON.stringify(id)}: isn't in the store; it may have been deleted`);
  return runs.getRun(id);
}

/** The newest so many samples of text are shown, and so much of each. */
const mostSamples = 200;
const longestSample = 4000;

/** One run, without its metrics. */
export const runRoute = route({
  method: "GET",
  path: "/api/runs/:run",
  answer(context, { params }): RunDetailView {
    const { runs: store } = context;
    const run = runOf(context, params.run!);
    const events = eventsOf(run.directory);
    const config = configOf(run);
    const { item, itemsPerStep, flopsPerStep } = budgetOf(run);
    return {
      run: runView(store, run),
      config: run.config,
      preset: config === null ? null : nearestPreset(config),
      metricNames: store.metricNames(run.id),
      item,
      itemsPerStep,
      flopsPerStep,
      clock: thinClock(clockOf(events)),
      events: events.filter(({ kind }) => kind !== "speed"),
      checkpoints: checkpointSteps(run.directory),
      samples: stepFiles(run.directory, "samples")
        .slice(-mostSamples)
        .map(({ step, file }) => ({
          step,
          text: readFileSync(path.join(run.directory, "samples", file), "utf8").slice(0, longestSample),
        })),
      pictures: stepFiles(run.directory, "pictures"),
      histograms: stepFiles(run.directory, "codes"),
    };
  },
});

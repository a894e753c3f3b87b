import { checkpointSteps } from "../../checkpoint/index.ts";
import { measurementsFolder, readMeasurements } from "../../runs/index.ts";
import { route } from "../route.ts";
import { runView } from "../runView.ts";
import type { MeasurementsView } from "../views.ts";
import { runOf } from "./run.ts";

/** What was measured of a run's checkpoints, and the measurement that goes on, if one does. */
export const measurementsRoute = route({
  method: "GET",
  path: "/api/runs/:run/measurements",
  answer(context, { params }): MeasurementsView {
    const run = runOf(context, params.run!);
    context.watch(measurementsFolder(run.directory));
    return {
      run: runView(context.runs, run),
      checkpoints: checkpointSteps(run.directory),
      measurements: readMeasurements(run.directory),
      job: context.measureJob.view,
    };
  },
});

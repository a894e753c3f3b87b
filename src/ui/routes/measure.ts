import { z } from "zod";
import { checkpointSteps } from "../../checkpoint/index.ts";
import { ConfigError } from "../../errors.ts";
import { firstProblem } from "../../runs/index.ts";
import { NotFoundError, route } from "../route.ts";
import { runOf } from "./run.ts";

const bodySchema = z.strictObject({
  step: z.int().nonnegative(),
  samples: z.int().min(8).max(65_536).optional(),
  probes: z.int().min(2).max(256).optional(),
});

/** Starts `rotor measure` for a checkpoint of a run. */
export const measureRoute = route({
  method: "POST",
  path: "/api/runs/:run/measure",
  answer(context, { params, body }) {
    const run = runOf(context, params.run!);
    const parsed = bodySchema.safeParse(body);
    if (!parsed.success) throw new ConfigError(`measure: ${firstProblem(parsed.error)}`);
    if (!checkpointSteps(run.directory).includes(parsed.data.step))
      throw new NotFoundError(`run ${run.id}: has no checkpoint of step ${parsed.data.step}`);
    context.measureJob.start({ run: run.id, ...parsed.data });
    return context.measureJob.view;
  },
});

/** Ends the measurement that goes on. */
export const measureStopRoute = route({
  method: "POST",
  path: "/api/measure/stop",
  async answer({ measureJob }) {
    await measureJob.stop();
    return measureJob.view;
  },
});

import { learningRatePath, resultsCsv } from "../../sweeps/index.ts";
import { NotFoundError, route } from "../route.ts";
import type { SweepDetailView } from "../views.ts";
import { sweepView } from "./sweeps.ts";

/** One sweep with its trials and, as CSV, its results. */
export const sweepRoute = route({
  method: "GET",
  path: "/api/sweeps/:sweep",
  async answer(context, { params }): Promise<SweepDetailView> {
    const store = await context.trials();
    const id = params.sweep!;
    if (!(await store.hasSweep(id)))
      throw new NotFoundError(`sweep ${JSON.stringify(id)}: isn't in the store; it may have been deleted`);
    const sweep = await store.getSweep(id);
    const trials = await store.listTrials(sweep.id);
    return {
      ...sweepView(sweep),
      learningRatePath,
      trials: trials.map((trial) => ({
        id: trial.id,
        number: trial.number,
        round: trial.round,
        status: trial.status,
        values: trial.values,
        seed: trial.config.training.seed,
        worker: trial.worker,
        step: trial.outcome?.steps ?? trial.progress?.step ?? 0,
        numSteps: trial.config.training.steps,
        loss: trial.outcome?.trainLoss ?? trial.progress?.loss ?? null,
        validationLoss: trial.outcome?.validationLoss ?? null,
        message: trial.outcome?.message ?? null,
        run: trial.outcome?.runId ?? trial.progress?.runId ?? null,
        attempts: trial.attempts,
      })),
      csv: trials.some(({ outcome }) => outcome !== null) ? resultsCsv(sweep, trials) : null,
    };
  },
});

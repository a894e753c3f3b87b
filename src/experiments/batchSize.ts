import { runComparisons, splitsOf } from "./batchSize/comparisons.ts";
import { sections } from "./batchSize/sections.ts";
import { measureTask, stepOptimizers, type TaskResult } from "./batchSize/trials.ts";
import { verdicts } from "./batchSize/verdicts.ts";
import type { Experiment } from "./experiment.ts";
import { type LawPlan, lawPlans } from "./laws/lawSettings.ts";
import { lawComparisons } from "./laws/measureSteps.ts";
import { describeComparisons } from "./laws/predictions.ts";
import { predictHeldOut } from "./laws/runOptima.ts";

const experiment: Experiment<LawPlan, readonly TaskResult[]> = {
  name: "batch-size",
  title: "The best learning rate by batch size, predicted and measured",
  sources: [
    "Su-10542",
    "McCandlish et al., An empirical model of large-batch training, arXiv 1812.06162",
    "Su-10563",
  ],
  sharesTrialsWith: ["epsilon", "data-efficiency"],
  plans: lawPlans,
  async trials(plan, context) {
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    return results;
  },
  verdicts,
  summary(results, plan) {
    const stepComparisons = results.flatMap(({ steps }) =>
      stepOptimizers.flatMap((optimizer) => lawComparisons(steps, optimizer)),
    );
    const runs = results.flatMap((result) => result.runs.flatMap((run) => runComparisons(result, run)));
    const [interpolation] = splitsOf(plan);
    const heldOut = results.flatMap(({ runs: list }) =>
      list.flatMap(
        ({ rows }) => predictHeldOut(rows, interpolation!.fitted, interpolation!.heldOut).comparisons,
      ),
    );
    return `From one checkpoint the general law predicts the best learning rate of one step: ${describeComparisons(stepComparisons)}. Taken for the best constant learning rate of a whole run it is off by ${describeComparisons(runs)}. Laws fitted to runs of every other batch size predict those between: ${describeComparisons(heldOut)}.`;
  },
  sections,
};

export default experiment;

import { hyperbolaComparisons, onTheWay, typicalScale } from "./dataEfficiency/results.ts";
import { sections } from "./dataEfficiency/sections.ts";
import { measureTask, type TaskResult } from "./dataEfficiency/trials.ts";
import { verdicts } from "./dataEfficiency/verdicts.ts";
import type { Experiment } from "./experiment.ts";
import { simpleScale } from "./laws/closedForms.ts";
import { type LawPlan, lawPlans } from "./laws/lawSettings.ts";
import { optimizerName } from "./laws/optimizers.ts";
import { describeComparisons } from "./laws/predictions.ts";
import { formatRate } from "./laws/showNumbers.ts";

const experiment: Experiment<LawPlan, readonly TaskResult[]> = {
  name: "data-efficiency",
  title: "Steps against samples to a target loss",
  sources: ["McCandlish et al., An empirical model of large-batch training, arXiv 1812.06162", "Su-10542"],
  sharesTrialsWith: ["batch-size", "epsilon"],
  plans: lawPlans,
  async trials(plan, context) {
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    return results;
  },
  verdicts,
  summary(results) {
    const misfits = results.flatMap((result) => result.optimizers.flatMap(hyperbolaComparisons));
    const ratios = results
      .flatMap((result) =>
        result.optimizers.map(({ optimizer, fit }) => {
          const simple = typicalScale(onTheWay(result).map(({ statistics }) => simpleScale(statistics)));
          return `${result.task}, ${optimizerName(optimizer)} ${fit === null ? "no trade-off" : formatRate(fit.critical.value)} (B_simple ${simple === null ? "unknown" : formatRate(simple)})`;
        }),
      )
      .join("; ");
    return `The hyperbola misses the measured steps by ${describeComparisons(misfits)}. E_min/S_min: ${ratios}.`;
  },
  sections,
};

export default experiment;

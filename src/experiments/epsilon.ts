import { exponentText, smallOnes, triedOptima } from "./epsilon/results.ts";
import { sections } from "./epsilon/sections.ts";
import { measureTask, softsignOf, type TaskResult } from "./epsilon/trials.ts";
import { verdicts } from "./epsilon/verdicts.ts";
import { countVerdicts, type Experiment } from "./experiment.ts";
import { type LawPlan, lawPlans, smallEpsilon } from "./laws/lawSettings.ts";

const experiment: Experiment<LawPlan, readonly TaskResult[]> = {
  name: "epsilon",
  title: "Adam's ε between sign updates and SGD",
  sources: ["Su-10563", "Su-10542"],
  sharesTrialsWith: ["batch-size", "data-efficiency"],
  plans: lawPlans,
  async trials(plan, context) {
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    return results;
  },
  verdicts,
  summary(results, plan, judged) {
    const exponents = results
      .map(
        ({ task, steps }) =>
          `${task} ${exponentText(smallOnes(triedOptima(steps, softsignOf(smallEpsilon))))} at ε ${smallEpsilon} and ${exponentText(smallOnes(triedOptima(steps, softsignOf(plan.epsilons.at(-1)!))))} at ε ${plan.epsilons.at(-1)}`,
      )
      .join(", ");
    return `How the best learning rate of one step grows with small batch sizes, as an exponent: ${exponents}. ${countVerdicts(judged)}.`;
  },
  sections,
};

export default experiment;

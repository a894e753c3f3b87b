import { countVerdicts, type Experiment } from "./experiment.ts";
import { type Plan, plans } from "./halfPrecision/plan.ts";
import { sections } from "./halfPrecision/sections.ts";
import { measure, type Results } from "./halfPrecision/trials.ts";
import { exponentAt, showExponent, usableFrom, verdictsOf } from "./halfPrecision/verdicts.ts";
import { formatRate } from "./laws/showNumbers.ts";

const experiment: Experiment<Plan, Results> = {
  name: "half-precision",
  title: "Adam's ε in float16: where it underflows, and what a larger one costs",
  sources: ["Su-10563", "Micikevicius et al., arXiv 1710.03740"],
  plans,
  trials: measure,
  verdicts: verdictsOf,
  summary(results, plan, judged) {
    const usable = usableFrom(results, plan, "float16");
    const [small, large] = [plan.growthEpsilons[0]!, plan.growthEpsilons.at(-1)!];
    return `With moments of float16, Adam trains as in float32 ${usable === null ? "at no ε that was tried" : `from ε ${formatRate(usable)} on`}; η* grows as ${showExponent(exponentAt(results, small))} at ε ${formatRate(small)} and ${showExponent(exponentAt(results, large))} at ${formatRate(large)}. ${countVerdicts(judged)}.`;
  },
  sections,
};

export default experiment;

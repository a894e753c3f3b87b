import type { Experiment, Verdict } from "./experiment.ts";
import { formatInterval } from "./statistics.ts";
import { type Plan, plans } from "./transfer/plan.ts";
import { measure, type Series } from "./transfer/results.ts";
import { sections } from "./transfer/sections.ts";
import { nameOf, verdicts } from "./transfer/verdicts.ts";

const experiment: Experiment<Plan, readonly Series[]> = {
  name: "transfer",
  title: "The best learning rate at other widths, under each parametrization",
  sources: [
    "Yang et al., Tensor Programs V, arXiv 2203.03466",
    "Yang, Simon and Bernstein, A spectral condition for feature learning, arXiv 2310.17813",
    "Yang et al., Tensor Programs VI, arXiv 2310.02244",
  ],
  plans,
  trials: measure,
  verdicts,
  summary(results: readonly Series[], _plan: Plan, _verdicts: readonly Verdict[]) {
    const shown = results.map((series) => `${nameOf(series)} ${formatInterval(series.slope, 2)}`);
    return `Slopes of the logarithm of the best learning rate over that of the size: ${shown.join("; ")}.`;
  },
  sections,
};

export default experiment;

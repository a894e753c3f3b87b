import { type Plan, plans } from "./edgeOfStability/plan.ts";
import { type EdgeSeries, measure } from "./edgeOfStability/results.ts";
import { sections } from "./edgeOfStability/sections.ts";
import {
  comparisonsOf,
  edgeAfter,
  edgeAtCheckpoint,
  greedyAtCheckpoint,
  verdicts,
} from "./edgeOfStability/verdicts.ts";
import { countVerdicts, type Experiment } from "./experiment.ts";
import { describeComparisons } from "./laws/predictions.ts";

const experiment: Experiment<Plan, readonly EdgeSeries[]> = {
  name: "edge-of-stability",
  title: "Whether the edge of stability is the learning rate of whole runs",
  sources: [
    "Cohen et al., Gradient descent on neural networks typically occurs at the edge of stability, arXiv 2103.00065",
    "Cohen et al., Adaptive gradient methods at the edge of stability, arXiv 2207.14484",
  ],
  sharesTrialsWith: ["batch-size"],
  plans,
  trials: measure,
  verdicts: (series, plan) => verdicts(series, Math.min(...plan.multiples)),
  summary(series, _plan, judged) {
    const shown = (predict: typeof edgeAtCheckpoint) => describeComparisons(comparisonsOf(series, predict));
    return `What is said of the best constant learning rate of whole runs: one step's law at a checkpoint is off by ${shown(greedyAtCheckpoint)}, the edge of stability there by ${shown(edgeAtCheckpoint)}, the edge at the end of the best runs themselves by ${shown(edgeAfter(1))}. ${countVerdicts(judged)}.`;
  },
  sections,
};

export default experiment;

import { countVerdicts, type Experiment } from "./experiment.ts";
import { type Plan, plans } from "./horizon/plan.ts";
import { measure, type Series } from "./horizon/results.ts";
import { sections } from "./horizon/sections.ts";
import { verdicts } from "./horizon/verdicts.ts";
import { formatInterval } from "./statistics.ts";

const experiment: Experiment<Plan, readonly Series[]> = {
  name: "horizon",
  title: "The best learning rate of longer runs, under three schedules",
  sources: [
    "Bjorck et al., Scaling optimal LR across token horizons, arXiv 2409.19913",
    "Bergsma et al., Straight to zero, arXiv 2502.15938",
    "Schaipp et al., arXiv 2501.18965",
  ],
  plans,
  trials: measure,
  verdicts,
  summary(series, { horizons }, judged) {
    const shown = series.map(({ schedule, slope }) => `${schedule} ${formatInterval(slope, 2)}`);
    return `From ${horizons[0]} to ${horizons.at(-1)} steps the best learning rate goes as a power of the number of steps: ${shown.join("; ")}. ${countVerdicts(judged)}.`;
  },
  sections,
};

export default experiment;

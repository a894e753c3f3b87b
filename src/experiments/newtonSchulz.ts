import type { Experiment } from "./experiment.ts";
import { type Plan, plans } from "./newtonSchulz/plan.ts";
import { foundFor, onMomentum } from "./newtonSchulz/results.ts";
import { sections } from "./newtonSchulz/sections.ts";
import { measure, type Results } from "./newtonSchulz/trials.ts";
import { momentumVerdicts, verdictsOf } from "./newtonSchulz/verdicts.ts";

const experiment: Experiment<Plan, Results> = {
  name: "newton-schulz",
  title: "Newton–Schulz coefficients: the published table, and what a triple per step gains",
  sources: [
    "Su-10592",
    "Keller Jordan et al., Muon, 2024",
    "Amsel et al., The Polar Express, arXiv 2505.16932",
  ],
  plans,
  trials: measure,
  verdicts: (results, plan) => [
    ...verdictsOf(results.rows, plan.shrink === 1),
    ...momentumVerdicts(results.momentum, onMomentum(results, plan).errors, "rotor-5", foundFor(plan)),
  ],
  summary: ({ rows }) =>
    `For each of the ${rows.length} published rows, Gaussian matrices were drawn, coefficients searched, and what ` +
    "was found judged on these and on fresh matrices; then the same tables were judged on the momentum of a short training run.",
  sections,
};

export default experiment;

import { countVerdicts, type Experiment } from "./experiment.ts";
import { method } from "./nope/method.ts";
import { type Plan, plans } from "./nope/plan.ts";
import type { NopeResults } from "./nope/results.ts";
import { nopeSections } from "./nope/sections.ts";
import { measureRandom, measureTrained } from "./nope/trials.ts";
import { nopeVerdicts } from "./nope/verdicts.ts";

const nope: Experiment<Plan, NopeResults> = {
  name: "nope",
  title: "Decoders without positions: what they know of places, and what positions add",
  sources: [
    "Su-10347 (kexue.fm/archives/10347)",
    "Haviv et al., arXiv 2203.16634",
    "Chi et al., arXiv 2305.13571",
    "Press et al., ALiBi, arXiv 2108.12409",
    "Kazemnejad et al., arXiv 2305.19466",
  ],
  plans,
  trials: async (plan, context) => ({
    ...(await measureRandom(plan, context)),
    ...(await measureTrained(plan, context)),
  }),
  verdicts: nopeVerdicts,
  summary: (_, __, verdicts) =>
    `Random weights in float64 and float32, and byte-level models trained with six encodings of positions: ${countVerdicts(verdicts)}.`,
  sections: (results, plan) => [
    method(plan),
    ...nopeSections(results, {
      length: plan.model.maxLength,
      initialLength: plan.initial.length,
      uniformDim: plan.uniform.dim,
    }),
  ],
};

export default nope;

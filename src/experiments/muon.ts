import type { Experiment } from "./experiment.ts";
import { type Plan, plans } from "./muon/plan.ts";
import { bySize, format, shareInterval, timeInterval } from "./muon/results.ts";
import { sections } from "./muon/sections.ts";
import { measureSize, type SizeResult } from "./muon/trials.ts";
import { verdicts } from "./muon/verdicts.ts";
import { TrialPool } from "./trialPool.ts";

const experiment: Experiment<Plan, readonly SizeResult[]> = {
  name: "muon",
  title: "Muon against AdamW, each at its own learning rate",
  sources: [
    "Keller Jordan et al., Muon, 2024",
    "Su-10592",
    "Liu et al., Muon is scalable for LLM training (Moonlight), arXiv 2502.16982",
  ],
  plans,
  async trials(plan, context) {
    using pool = new TrialPool(context.threads);
    const results: SizeResult[] = [];
    for (const size of plan.sizes) results.push(await measureSize(plan, size, pool, context));
    return results;
  },
  verdicts,
  summary: (results) =>
    `At its best learning rate Muon reaches the final loss of AdamW, also at its best, with this share of the steps: ${bySize(results, (result) => format(shareInterval(result)))}; and of the time: ${bySize(results, (result) => format(timeInterval(result)))}.`,
  sections,
};

export default experiment;

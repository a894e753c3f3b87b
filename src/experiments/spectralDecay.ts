import type { Experiment } from "./experiment.ts";
import { matchedNames, type Plan, plans } from "./spectralDecay/plan.ts";
import { bestOf, losses } from "./spectralDecay/results.ts";
import { sections } from "./spectralDecay/sections.ts";
import { measure, type Results } from "./spectralDecay/trials.ts";
import { bestVerdict, estimateVerdict, matchedVerdicts } from "./spectralDecay/verdicts.ts";
import { formatInterval, interval } from "./statistics.ts";

const experiment: Experiment<Plan, Results> = {
  name: "spectral-decay",
  title: "Spectral weight decay against Frobenius decay, top-4 decay and none",
  sources: ["Su-10648", "Yoshida and Miyato, Spectral norm regularization, arXiv 1705.10941"],
  plans,
  trials: measure,
  verdicts: (results) => [...matchedVerdicts(results), bestVerdict(results), estimateVerdict(results)],
  summary(results) {
    const best = matchedNames.map((kind) => {
      const point = bestOf(results.kinds[kind]);
      return `${kind} ${formatInterval(interval(losses(point)))} (λ = ${point.strength})`;
    });
    return `Validation loss at each decay's best strength, in nats: none ${formatInterval(interval(losses(results.none)))}, ${best.join(", ")}.`;
  },
  sections,
};

export default experiment;

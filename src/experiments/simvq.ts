import { countVerdicts, type Experiment } from "./experiment.ts";
import { methodNames } from "./simvq/methods.ts";
import { type Plan, plans, side } from "./simvq/plan.ts";
import type { SimVqResults } from "./simvq/results.ts";
import { simVqPlots, sizeTable } from "./simvq/sections.ts";
import { measure } from "./simvq/trials.ts";
import { simVqVerdicts } from "./simvq/verdicts.ts";

const simVqExperiment: Experiment<Plan, SimVqResults> = {
  name: "simvq",
  title: "SimVQ and other quantizers: codes used, reconstruction, speed of convergence",
  sources: [
    "Su-10519 (kexue.fm/archives/10519)",
    "Zhu et al., SimVQ, arXiv 2411.02038",
    "Fifty et al., The rotation trick, arXiv 2410.06424",
    "Mentzer et al., FSQ, arXiv 2309.15505",
  ],
  plans,
  trials: measure,
  verdicts: simVqVerdicts,
  summary(_, plan, verdicts) {
    const seeds = plan.seeds.length === 1 ? "one seed" : `${plan.seeds.length} seeds`;
    return `Autoencoders of photograph patches that differ in their quantizer alone: ${methodNames.length} quantizers, codebooks of ${plan.sizes.map((size) => size.toLocaleString("en")).join(", ")} codes, ${plan.steps} steps, ${seeds}. ${countVerdicts(verdicts)}.`;
  },
  sections(results, plan) {
    const vectors = (plan.batchSize * side ** 2) / 4 ** plan.channels.length;
    return [
      {
        kind: "text",
        text: `How it was measured. Grey patches of ${side} × ${side} pixels from six photographs, ${plan.stride} pixels apart; the right ${100 * plan.validationFraction} % of each photograph is held out. Strided convolutions of widths ${plan.channels.join(" and ")} with a residual block each make 4 × 4 vectors of 8 components (FSQ: as many as it has levels), the decoder mirrors them; ${vectors} vectors a step, AdamW at ${plan.learningRate} without weight decay, cosine schedule, codebook loss 1 and commitment loss 0.25, reconstruction weight ${plan.reconstructionWeight}. These runs are short beside published ones (${plan.steps * vectors} vectors in all), so that shares of large codebooks are still growing when they end. Every code of VQ starts within ±1/K as in VQ-VAE's code; the control starts its codes where SimVQ's are. Restarts replace codes that get less than a tenth of the hits of equal use.`,
      },
      ...simVqPlots(results),
      ...plan.sizes.map((size) => sizeTable(results, size)),
    ];
  },
};

export default simVqExperiment;

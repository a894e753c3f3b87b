import { openImages } from "../data/index.ts";
import type { Experiment, ExperimentContext, ExperimentReport, Verdict } from "./experiment.ts";
import { type MethodName, methodNames } from "./simvq/methods.ts";
import type { SimVqResults } from "./simvq/results.ts";
import { simVqPlots, sizeTable } from "./simvq/sections.ts";
import { type QuantizerTrial, type QuantizerTrialResult, quantizerTrial } from "./simvq/trial.ts";
import { simVqVerdicts } from "./simvq/verdicts.ts";

interface Plan extends Omit<QuantizerTrial, "method" | "numCodes" | "seed"> {
  readonly sizes: readonly number[];
  readonly seeds: readonly number[];
  /** Pixels between patches of photographs, which are twice as large. */
  readonly stride: number;
  readonly validationFraction: number;
}

const common = {
  batchSize: 32,
  learningRate: 4e-3,
  // 1/variance of the pixels, as in VQ-VAE's code.
  reconstructionWeight: 14,
  evalImages: 256,
} as const;

const plans: Readonly<Record<ExperimentContext["size"], Plan>> = {
  full: {
    ...common,
    sizes: [1024, 8192, 65536],
    seeds: [1, 2, 3],
    steps: 1000,
    channels: [16, 32],
    evalEvery: 100,
    stride: 8,
    validationFraction: 0.15,
  },
  quick: {
    ...common,
    sizes: [64, 1024],
    seeds: [1],
    steps: 6,
    channels: [4, 8],
    evalEvery: 2,
    evalImages: 64,
    stride: 64,
    validationFraction: 0.15,
  },
};

const side = 16;

/** The control is enough at the smaller sizes. */
const triedAt = (plan: Plan) => (method: MethodName, size: number) =>
  method !== "VQ (STE), SimVQ's start" || size !== plan.sizes.at(-1);

async function measure({ size, trials, threads = 1, note }: ExperimentContext): Promise<SimVqResults> {
  const { sizes, seeds, stride, validationFraction, ...options } = plans[size];
  const data = await openImages({ source: "photographs", size: side, stride, validationFraction });
  const tried = triedAt(plans[size]);
  const results = new Map<string, QuantizerTrialResult[]>();
  for (const numCodes of sizes) {
    for (const method of methodNames.filter((name) => tried(name, numCodes))) {
      note(`${method}, ${numCodes} codes: ${seeds.length} runs of ${options.steps} steps`);
      const runs: QuantizerTrialResult[] = [];
      for (const seed of seeds) {
        const trial: QuantizerTrial = { method, numCodes, seed, ...options };
        runs.push(
          await trials.run({ ...trial, stride, validationFraction }, () =>
            quantizerTrial(trial, data, threads),
          ),
        );
      }
      results.set(`${method} ${numCodes}`, runs);
    }
  }
  return {
    sizes,
    seeds,
    steps: options.steps,
    triedAt: tried,
    of: (method, numCodes) => results.get(`${method} ${numCodes}`)!,
  };
}

const simVqExperiment: Experiment = {
  name: "simvq",
  title: "SimVQ and other quantizers: codes used, reconstruction, speed of convergence",
  sources: [
    "Su-10519 (kexue.fm/archives/10519)",
    "Zhu et al., SimVQ, arXiv 2411.02038",
    "Fifty et al., The rotation trick, arXiv 2410.06424",
    "Mentzer et al., FSQ, arXiv 2309.15505",
  ],
  async run(context): Promise<ExperimentReport> {
    const plan = plans[context.size];
    const results = await measure(context);
    const verdicts = simVqVerdicts(results);
    const count = (verdict: Verdict["verdict"]) => verdicts.filter((row) => row.verdict === verdict).length;
    const seeds = plan.seeds.length === 1 ? "one seed" : `${plan.seeds.length} seeds`;
    const vectors = (plan.batchSize * side ** 2) / 4 ** plan.channels.length;
    return {
      summary: `Autoencoders of photograph patches that differ in their quantizer alone: ${methodNames.length} quantizers, codebooks of ${plan.sizes.map((size) => size.toLocaleString("en")).join(", ")} codes, ${plan.steps} steps, ${seeds}. ${count("holds")} claims hold, ${count("fails")} fail, ${count("open")} stay open.`,
      verdicts,
      sections: [
        {
          kind: "text",
          text: `How it was measured. Grey patches of ${side} × ${side} pixels from six photographs, ${plan.stride} pixels apart; the right ${100 * plan.validationFraction} % of each photograph is held out. Strided convolutions of widths ${plan.channels.join(" and ")} with a residual block each make 4 × 4 vectors of 8 components (FSQ: as many as it has levels), the decoder mirrors them; ${vectors} vectors a step, AdamW at ${plan.learningRate} without weight decay, cosine schedule, codebook loss 1 and commitment loss 0.25, reconstruction weight ${plan.reconstructionWeight}. These runs are short beside published ones (${plan.steps * vectors} vectors in all), so that shares of large codebooks are still growing when they end. Every code of VQ starts within ±1/K as in VQ-VAE's code; the control starts its codes where SimVQ's are. Restarts replace codes that get less than a tenth of the hits of equal use.`,
        },
        ...simVqPlots(results),
        ...plan.sizes.map((size) => sizeTable(results, size)),
      ],
    };
  },
};

export default simVqExperiment;

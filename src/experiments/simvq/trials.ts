import { openImages } from "../../data/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import { methodNames } from "./methods.ts";
import { type Plan, side, triedAt } from "./plan.ts";
import type { SimVqResults } from "./results.ts";
import { type QuantizerTrial, type QuantizerTrialResult, quantizerTrial } from "./trial.ts";

export async function measure(
  plan: Plan,
  { trials, threads = 1, note }: ExperimentContext,
): Promise<SimVqResults> {
  const { sizes, seeds, stride, validationFraction, ...options } = plan;
  const data = await openImages({ source: "photographs", size: side, stride, validationFraction });
  const tried = triedAt(plan);
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

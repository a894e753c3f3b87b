import type { ExperimentContext } from "../experiment.ts";
import { type CheckpointResult, lossTrial, type NetworkSettings, networkTrial } from "./networkTrials.ts";
import type { Plan } from "./plan.ts";
import { quadraticTrial } from "./quadraticTrials.ts";
import type { Measured } from "./summary.ts";

export async function measure(
  plan: Plan,
  { trials, threads, home, note }: ExperimentContext,
): Promise<Measured> {
  const quadratics = [];
  for (const correlation of plan.correlations) {
    const { size: numDimensions, numSamples } = plan.quadratic;
    const settings = { kind: "quadratic", size: numDimensions, correlation, numSamples, sigma: 0.1, seed: 1 };
    const result = await trials.run(settings, () =>
      quadraticTrial({ size: numDimensions, correlation }, settings),
    );
    quadratics.push({ correlation, result });
  }
  let numParameters = 0;
  const runs = { adam: [] as CheckpointResult[][], adabelief: [] as CheckpointResult[][] };
  for (const optimizer of ["adam", "adabelief"] as const) {
    for (const seed of plan.seeds) {
      note(`${optimizer}, seed ${seed}: training, then ${plan.network.numProbes} probes at each checkpoint`);
      const settings: NetworkSettings = { optimizer, seed, ...plan.network };
      const result = await trials.run({ kind: "network", ...settings }, () =>
        networkTrial(settings, home, threads),
      );
      runs[optimizer].push([...result.checkpoints]);
      numParameters = result.numParameters;
    }
  }
  const { learningRate, modelDim, batchSize, length } = plan.network;
  const losses = [];
  for (const b2 of plan.loss.b2) {
    note(`Adam with b2 ${b2}: ${plan.loss.seeds.length} runs`);
    const values: number[] = [];
    for (const seed of plan.loss.seeds) {
      const settings = { seed, b2, steps: plan.loss.steps, learningRate, modelDim, batchSize, length };
      values.push(
        (await trials.run({ kind: "loss", ...settings }, () => lossTrial(settings, home, threads))).loss,
      );
    }
    losses.push({ b2, values });
  }
  return { quadratics, ...runs, losses, numParameters };
}

import type { Experiment, ExperimentContext, ExperimentReport, Verdict } from "./experiment.ts";
import {
  type CheckpointResult,
  lossTrial,
  type NetworkSettings,
  networkTrial,
} from "./hessian/networkTrials.ts";
import { quadraticTrial } from "./hessian/quadraticTrials.ts";
import { layerTable, meansTable, plots } from "./hessian/sections.ts";
import { type Measured, show } from "./hessian/summary.ts";
import { networkVerdicts, quadraticVerdicts } from "./hessian/verdicts.ts";
import { interval } from "./statistics.ts";

/** What is measured: minutes for the report, seconds to see that it runs. */
const sizes = {
  full: {
    correlations: [0, 0.01, 0.03, 0.1, 0.3, 0.9],
    quadratic: { size: 48, numSamples: 4000 },
    network: {
      checkpoints: [20, 200, 1000],
      numProbes: 160,
      numGradients: 64,
      learningRate: 3e-3,
      modelDim: 48,
      batchSize: 16,
      length: 64,
    },
    seeds: [1, 2],
    loss: { b2: [0.5, 0.9, 0.99, 0.999], seeds: [1, 2, 3], steps: 300 },
  },
  quick: {
    correlations: [0, 0.1, 0.9],
    quadratic: { size: 16, numSamples: 500 },
    network: {
      checkpoints: [5, 20],
      numProbes: 16,
      numGradients: 8,
      learningRate: 3e-3,
      modelDim: 16,
      batchSize: 4,
      length: 16,
    },
    seeds: [1],
    loss: { b2: [0.9, 0.999], seeds: [1, 2], steps: 20 },
  },
} as const;

async function measure({ size, trials, threads, note }: ExperimentContext): Promise<Measured> {
  const plan = sizes[size];
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
        networkTrial(settings, threads),
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
      values.push((await trials.run({ kind: "loss", ...settings }, () => lossTrial(settings, threads))).loss);
    }
    losses.push({ b2, values });
  }
  return { quadratics, ...runs, losses, numParameters };
}

const hessian: Experiment = {
  name: "hessian",
  title: "Adam's √v̂ beside the diagonal of the Hessian",
  sources: [
    "Su-10588 (kexue.fm/archives/10588)",
    "Molybog et al., A theory on Adam instability, arXiv 2304.09871",
    "Zhuang et al., AdaBelief, arXiv 2010.07468",
  ],
  async run(context): Promise<ExperimentReport> {
    const measured = await measure(context);
    const { adam, adabelief, losses, numParameters, quadratics } = measured;
    const plan = sizes[context.size];
    const verdicts = [...quadraticVerdicts(measured), ...networkVerdicts(measured)];
    const count = (verdict: Verdict["verdict"]) => verdicts.filter((row) => row.verdict === verdict).length;
    return {
      summary: `Quadratics where the answer is known, and a transformer of ${numParameters} parameters trained on the books with Adam and AdaBelief, whose |diag H| was measured with ${plan.network.numProbes} Hutchinson probes at ${plan.network.checkpoints.length} checkpoints, with ${plan.seeds.length === 1 ? "one seed" : `${plan.seeds.length} seeds`} each. ${count("holds")} claims hold, ${count("fails")} fail, ${count("open")} stay open.`,
      verdicts,
      sections: [
        {
          kind: "text",
          text: "How it was measured. Each probe takes another batch, so `|diag H|` is of the mean loss. Its noise is judged by two halves of the probes: the reliability is the share of its variance that a repetition would show again. Rank correlations are divided by its root and slopes by itself where the text says corrected; matrices with a reliability under 0.3 are left out there. (Dividing is right for noise that is added to logarithms; here it is an approximation.) `√E[g²]` and `√Var[g]` at the checkpoint come from batches at fixed parameters, `√v̂` and the averages from the path.",
        },
        {
          kind: "table",
          title: "Quadratics: slopes over three decades of |diag H|",
          columns: ["ρ", "slope over |diag H|", "rank", "slope over row norms (sampled)", "error / chance"],
          rows: quadratics.map(({ correlation, result: { exact, sampled, errorOverChance } }) => [
            String(correlation),
            exact.slope.toFixed(3),
            exact.rankCorrelation.toFixed(3),
            sampled.slope.toFixed(3),
            errorOverChance.toFixed(2),
          ]),
        },
        ...plots(measured),
        meansTable(adam, adabelief),
        {
          kind: "table",
          title: "The checkpoints (first seed)",
          columns: ["optimizer", "step", "validation loss, nats", "share of E[g²] that is variance"],
          rows: (
            [
              ["Adam", adam],
              ["AdaBelief", adabelief],
            ] as const
          ).flatMap(([label, runs]) =>
            runs[0]!.map(({ step, loss, varianceShare }) => [
              label,
              String(step),
              loss.toFixed(3),
              varianceShare.toFixed(2),
            ]),
          ),
        },
        layerTable("Adam's √v̂, matrix by matrix (first seed; not corrected)", adam, "optimizer"),
        layerTable("AdaBelief's √ŝ, matrix by matrix (first seed; not corrected)", adabelief, "optimizer"),
        {
          kind: "table",
          title: `Validation loss of Adam after ${plan.loss.steps} steps, by b2 (${plan.loss.seeds.length} seeds)`,
          columns: ["b2", "nats"],
          rows: losses.map(({ b2, values }) => [String(b2), show(interval(values), 3)]),
        },
      ],
    };
  },
};

export default hessian;

import { countVerdicts, type Experiment } from "./experiment.ts";
import { type Plan, plans } from "./hessian/plan.ts";
import { layerTable, meansTable, plots } from "./hessian/sections.ts";
import { type Measured, show } from "./hessian/summary.ts";
import { measure } from "./hessian/trials.ts";
import { networkVerdicts, quadraticVerdicts } from "./hessian/verdicts.ts";
import { interval } from "./statistics.ts";

const hessian: Experiment<Plan, Measured> = {
  name: "hessian",
  title: "Adam's √v̂ beside the diagonal of the Hessian",
  sources: [
    "Su-10588 (kexue.fm/archives/10588)",
    "Molybog et al., A theory on Adam instability, arXiv 2304.09871",
    "Zhuang et al., AdaBelief, arXiv 2010.07468",
  ],
  plans,
  trials: measure,
  verdicts: (measured) => [...quadraticVerdicts(measured), ...networkVerdicts(measured)],
  summary: ({ numParameters }, plan, verdicts) =>
    `Quadratics where the answer is known, and a transformer of ${numParameters} parameters trained on the books with Adam and AdaBelief, whose |diag H| was measured with ${plan.network.numProbes} Hutchinson probes at ${plan.network.checkpoints.length} checkpoints, with ${plan.seeds.length === 1 ? "one seed" : `${plan.seeds.length} seeds`} each. ${countVerdicts(verdicts)}.`,
  sections(measured, plan) {
    const { adam, adabelief, losses, quadratics } = measured;
    return [
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
    ];
  },
};

export default hessian;

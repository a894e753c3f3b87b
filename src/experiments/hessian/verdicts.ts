import type { Verdict } from "../experiment.ts";
import { type Interval, interval } from "../statistics.ts";
import { settleWithSeeds } from "../toSettle.ts";
import {
  correctedRank,
  correctedSlope,
  intervalOrNull,
  type Measured,
  nearTo,
  perMatrix,
  rankDifference,
  show,
  signOf,
} from "./summary.ts";

/** What would settle a claim about these differences. */
const settling = (intervals: readonly Interval[]) => ({
  toSettle: settleWithSeeds(intervals.map((interval) => ({ interval }))),
});

/** Holds if every part does, fails if one does. */
function ofAll(all: readonly Verdict["verdict"][]): Verdict["verdict"] {
  if (all.includes("fails")) return "fails";
  return all.every((one) => one === "holds") ? "holds" : "open";
}

/** Claims about quadratics, where the answer is known. */
export function quadraticVerdicts({ quadratics }: Measured): Verdict[] {
  const worst = Math.max(...quadratics.map(({ result }) => result.errorOverChance));
  const diagonal = quadratics.find(({ correlation }) => correlation === 0)!.result;
  const coupled = quadratics.at(-1)!;
  const slope = coupled.result.exact.slope;
  return [
    {
      claim: "Near an optimum with θ − θ* ~ N(0, σ²I), E[ggᵀ] = σ²HHᵀ (Su-10588)",
      expected: "the samples' distance from σ²HHᵀ is what chance leaves, about 1×",
      found: `at most ${worst.toFixed(2)}× over ${quadratics.length} quadratics`,
      verdict: worst < 1.5 ? "holds" : "fails",
    },
    {
      claim: "√E[g²] tracks σ·|diag H|: Adam is a diagonal Newton method (diagonal H)",
      expected: "slope 1 of log √E[g²] over log |diag H|, rank correlation 1",
      found: `slope ${diagonal.exact.slope.toFixed(3)} exactly, ${diagonal.sampled.slope.toFixed(3)} ± ${(2 * diagonal.sampled.slopeStandardError).toFixed(3)} from samples, rank correlation ${diagonal.exact.rankCorrelation.toFixed(3)}`,
      verdict: Math.abs(diagonal.sampled.slope - 1) < 0.05 ? "holds" : "fails",
    },
    {
      claim: "The same where parameters act on the loss together (H_ij = ρ·√(H_ii·H_jj))",
      expected: "slope 1",
      found: `slope ${slope.toFixed(3)} at ρ = ${coupled.correlation}: √E[g²] is σ times the norm of a row, which grows as √H_ii; ranks agree (${coupled.result.exact.rankCorrelation.toFixed(2)})`,
      verdict: Math.abs(slope - 1) < 0.05 ? "holds" : "fails",
    },
  ];
}

/** Claims about the trained network. */
export function networkVerdicts({ adam, adabelief, losses }: Measured): Verdict[] {
  const rank = intervalOrNull(perMatrix(adam, -1, correctedRank("optimizer")));
  const rankHere = intervalOrNull(perMatrix(adam, -1, correctedRank("here")));
  const slope = intervalOrNull(perMatrix(adam, -1, correctedSlope("optimizer")));
  const slopeHere = intervalOrNull(perMatrix(adam, -1, correctedSlope("here")));
  const ranks = (place: number, name: "optimizer" | "here") =>
    perMatrix(adam, place, ({ agreement }) => agreement[name].rankCorrelation);
  const last = ranks(-1, "optimizer");
  const growthOf = (name: "optimizer" | "here") => {
    const first = ranks(0, name);
    return interval(ranks(-1, name).map((value, i) => value - first[i]!));
  };
  const [growth, growthHere] = [growthOf("optimizer"), growthOf("here")];
  const centredEarly = interval(perMatrix(adam, 0, rankDifference("centred", "here")));
  const centredLate = interval(perMatrix(adam, -1, rankDifference("centred", "here")));
  const belief = perMatrix(adabelief, -1, ({ agreement }) => agreement.optimizer.rankCorrelation);
  const beliefDifference = interval(belief.map((value, i) => value - last[i]!));
  const shorter = ([0, 0.9, 0.99] as const).map((b2) => ({
    b2,
    difference: interval(perMatrix(adam, -1, rankDifference("average 0.999", `average ${b2}`))),
  }));
  const rows = shorter.map(({ b2, difference }) => `${show(difference, 3)} over b2 ${b2}`).join(", ");
  const signs = shorter.map(({ difference }) => signOf(difference));
  const lossAt = (b2: number) => losses.find((row) => row.b2 === b2)!.values;
  const longest = Math.max(...losses.map(({ b2 }) => b2));
  const gains = losses
    .filter(({ b2 }) => b2 !== longest)
    .map(({ b2, values }) => ({
      b2,
      difference: interval(values.map((value, i) => value - lossAt(longest)[i]!)),
    }));
  return [
    {
      claim: "√v̂ of a trained network orders parameters as |diag H| does",
      expected: "rank correlation near 1, corrected for the noise of |diag H| (0.7 or more)",
      found: `√v̂ ${show(rank)}, √E[g²] at the last checkpoint ${show(rankHere)}`,
      verdict: rank === null ? "open" : rank.mean >= 0.7 ? "holds" : rank.mean < 0.4 ? "fails" : "open",
    },
    {
      claim: "√v̂ is proportional to |diag H| (covariance form)",
      expected: "corrected slope 1 ± 0.15",
      found: `√v̂ ${show(slope)}, √E[g²] at the last checkpoint ${show(slopeHere)}`,
      verdict: nearTo(slope, 1),
    },
    {
      claim: "v̂ is proportional to |diag H| (Gauss–Newton: ggᵀ ≈ σ²H)",
      expected: "corrected slope of √v̂ ½ ± 0.15",
      found: `√v̂ ${show(slope)}, √E[g²] at the last checkpoint ${show(slopeHere)}`,
      verdict: nearTo(slope, 0.5),
    },
    {
      claim: "The agreement grows as training nears an optimum",
      expected:
        "a higher rank correlation at the last checkpoint than at the first, of √v̂ and of √E[g²] at fixed parameters",
      found: `difference ${show(growth, 3)} for √v̂ (whose average begins with few steps), ${show(growthHere, 3)} for √E[g²]`,
      verdict: ofAll([growth, growthHere].map(signOf)),
      ...settling([growth, growthHere]),
    },
    {
      claim: "Away from an optimum the covariance form (AdaBelief) is the better estimate",
      expected: "at the first checkpoint √Var[g] has a higher rank correlation than √E[g²]",
      found: `difference ${show(centredEarly, 3)} at the first, ${show(centredLate, 3)} at the last checkpoint`,
      verdict: signOf(centredEarly),
      ...settling([centredEarly]),
    },
    {
      claim: "AdaBelief's √ŝ is closer to |diag H| than Adam's √v̂, each on its own path",
      expected: "a higher rank correlation at the last checkpoint",
      found: `difference ${show(beliefDifference, 3)}`,
      verdict: signOf(beliefDifference),
      ...settling([beliefDifference]),
    },
    {
      claim: "β₂ near 1 (a long average) estimates |diag H| better than a smaller β₂",
      expected: "a higher rank correlation for b2 0.999 than for each smaller one, along the same path",
      found: `difference ${rows}`,
      verdict: ofAll(signs),
    },
    {
      claim: `β₂ near 1 trains better: Adam with b2 ${longest} against smaller ones`,
      expected: "a lower validation loss, seed by seed",
      found: gains
        .map(({ b2, difference }) => `b2 ${b2}: ${show(difference, 3)} nats above b2 ${longest}`)
        .join(", "),
      verdict: ofAll(gains.map(({ difference }) => signOf(difference))),
      ...settling(gains.map(({ difference }) => difference)),
    },
  ];
}

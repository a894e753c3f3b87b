import { mean } from "simple-statistics";
import { finalLoss } from "../learningRateSweep.ts";
import { interval } from "../statistics.ts";
import type { TrainTrialResult } from "../trainTrial.ts";
import type { DecayKind } from "./plan.ts";
import type { DecayPoint, Results } from "./trials.ts";

/** What is read off a run. */
export interface Measures {
  readonly loss: number;
  /** `σ₁`, mean over the hidden matrices. */
  readonly spectralNorm: number;
  /** `√(‖W‖_F² − σ₁²)` of the mean norms: the size of all other singular values. */
  readonly rest: number;
  /** Mean share of the full rank. */
  readonly stableRank: number;
}

/** Means over the hidden matrices. */
export function measuresAt(result: TrainTrialResult, index: number): Measures {
  const matrices = Object.values(result.spectra.at(index)?.matrices ?? {});
  const over = (name: keyof (typeof matrices)[number]) => mean(matrices.map((matrix) => matrix[name]));
  const [spectralNorm, frobeniusNorm] = [over("spectralNorm"), over("frobeniusNorm")];
  return {
    loss: finalLoss(result),
    spectralNorm,
    rest: Math.sqrt(frobeniusNorm ** 2 - spectralNorm ** 2),
    stableRank: over("stableRank"),
  };
}

/**
 * A run as it would have been with the strength that gives a chosen `σ₁`: linear in `ln σ₁` between the two strengths around it.
 *
 * @param runs - of one seed, by ascending strength, so by falling `σ₁`
 * @returns null if no two strengths lie around it
 */
export function matchSpectralNorm<M extends Readonly<Record<string, number>> & { spectralNorm: number }>(
  runs: readonly M[],
  spectralNorm: number,
): M | null {
  for (let i = 1; i < runs.length; i++) {
    const [a, b] = [runs[i - 1]!, runs[i]!];
    if (a.spectralNorm < spectralNorm || b.spectralNorm > spectralNorm) continue;
    const share =
      a.spectralNorm === b.spectralNorm
        ? 0
        : Math.log(a.spectralNorm / spectralNorm) / Math.log(a.spectralNorm / b.spectralNorm);
    const between = Object.entries(a).map(([name, value]) => [name, value + share * (b[name]! - value)]);
    return { ...Object.fromEntries(between), spectralNorm };
  }
  return null;
}

export const losses = ({ results }: DecayPoint) => results.map(finalLoss);
export const bestOf = (points: readonly DecayPoint[]) =>
  points.reduce((a, b) => (mean(losses(b)) < mean(losses(a)) ? b : a));
export const differences = (a: readonly number[], b: readonly number[]) =>
  interval(a.map((value, i) => value - b[i]!));

/** Half of the σ₁ that training without decay ends with, by seed. */
const halfNorms = ({ none }: Results) => none.results.map((run) => measuresAt(run, -1).spectralNorm / 2);

/** Each seed's run with half the σ₁ of no decay; null if the strengths of the grid don't lie around it. */
export function matched(results: Results, kind: DecayKind): readonly Measures[] | null {
  const found = halfNorms(results).map((norm, seed) => {
    const runs = [results.none, ...results.kinds[kind]].map(({ results: runs }) => ({
      ...measuresAt(runs[seed]!, -1),
    }));
    return matchSpectralNorm(runs, norm);
  });
  return found.some((value) => value === null) ? null : (found as Measures[]);
}

export const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;

import type { Estimate } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";
import { growthExponent } from "../laws/growth.ts";
import { formatRate } from "../laws/showNumbers.ts";
import { interval } from "../statistics.ts";
import { type Mode, type Plan, vanishing, vanishingGradient } from "./plan.ts";
import type { Best, Results } from "./trials.ts";

/** Losses are called the same within this share of float32's, or within both intervals. */
const near = 0.1;

export const of = (results: Results, mode: Mode, epsilon: number): Best =>
  results.anchors.find((best) => best.mode === mode && best.epsilon === epsilon)!;

export const meanLoss = ({ losses }: Best): number | null =>
  losses.length === 0 ? null : interval(losses).mean;

/** Whether a mode reaches float32's loss at an ε. */
export function keepsUp(results: Results, mode: Mode, epsilon: number): boolean {
  const [own, whole] = [meanLoss(of(results, mode, epsilon)), meanLoss(of(results, "float32", epsilon))];
  return own !== null && whole !== null && own <= (1 + near) * whole;
}

/** The least ε from which on a mode reaches float32's loss; null if there is none. */
export function usableFrom(results: Results, plan: Plan, mode: Mode): number | null {
  const failing = plan.epsilons.filter((epsilon) => !keepsUp(results, mode, epsilon));
  const last = failing.at(-1) ?? 0;
  return plan.epsilons.find((epsilon) => epsilon > last) ?? null;
}

/** The exponent p of η* ∝ B^p at an ε, in float32; null if fewer than two batch sizes have a best. */
export function exponentAt(results: Results, epsilon: number): Estimate | null {
  const optima = results.growth.flatMap((best) =>
    best.epsilon === epsilon && best.learningRate !== null
      ? [{ batchSize: best.batchSize, optimum: best.learningRate }]
      : [],
  );
  return growthExponent(optima);
}

export const showExponent = (exponent: Estimate | null): string =>
  exponent === null
    ? "no exponent"
    : `B^${exponent.value.toFixed(2)} (${exponent.low.toFixed(2)} – ${exponent.high.toFixed(2)})`;

/** How a mode did at an ε, in a few words. */
export function describeBest(best: Best): string {
  const loss = meanLoss(best);
  if (loss !== null) return loss.toFixed(3);
  return best.brokeBy === null ? "breaks at some seeds" : `breaks by step ${best.brokeBy}`;
}

const listed = (epsilons: readonly number[]) => epsilons.map(formatRate).join(", ");

export function verdictsOf(results: Results, plan: Plan): Verdict[] {
  const zeros = plan.epsilons.filter((epsilon) => epsilon < vanishing);
  const broken = zeros.filter((epsilon) => of(results, "float16", epsilon).losses.length === 0);
  const usable = usableFrom(results, plan, "float16");
  const mixedKeeps = plan.epsilons.filter((epsilon) => keepsUp(results, "mixed", epsilon));
  const [small, large] = [plan.growthEpsilons[0]!, plan.growthEpsilons.at(-1)!];
  const [atSmall, atLarge] = [exponentAt(results, small), exponentAt(results, large)];
  const rates = (epsilon: number) =>
    results.growth
      .filter((best) => best.epsilon === epsilon && best.learningRate !== null)
      .map(({ batchSize, learningRate }) => `${formatRate(learningRate!.value)} at ${batchSize}`)
      .join(", ");
  return [
    {
      claim: "Su-10563: 1e-8 is 0 in half precision, so ε must be larger there.",
      expected: `Adam with gradients and moments of float16 breaks at every ε below 2⁻²⁵ (3·10⁻⁸), whatever the learning rate.`,
      found: zeros
        .map((epsilon) => `ε ${formatRate(epsilon)}: ${describeBest(of(results, "float16", epsilon))}`)
        .join("; "),
      verdict: broken.length === zeros.length ? "holds" : "fails",
    },
    {
      claim:
        "What must not vanish is the mean square, not ε: after a step it does where a gradient is below √(2⁻²⁵/(1 − β₂)), and ε alone is left to divide by.",
      expected: `Float16 reaches float32's loss (within ${100 * near} %) from an ε within a factor of 10 of ${formatRate(vanishingGradient)} on.`,
      found:
        usable === null
          ? `at none of ε ${listed(plan.epsilons)}`
          : `from ε ${formatRate(usable)} on; below, ${plan.epsilons
              .filter((epsilon) => epsilon < usable)
              .map((epsilon) => `${formatRate(epsilon)}: ${describeBest(of(results, "float16", epsilon))}`)
              .join("; ")}`,
      verdict:
        usable === null
          ? "fails"
          : usable >= vanishingGradient / 10 && usable <= vanishingGradient * 10
            ? "holds"
            : "fails",
    },
    {
      claim: "Mixed precision (products in float16, a scaled loss, moments in float32) needs no larger ε.",
      expected: `It reaches float32's loss (within ${100 * near} %) at every ε.`,
      found: `at ${mixedKeeps.length} of ${plan.epsilons.length}: ${plan.epsilons
        .map(
          (epsilon) =>
            `${formatRate(epsilon)}: ${describeBest(of(results, "mixed", epsilon))} (float32 ${describeBest(of(results, "float32", epsilon))})`,
        )
        .join("; ")}`,
      verdict: mixedKeeps.length === plan.epsilons.length ? "holds" : "fails",
    },
    {
      claim:
        "Su-10563: with a larger ε the best learning rate grows faster with the batch size, from the sign's law towards SGD's.",
      expected: `The exponent of η* in B is larger at ε ${formatRate(large)} than at ${formatRate(small)}, by more than both intervals.`,
      found: `${showExponent(atSmall)} at ε ${formatRate(small)} (${rates(small)}); ${showExponent(atLarge)} at ε ${formatRate(large)} (${rates(large)})`,
      verdict:
        atSmall === null || atLarge === null
          ? "open"
          : atLarge.low > atSmall.high
            ? "holds"
            : atLarge.high < atSmall.low
              ? "fails"
              : "open",
    },
  ];
}

import type { Section } from "../experiment.ts";
import { formatEstimate, formatRate } from "../laws/showNumbers.ts";
import { formatInterval, interval } from "../statistics.ts";
import { modes, type Plan, vanishingGradient } from "./plan.ts";
import type { Best, Results } from "./trials.ts";
import { describeBest, exponentAt, meanLoss, of, showExponent } from "./verdicts.ts";

const showLoss = (best: Best) =>
  best.losses.length === 0 ? describeBest(best) : formatInterval(interval(best.losses));

export function sections(results: Results, plan: Plan): Section[] {
  return [
    {
      kind: "text",
      text: `Digits of MNIST, averaged to fewer pixels, by a perceptron with two hidden layers of ${plan.task.modelDim}; ${plan.steps} steps of Adam, β₁ 0.9, β₂ 0.999, learning rates powers of 2, ${plan.seeds.length} seeds (${plan.growthSeeds.length} for growth with the batch size). Parameters are float32 everywhere. "mixed": products of matrices in float16 and a loss times 1,024, its gradients divided by that in float32. "float16": the gradients, both moments, what corrects them, the root, ε and the quotient are rounded to float16 as well, without a scale.`,
    },
    {
      kind: "table",
      title: `Loss in nats at the best learning rate, batches of ${plan.anchor}`,
      columns: ["ε", ...modes, "mean squares of 0 in float16", "η* float32", "η* float16"],
      rows: plan.epsilons.map((epsilon) => {
        const [whole, half] = [of(results, "float32", epsilon), of(results, "float16", epsilon)];
        return [
          formatRate(epsilon),
          ...modes.map((mode) => showLoss(of(results, mode, epsilon))),
          half.vanished === null ? "–" : `${(100 * half.vanished).toFixed(0)} %`,
          whole.learningRate === null ? "–" : formatEstimate(whole.learningRate),
          half.learningRate === null ? "–" : formatEstimate(half.learningRate),
        ];
      }),
    },
    {
      kind: "plot",
      file: "loss",
      title: "Loss by ε",
      x: { label: "ε", scale: "log" },
      y: { label: "loss, nats" },
      series: modes.map((name) => ({
        name,
        points: plan.epsilons.flatMap((epsilon) => {
          const y = meanLoss(of(results, name, epsilon));
          return y === null ? [] : [{ x: epsilon, y }];
        }),
      })),
    },
    {
      kind: "text",
      text: `Where a point of float16 is missing, every learning rate broke. The gradient below which a mean square vanishes after one step is ${vanishingGradient.toPrecision(2)}.`,
    },
    {
      kind: "table",
      title: "Best learning rate by batch size, float32",
      columns: ["ε", ...plan.batchSizes.map((size) => `B ${size}`), "η* ∝"],
      rows: plan.growthEpsilons.map((epsilon) => [
        formatRate(epsilon),
        ...plan.batchSizes.map((batchSize) => {
          const best = results.growth.find(
            (each) => each.epsilon === epsilon && each.batchSize === batchSize,
          );
          return best?.learningRate == null ? "–" : formatEstimate(best.learningRate);
        }),
        showExponent(exponentAt(results, epsilon)),
      ]),
    },
    {
      kind: "plot",
      file: "growth",
      title: "Best learning rate by batch size",
      x: { label: "batch size", scale: "log" },
      y: { label: "η*", scale: "log" },
      series: plan.growthEpsilons.map((epsilon) => ({
        name: `ε ${formatRate(epsilon)}`,
        points: results.growth.flatMap((best) =>
          best.epsilon === epsilon && best.learningRate !== null
            ? [
                {
                  x: best.batchSize,
                  y: best.learningRate.value,
                  low: best.learningRate.low,
                  high: best.learningRate.high,
                },
              ]
            : [],
        ),
      })),
    },
  ];
}

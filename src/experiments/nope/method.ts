import type { Paragraph } from "../experiment.ts";
import type { Plan } from "./plan.ts";

export function method(plan: Plan): Paragraph {
  const { model, steps, batchSize, seeds, source, measurement, permutation, initial, uniform } = plan;
  const length = model.maxLength;
  return {
    kind: "text",
    text: [
      `**Random weights.** Order: the transformer's own blocks in float64 with weights of size 1/√d, L = ${permutation.length}, ${permutation.permutations} orders. Uniform attention: ${uniform.seeds.length} × ${uniform.sequences} sequences of ${uniform.length} normal values with ${uniform.dim} components, sums in float64; slopes are fitted for each of the ${uniform.seeds.length} and have Student's interval, as neighbours in one sequence are far from independent. Random transformers: GPT-2's initialisation (0.02), ${initial.numLayers} layers, d = ${initial.modelDim}, ${initial.length} tokens, ${initial.seeds.length} seeds; y_n is the output of a head before it is projected, its slope is fitted at n = 1, 2, 3, 4, 6, 8, 11, ….`,
      `**Training.** A byte-level transformer (${model.numLayers} layers, d = ${model.modelDim}, ${model.numHeads} heads, QK-norm) on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens with every encoding, AdamW, learning rates on a grid of powers of two around ${plan.base} until the best isn't at its edge or the grid has ${plan.exponents.length + plan.maxExtensions} values. Seeds ${seeds.join(", ")}; intervals are 95 %, Student's, over the seeds, differences are paired by seed. Losses by place are of ${measurement.sequences} sequences of ${measurement.lengthFactor * length} tokens of held-out text; the learned table ends at ${length}, so it has no loss beyond. Sequences begin anywhere in the text, without a token that marks the beginning.`,
      `**Probes.** Ridge regression of n on the states of ${measurement.sequences / 2} held-out sequences, judged on ${measurement.sequences / 2} others. A size that falls with n has no direction of its own, so a linear probe needn't see it; the second probe has the squares of the components as well. How well neighbours are told apart is the probability that the second probe, fitted to ln n, puts the state at n + 1 of one sequence after that at n of another.`,
      "**Limits.** Small models, short training, short texts: what is said of losses is said of these. A table of pairs of bytes shows how far they have come: a model that isn't better than it has learnt nothing of what lies before the last byte, and so has little to lose beyond the length of the training. The probes are fitted to few sequences and bound from below what a state tells.",
    ].join("\n\n"),
  };
}

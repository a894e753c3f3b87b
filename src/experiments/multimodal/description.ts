import { countVerdicts, type Verdict } from "../experiment.ts";
import { type Comparison, ranking } from "./comparison.ts";

/** How it was trained. */
export function describePlan({ settings, seeds, arms }: Comparison): string {
  const { steps, batchSize, numLayers, modelDim, numHeads, headDim, ropeBase, numDocuments } = settings;
  const names = Object.entries(arms)
    .map(([name, { layout, allocation }]) => {
      const sections = "sections" in allocation ? ` ${allocation.sections.join("/")}` : "";
      return `${name}: layout \`${layout}\`, allocation \`${allocation.kind}\`${sections}`;
    })
    .join("; ");
  return `All arms train the same model (${numLayers} layers of width ${modelDim}, ${numHeads} heads of ${headDim}, base ${ropeBase}, tied head) for ${steps} steps of ${batchSize} documents, each seen once, with Muon (peak ${settings.muonLearningRate}) for the matrices and AdamW (peak ${settings.adamwLearningRate}) for the rest, warmup and half a cosine. The learning rates were chosen in short runs of tie-v2 and are the same for all. Only words of answers count in the loss. ${seeds.length} seeds decide parameters and documents, alike for all arms, so that differences are taken seed by seed; intervals are Student's at 95 %. Each set of questions has ${numDocuments} documents. ${names}.`;
}

/** What was run and what came out. */
export function summaryOf(comparison: Comparison, verdicts: readonly Verdict[]): string {
  return `The same decoder trained with ${Object.keys(comparison.arms).length} kinds of positions. Right answers about documents as in training, in percent, mean over the kinds of questions: ${ranking(comparison, "seen")}. ${countVerdicts(verdicts)}.`;
}

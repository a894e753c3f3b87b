import type { Experiment } from "./experiment.ts";
import {
  type ArmClaim,
  accuracyTables,
  armVerdict,
  type Comparison,
  type ComparisonPlan,
  compareArms,
  comparisonPlans,
  lossPlot,
  ranking,
} from "./multimodal/comparison.ts";
import { describePlan, summaryOf } from "./multimodal/description.ts";

/** Layouts with the allocations that they were published with; sections in the published ratios, for 16 pairs. */
const arms: ComparisonPlan["arms"] = {
  flat: { layout: "flat", allocation: { kind: "cyclic" } },
  mrope: { layout: "mrope", allocation: { kind: "sections", sections: [4, 6, 6] } },
  "mrope-interleaved": {
    layout: "mrope-interleaved",
    allocation: { kind: "interleaved-sections", sections: [6, 5, 5] },
  },
  tie: { layout: "tie", allocation: { kind: "cyclic" } },
  "tie-v2": { layout: "tie-v2", allocation: { kind: "cyclic" } },
};

const claims: readonly ArmClaim[] = [
  {
    claim: "A symmetric 2D layout answers better than raster order (Su-10352)",
    better: "tie-v2",
    than: ["flat"],
    set: "seen",
  },
  {
    claim:
      "It knows what lies below a digit better than raster order, where that is as far as an image is wide",
    better: "tie-v2",
    than: ["flat"],
    set: "seen",
    kinds: ["below"],
  },
  {
    claim: "Equivalence and symmetry, which M-RoPE lacks, help (Su-10352)",
    better: "tie-v2",
    than: ["mrope", "mrope-interleaved"],
    set: "seen",
  },
  {
    claim: "Steps of 1 (tie-v2) are better than stretched grids (tie), which break compatibility (Su-10352)",
    better: "tie-v2",
    than: ["tie"],
    set: "seen",
  },
  {
    claim: "Frequencies of all axes interleaved are better than blocks of frequencies (Qwen3-VL)",
    better: "mrope-interleaved",
    than: ["mrope"],
    set: "seen",
  },
  {
    claim: "A symmetric 2D layout answers better about compositions never seen",
    better: "tie-v2",
    than: ["flat", "mrope", "mrope-interleaved", "tie"],
    set: "held-out",
  },
  {
    claim: "A symmetric 2D layout goes on better to grids larger than in training",
    better: "tie-v2",
    than: ["flat", "mrope", "mrope-interleaved", "tie"],
    set: "larger",
  },
];

const multimodalPositions: Experiment<ComparisonPlan, Comparison> = {
  name: "multimodal-positions",
  title: "Positions of images in a decoder: flat, M-RoPE, RoPE-Tie on questions about MNIST digits",
  sources: [
    "Su-10352 (kexue.fm/archives/10352)",
    "Wang et al., Qwen2-VL, arXiv 2409.12191",
    "Qwen3-VL, arXiv 2511.21631",
  ],
  plans: comparisonPlans({ task: "images", arms, steps: 4000 }),
  trials: compareArms,
  verdicts: (comparison) => claims.map((claim) => armVerdict(comparison, claim)),
  summary: (comparison, _, verdicts) => summaryOf(comparison, verdicts),
  sections: (comparison) => [
    {
      kind: "text",
      text: `A document has two to four images, each a grid of 2×2 to 3×3 or 2×4 patches with different digits in some cells, a patch of 7×7 pixels per cell, its number and size before it. Questions: \`what\` digit is in a place, \`where\` a digit is (row, column), which digit is to its \`right\` or \`below\` it, \`which\` image has it, how \`many\` there are, and captions right after an image: all digits in reading order, alone (\`read\`), before their places (\`list\`) or after them (\`map\`). No two questions tell of the same cell. Training never shows a fifth of all digits in places and of all pairs of neighbours: the questions of the second table are about those. The third is about grids of 3×4, 4×3 and 4×4. Accuracy is over digits of the validation split, an answer is right if all of its words are.`,
    },
    { kind: "text", text: describePlan(comparison) },
    {
      kind: "text",
      text: `Held-out compositions, best first: ${ranking(comparison, "held-out")}. Larger grids: ${ranking(comparison, "larger")}.`,
    },
    ...accuracyTables(comparison),
    lossPlot(comparison),
  ],
};

export default multimodalPositions;

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

/** Layouts with the allocations that they were published with; sections in the published ratio, for 16 pairs. */
const arms: ComparisonPlan["arms"] = {
  mrope: { layout: "mrope", allocation: { kind: "sections", sections: [4, 6, 6] } },
  streaming: { layout: "streaming-3d", allocation: { kind: "cyclic" } },
  "tie-v2": { layout: "tie-v2-3d", allocation: { kind: "cyclic" } },
};

const claims: readonly ArmClaim[] = [
  {
    claim: "A 3D layout that is symmetric over the whole video answers better than M-RoPE (Su-10352)",
    better: "tie-v2",
    than: ["mrope"],
    set: "seen",
  },
  {
    claim: "The streaming layout, which needs no number of frames, answers better than M-RoPE (ours)",
    better: "streaming",
    than: ["mrope"],
    set: "seen",
  },
  {
    claim: "Symmetry over the whole video is worth knowing the number of frames",
    better: "tie-v2",
    than: ["streaming"],
    set: "seen",
  },
  {
    claim: "A symmetric layout answers better about motions never seen",
    better: "tie-v2",
    than: ["mrope", "streaming"],
    set: "held-out",
  },
  {
    claim:
      "The streaming layout goes on better to videos larger than in training, as its frames lie as in shorter ones",
    better: "streaming",
    than: ["mrope", "tie-v2"],
    set: "larger",
  },
];

const videoPositions: Experiment<ComparisonPlan, Comparison> = {
  name: "video-positions",
  title:
    "Positions of videos in a decoder: streaming, symmetric and M-RoPE on questions about moving MNIST digits",
  sources: ["Su-10352 (kexue.fm/archives/10352)", "Wang et al., Qwen2-VL, arXiv 2409.12191"],
  plans: comparisonPlans({ task: "videos", arms, steps: 1800 }),
  trials: compareArms,
  verdicts: (comparison) => claims.map((claim) => armVerdict(comparison, claim)),
  summary: (comparison, _, verdicts) => summaryOf(comparison, verdicts),
  sections: (comparison) => [
    {
      kind: "text",
      text: "A document has a video of 4 or 5 frames of 3×3, or 4 of 3×4 or 4×3 patches in which two or three digits appear, move along a line, one cell per frame or one in two, and disappear. Questions: in which `direction` a digit moves, its `speed`, `when` it appears (frame), which digit is `new` in a frame, the digits in the order in which they appear (`list`), and the `path` of a digit: first frame, row and column in each frame, direction, speed. A fifth of all digits in directions and in first frames never occur in training: the questions of the second table are about those. The third is about 6 frames, or 4 frames of 4×4, or 5 of 3×4 and 4×3. An answer is right if all of its words are.",
    },
    { kind: "text", text: describePlan(comparison) },
    {
      kind: "text",
      text: `Held-out motions, best first: ${ranking(comparison, "held-out")}. Larger videos: ${ranking(comparison, "larger")}.`,
    },
    ...accuracyTables(comparison),
    lossPlot(comparison),
  ],
};

export default videoPositions;

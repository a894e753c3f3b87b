import type { TimedScalar } from "../writeTensorboardEvents.ts";

/** Scalars with what may go wrong on the way: negative and tiny values, names beyond ASCII, steps beyond 32 bits. */
export const exampleScalars = (): TimedScalar[] => [
  { tag: "loss", step: 0, value: 5.25, wallTime: 1_700_000_000.25 },
  { tag: "loss", step: 10, value: -1.1, wallTime: 1_700_000_001.5 },
  { tag: "blocks.0.mlp.up/spectralNorm", step: 10, value: 1e-30, wallTime: 1_700_000_001.5 },
  { tag: "损失 <b>", step: 10, value: 3, wallTime: 1_700_000_001.5 },
  { tag: "loss", step: 5_000_000_000, value: 0.5, wallTime: 1_700_000_002 },
];

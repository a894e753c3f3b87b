import { torchAdamw } from "./torchAdamw.ts";
import { torchMuon } from "./torchMuon.ts";
import type { TorchOptimizer } from "./torchOptimizer.ts";

/** The optimizers of `torch.optim` whose state comes in and goes out. */
export const torchOptimizers: readonly TorchOptimizer[] = [torchMuon, torchAdamw];

/** A part of the state of one of them in a checkpoint: the part's name, and the parameter; null for counts of steps. */
export interface OptimizerPart {
  readonly part: string;
  readonly path: string | null;
}

const parts = torchOptimizers.flatMap(({ state }) => Object.values(state));

const pattern = new RegExp(
  `^optimizer\\.(?:(?:\\d+|${torchOptimizers.map(({ group }) => group).join("|")})\\.)*(?:count|(${parts.join("|")})\\.(.+))$`,
);

/** What a tensor of a checkpoint is of these optimizers' state; null for any other. */
export function optimizerPart(name: string): OptimizerPart | null {
  const match = pattern.exec(name);
  return match === null ? null : { part: match[1] ?? "count", path: match[2] ?? null };
}

/** Of the metadata of a file: its groups of parameters, as JSON. */
export const groupsKey = "optimizer";

import type { PositionKind } from "../../nn/index.ts";
import type { Sweep } from "../learningRateSweep.ts";
import { type Interval, interval } from "../statistics.ts";
import type { InitialResult, InitialSettings } from "./initialTrial.ts";
import type { PermutationResult, PermutationSettings } from "./permutationTrial.ts";
import type { LayerProbe, PositionMeasures } from "./positionMeasures.ts";
import type { UniformResult } from "./uniformTrial.ts";

/** Random transformers of one kind, by seed. */
export interface InitialGroup {
  readonly tokens: InitialSettings["tokens"];
  readonly qkNorm: boolean;
  readonly results: readonly InitialResult[];
}

/** All trials of the experiment. */
export interface NopeResults {
  readonly permutations: readonly {
    readonly settings: PermutationSettings;
    readonly result: PermutationResult;
  }[];
  readonly uniform: readonly UniformResult[];
  readonly initial: readonly InitialGroup[];
  readonly sweeps: ReadonlyMap<PositionKind, Sweep>;
  /** Validation loss of a table of pairs of tokens. */
  readonly bigramLoss: number;
  /** Before the first step, by seed. */
  readonly untrained: ReadonlyMap<PositionKind, readonly PositionMeasures[]>;
}

/** Encodings in the order of the tables. */
export const encodings = {
  none: "NoPE",
  rope: "RoPE",
  alibi: "ALiBi",
  sinusoidal: "sinusoidal",
  learned: "learned",
  t5: "T5",
} as const satisfies Record<PositionKind, string>;

/** Names of the encodings. */
export const encodingNames = Object.keys(encodings) as PositionKind[];

/** What was measured after training at the best learning rate, by seed. */
export function trained({ sweeps }: Pick<NopeResults, "sweeps">, kind: PositionKind): PositionMeasures[] {
  return [...sweeps.get(kind)!.best.results.values()].map(({ positions }) => positions!.at(-1)!);
}

/** Mean loss of the groups `[from, to)`, one number per run. */
export function groupLoss(measures: readonly PositionMeasures[], from: number, to: number): number[] {
  return measures.map(({ losses }) => {
    const own = losses.slice(from, to);
    return own.reduce((a, b) => a + b, 0) / own.length;
  });
}

/** Mean of `a − b` over the seeds. */
export function difference(a: readonly number[], b: readonly number[]): Interval {
  return interval(a.map((value, i) => value - b[i]!));
}

/** A number of a layer's probe, by seed; layer −1 is the last block. */
export function probes(
  measures: readonly PositionMeasures[],
  layer: number,
  name: "linear" | "quadratic",
): number[] {
  return measures.map((own) => own.probes.at(layer)![name]);
}

/** Ordering accuracy of the last block by octave. */
export function ordering(measures: readonly PositionMeasures[], octave: number): number[] {
  return measures.map((own) => (own.probes.at(-1) as LayerProbe).ordering.at(octave)!);
}

/** Mean slope of all heads of a layer, by seed. */
export function layerSlopes(
  results: readonly { readonly slopes: readonly (readonly number[])[] }[],
  layer: number,
) {
  return results.map(({ slopes }) => {
    const own = slopes[layer]!;
    return own.reduce((a, b) => a + b, 0) / own.length;
  });
}

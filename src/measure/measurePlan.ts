import type { EnginePlacement } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import type { CheckpointLawOptions } from "../scaling/index.ts";
import type { UpdateDirection } from "./updateDirection.ts";

export interface MeasureOptions extends CheckpointLawOptions, EnginePlacement {
  /** Samples whose gradients are taken, in microbatches of one size. Default 256. */
  readonly samples?: number;
  /** Microbatches, from 8; their gradients are kept. Default 64, or as many as `maxBytes` holds, but 8. */
  readonly microbatches?: number;
  /** Hessian-vector products per quantity, each with a batch of its own. Default 8. */
  readonly probes?: number;
  /** Samples of the batch of a Hessian. Default 16. */
  readonly hessianBatchSize?: number;
  /** Memory for gradients in bytes. Default 512 MiB. */
  readonly maxBytes?: number;
  /** Is told of work done, in gradients or Hessian-vector products. */
  readonly onProgress?: (done: number, total: number) => void;
}

const leastMicrobatches = 8;

/** @throws ConfigError */
function requireCount(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new ConfigError(`measure: ${name} ${value}: expected an integer ≥ ${least}`);
}

/** Runs of microbatches that make up one group of each size. */
export const groupsOf = (count: number, size: number) =>
  Array.from({ length: Math.floor(count / size) }, (_, k) =>
    Array.from({ length: size }, (_, i) => k * size + i),
  );

/** Updates from batches of one size. */
export interface BatchLevel {
  /** Samples in each of these batches: τ·B for updates that remember τ batches. */
  readonly numSamples: number;
  /** The microbatches that each batch is made of; none for samples of its own. */
  readonly members: readonly (readonly number[])[];
  /** How many of the updates meet a Hessian. */
  readonly numCurved: number;
  /** First sample of those that belong to no microbatch. */
  readonly start: number;
}

/** The plan of a measurement: sizes that fit together. */
export interface MeasurePlan {
  readonly microbatches: number;
  readonly microbatchSize: number;
  readonly probes: number;
  readonly hessianBatchSize: number;
  /** Batch sizes at which a nonlinear update is measured. */
  readonly levels: readonly BatchLevel[];
  /** Batch sizes at which a linear update is measured that isn't a multiple of the gradient. */
  readonly linear: readonly number[];
  /** Hessian-vector products in all. */
  readonly numProducts: number;
  /** Gradients in all, and the samples in them. */
  readonly numGradients: number;
  readonly gradientSamples: number;
  /** Samples in all, those of the Hessians included. */
  readonly totalSamples: number;
}

/** Batches of several sizes, ascending: of microbatches together, or smaller than one and of their own samples. */
function planLevels(
  { microbatches, microbatchSize, probes }: Pick<MeasurePlan, "microbatches" | "microbatchSize" | "probes">,
  memory: number,
  { batchSizes, at = [] }: CheckpointLawOptions,
  firstSample: number,
): BatchLevel[] {
  const most = Math.floor(microbatches / 2);
  const counts: number[] = [];
  if (batchSizes === undefined) {
    for (let count = microbatchSize / 4; count >= 1; count /= 4) counts.unshift(Math.floor(count));
    for (let size = 1; size <= most; size *= 2) counts.push(size * microbatchSize);
  }
  for (const batchSize of [...(batchSizes ?? []), ...at]) {
    const wanted = batchSize * memory;
    const count =
      wanted < microbatchSize ? Math.round(wanted) : Math.round(wanted / microbatchSize) * microbatchSize;
    if (count >= 1 && count <= most * microbatchSize) counts.push(count);
  }
  // The mean field that goes beyond needs batch sizes to start from.
  if (counts.length === 0) counts.push(microbatchSize, most * microbatchSize);
  let start = firstSample;
  return [...new Set(counts)]
    .sort((x, y) => x - y)
    .map((numSamples) => {
      const members =
        numSamples < microbatchSize
          ? Array.from({ length: 2 * probes }, () => [])
          : groupsOf(microbatches, numSamples / microbatchSize);
      const level = { numSamples, members, numCurved: Math.min(probes, members.length), start };
      if (numSamples < microbatchSize) start += members.length * numSamples;
      return level;
    });
}

/** Powers of 4 over four decades, where a linear update is measured. */
const linearSizes = Array.from({ length: 8 }, (_, i) => 4 ** i);

/**
 * Sizes of a measurement.
 *
 * @param numParameters - elements of all parameters
 * @throws ConfigError for sizes that can't be used
 */
export function planMeasurement(
  numParameters: number,
  direction: Pick<UpdateDirection, "kind" | "memory">,
  options: MeasureOptions = {},
): MeasurePlan {
  const { samples = 256, hessianBatchSize = 16, maxBytes = 512 * 2 ** 20 } = options;
  requireCount("samples", samples, leastMicrobatches);
  requireCount("probes", options.probes ?? 8, 2);
  requireCount("hessianBatchSize", hessianBatchSize, 1);
  const held = Math.max(leastMicrobatches, Math.floor(maxBytes / (4 * numParameters)));
  const most = Math.min(64, samples, held);
  // A power of two, so that groups of microbatches fill them without rest.
  const microbatches = options.microbatches ?? 2 ** Math.floor(Math.log2(most));
  requireCount("microbatches", microbatches, leastMicrobatches);
  if (microbatches > samples)
    throw new ConfigError(`measure: microbatches ${microbatches}: expected at most samples ${samples}`);
  const probes = Math.min(options.probes ?? 8, microbatches);
  const microbatchSize = Math.floor(samples / microbatches);
  const poolSamples = microbatches * microbatchSize + probes * hessianBatchSize;
  const levels =
    direction.kind === "nonlinear"
      ? planLevels({ microbatches, microbatchSize, probes }, direction.memory, options, poolSamples)
      : [];
  const linear =
    direction.kind === "linear"
      ? [...new Set([...(options.batchSizes ?? linearSizes), ...(options.at ?? [])])].sort((x, y) => x - y)
      : [];
  const own = levels.filter(({ numSamples }) => numSamples < microbatchSize);
  const ownSamples = own.reduce((sum, { members, numSamples }) => sum + members.length * numSamples, 0);
  return {
    microbatches,
    microbatchSize,
    probes,
    hessianBatchSize,
    levels,
    linear,
    numProducts: (3 + linear.length) * probes + levels.reduce((sum, { numCurved }) => sum + numCurved, 0),
    numGradients: microbatches + own.reduce((sum, { members }) => sum + members.length, 0),
    gradientSamples: microbatches * microbatchSize + ownSamples,
    totalSamples: poolSamples + ownSamples,
  };
}

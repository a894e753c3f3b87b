import type { numpy as np } from "@jax-js/jax";
import { EngineArray, type EngineTree, placementOf } from "../compile/index.ts";
import type { LanguageConfig } from "../config/index.ts";
import type { BatchSampler } from "../data/index.ts";
import { type TransformerConfig, type TransformerParams, transformerLoss } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { RunStore } from "../runs/index.ts";
import { NoiseScaleLog } from "./noiseScaleLog.ts";

/** A loss of all parameters as one of those that are trained: see `AdaptedModel`. */
interface Adapted {
  loss(loss: (params: TransformerParams, batch: Tree) => np.Array): (params: Tree, batch: Tree) => np.Array;
  withFrozen(batch: EngineArray): EngineTree<Tree>;
}

/** The noise scale of a run during training. */
export interface LiveNoiseScale {
  /** Takes the measurements of the run's log into the averages: for a run that is resumed, once the log ends at its checkpoint. */
  restore(): void;
  /** Metrics of a step, before it is made; none if it isn't due, or a gradient isn't finite. */
  measure(params: Tree, index: number): Promise<Readonly<Record<string, number>>>;
  /** Running B_simple in sequences; null before the first measurement, or while noise hides the gradient. */
  readonly noiseScale: number | null;
  dispose(): Promise<void>;
}

/**
 * Measures at every `training.noiseScaleEvery`-th step on two of the batches that it accumulates, or on halves of its batch.
 *
 * @returns null if the noise scale isn't to be measured
 */
export function liveNoiseScale(
  model: TransformerConfig,
  training: LanguageConfig["training"],
  sampler: BatchSampler,
  store: RunStore,
  run: string,
  adapted: Adapted | null = null,
): LiveNoiseScale | null {
  const { noiseScaleEvery, batchSize, length, accumulate } = training;
  if (noiseScaleEvery === 0) return null;
  const size = accumulate > 1 ? batchSize : Math.floor(batchSize / 2);
  const loss = (params: TransformerParams, tokens: np.Array) => transformerLoss(params, tokens, model);
  const log = new NoiseScaleLog(
    adapted === null ? (params, tokens) => loss(params as TransformerParams, tokens) : adapted.loss(loss),
    size,
    placementOf(training),
  );
  const rows = (tokens: Int32Array<ArrayBuffer>, from: number) => {
    const own = tokens.slice(from * (length + 1), (from + size) * (length + 1));
    const batch = EngineArray.from(own, [size, length + 1]);
    return adapted === null ? batch : adapted.withFrozen(batch);
  };
  return {
    restore() {
      const traces = store.metric(run, "covarianceTrace");
      for (const [i, { value }] of store.metric(run, "gradientSquared").entries())
        log.add({ gradientSquared: value, covarianceTrace: traces[i]!.value });
    },
    async measure(params, index) {
      if ((index + 1) % noiseScaleEvery !== 0) return {};
      const first = sampler.batch(index * accumulate);
      const second = accumulate > 1 ? rows(sampler.batch(index * accumulate + 1), 0) : rows(first, size);
      const sample = await log.measure(params, rows(first, 0), second);
      if (sample === null) return {};
      const { noiseScale } = log.average!;
      return { ...sample, ...(noiseScale === null ? {} : { noiseScale }) };
    },
    get noiseScale() {
      return log.average?.noiseScale ?? null;
    },
    dispose: () => log.dispose(),
  };
}

import type { numpy as np } from "@jax-js/jax";
import { type EngineTree, placementOf } from "../compile/index.ts";
import type { LanguageConfig } from "../config/index.ts";
import type { TransformerParams } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { RunStore } from "../runs/index.ts";
import { NoiseScaleLog } from "./noiseScaleLog.ts";

/** A loss of all parameters as one of those that are trained: see `AdaptedModel`. */
interface Adapted {
  loss(loss: (params: TransformerParams, batch: Tree) => np.Array): (params: Tree, batch: Tree) => np.Array;
  withFrozen(batch: EngineTree<Tree>): unknown;
}

/** Pairs of batches that are independent of each other, which the noise scale is measured on. */
export interface NoisePairs {
  /** Samples of a batch: sequences of texts, or rows of examples. */
  readonly size: number;
  loss(params: TransformerParams, batch: Tree): np.Array;
  /** Two of the batches that a step accumulates, or the halves of its batch. @param index - of the step */
  pair(index: number): readonly [EngineTree<Tree>, EngineTree<Tree>];
}

/** The noise scale of a run during training. */
export interface LiveNoiseScale {
  /** Takes the measurements of the run's log into the averages: for a run that is resumed, once the log ends at its checkpoint. */
  restore(): void;
  /** Metrics of a step, before it is made; none if it isn't due, or a gradient isn't finite. */
  measure(params: Tree, index: number): Promise<Readonly<Record<string, number>>>;
  /** Running B_simple in sequences, of examples in rows; null before the first measurement, or while noise hides the gradient. */
  readonly noiseScale: number | null;
  dispose(): Promise<void>;
}

/**
 * Measures at every `training.noiseScaleEvery`-th step on two of the batches that it accumulates, or on halves of its batch.
 *
 * @returns null if the noise scale isn't to be measured
 */
export function liveNoiseScale(
  training: LanguageConfig["training"],
  { size, loss, pair }: NoisePairs,
  store: RunStore,
  run: string,
  adapted: Adapted | null = null,
): LiveNoiseScale | null {
  const { noiseScaleEvery } = training;
  if (noiseScaleEvery === 0) return null;
  const log = new NoiseScaleLog(
    adapted === null ? (params, batch) => loss(params as TransformerParams, batch) : adapted.loss(loss),
    size,
    placementOf(training),
  );
  return {
    restore() {
      const traces = store.metric(run, "covarianceTrace");
      for (const [i, { value }] of store.metric(run, "gradientSquared").entries())
        log.add({ gradientSquared: value, covarianceTrace: traces[i]!.value });
    },
    async measure(params, index) {
      if ((index + 1) % noiseScaleEvery !== 0) return {};
      const [first, second] = pair(index).map((batch) =>
        adapted === null ? batch : adapted.withFrozen(batch),
      ) as [EngineTree<Tree>, EngineTree<Tree>];
      const sample = await log.measure(params, first, second);
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

import { type numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { compile, type EnginePlacement, type EngineTree } from "../compile/index.ts";
import type { BatchLoss } from "../curvature/index.ts";
import { mapArrays, type Tree } from "../optim/index.ts";

/** One measurement during training. */
export interface NoiseSample {
  /** Unbiased estimate of `|g|²`; may be negative. */
  readonly gradientSquared: number;
  /** Unbiased estimate of `tr Σ` of one sample. */
  readonly covarianceTrace: number;
}

/** Share of an average that each measurement leaves to those before it. */
const decay = 0.95;

const dot = (a: Tree, b: Tree): np.Array => {
  const others = tree.leaves(b) as np.Array[];
  return (tree.leaves(a) as np.Array[])
    .map((leaf, i) => leaf.mul(others[i]!).sum())
    .reduce((x, y) => x.add(y));
};

/**
 * The noise scale `B_simple = tr Σ/|g|²` during training, from the gradients `g₁`, `g₂` of two batches of b samples each:
 *
 * ```
 * |g|² = g₁ᵀg₂      tr Σ = ½b·|g₁ − g₂|²
 * ```
 *
 * which is what two batch sizes, b and 2b, give. Both are averaged over measurements, exponentially with decay 0.95 and corrected for
 * the start, before they are divided. A measurement costs two gradients of b samples and changes nothing in the training.
 *
 * Source: McCandlish et al., arXiv 1812.06162, appendix A.1.
 */
export class NoiseScaleLog {
  readonly #pair;
  readonly #batchSize: number;
  #gradientSquared = 0;
  #covarianceTrace = 0;
  #weight = 0;

  /**
   * @param loss - mean loss of a batch, traceable
   * @param batchSize - b
   */
  constructor(loss: BatchLoss, batchSize: number, placement: EnginePlacement = {}) {
    this.#batchSize = batchSize;
    this.#pair = compile(
      (params: Tree, first: Tree, second: Tree) => {
        const gradientOf = (batch: Tree) => {
          const [value, gradient] = valueAndGrad((p: Tree) => loss(p, batch))(tree.ref(params)) as [
            np.Array,
            Tree,
          ];
          value.dispose();
          return gradient;
        };
        const [a, b] = [gradientOf(first), gradientOf(second)];
        tree.dispose(params);
        const difference = mapArrays((x, y) => x.sub(y), tree.ref(a), tree.ref(b));
        return { product: dot(a, b), distance: dot(tree.ref(difference), difference) };
      },
      { ...placement, name: "noise" },
    );
  }

  /** Measures on two batches that are independent of each other; null if a gradient isn't finite. */
  async measure(
    params: Tree,
    first: EngineTree<Tree>,
    second: EngineTree<Tree>,
  ): Promise<NoiseSample | null> {
    const { product, distance } = await this.#pair(params, first, second);
    const sample = {
      gradientSquared: (await product.data())[0]!,
      covarianceTrace: 0.5 * this.#batchSize * (await distance.data())[0]!,
    };
    if (!Number.isFinite(sample.gradientSquared + sample.covarianceTrace)) return null;
    this.add(sample);
    return sample;
  }

  /** Takes a measurement into the averages: those of the log, in order, when a run is resumed. */
  add({ gradientSquared, covarianceTrace }: NoiseSample): void {
    this.#gradientSquared = decay * this.#gradientSquared + (1 - decay) * gradientSquared;
    this.#covarianceTrace = decay * this.#covarianceTrace + (1 - decay) * covarianceTrace;
    this.#weight = decay * this.#weight + (1 - decay);
  }

  /** Averages so far; null before the first measurement. `noiseScale` is null while noise hides the gradient. */
  get average(): (NoiseSample & { readonly noiseScale: number | null }) | null {
    if (this.#weight === 0) return null;
    const gradientSquared = this.#gradientSquared / this.#weight;
    const covarianceTrace = this.#covarianceTrace / this.#weight;
    const noiseScale = gradientSquared > 0 ? covarianceTrace / gradientSquared : null;
    return { gradientSquared, covarianceTrace, noiseScale };
  }

  async dispose(): Promise<void> {
    await this.#pair.dispose();
  }
}

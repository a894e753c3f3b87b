import { ConfigError, DataError } from "../errors.ts";
import { checkInteger } from "../numberChecks.ts";

/** What a histogram of codes says. */
export interface UsageSummary {
  /** Number of vectors counted. */
  readonly total: number;
  /** Number of codes that were hit. */
  readonly numUsed: number;
  /** Share of codes that were hit, in [0, 1]. */
  readonly usage: number;
  /** `exp(−Σ p ln p)` with `p` the shares of hits: between 1 and `numUsed`; 0 if nothing was counted. */
  readonly perplexity: number;
}

/**
 * @param histogram - hits per code
 *
 * @example
 * ```ts
 * summarizeUsage([5, 5, 0, 0]); // => { total: 10, numUsed: 2, usage: 0.5, perplexity: 2.000 }
 * ```
 */
export function summarizeUsage(histogram: ArrayLike<number>): UsageSummary {
  let total = 0;
  for (let k = 0; k < histogram.length; k++) total += histogram[k]!;
  let [numUsed, entropy] = [0, 0];
  for (let k = 0; k < histogram.length; k++) {
    if (histogram[k] === 0) continue;
    numUsed++;
    const share = histogram[k]! / total;
    entropy -= share * Math.log(share);
  }
  return {
    total,
    numUsed,
    usage: histogram.length === 0 ? 0 : numUsed / histogram.length,
    perplexity: total === 0 ? 0 : Math.exp(entropy),
  };
}

export interface CodeUsageOptions {
  /** How many batches the histogram covers, the last ones. Default: all since the last `reset`, as for an epoch. */
  readonly window?: number;
}

/**
 * Counts codes over batches, in plain numbers: the histogram of a window or epoch, and the age of every code.
 *
 * A batch of `n` vectors can't show a perplexity above `n`, however healthy the codebook; that of a window can.
 *
 * @throws ConfigError for an impossible number of codes or window
 *
 * @example
 * ```ts
 * const usage = new CodeUsage(4);
 * usage.add([0, 0, 1, 1]).perplexity; // => 2.000
 * usage.add([2, 2, 2, 2]);
 * usage.summary().numUsed; // => 3
 * usage.ages(); // => [1, 1, 0, 2]
 * ```
 */
export class CodeUsage {
  readonly #histogram: Float64Array;
  readonly #lastHit: Float64Array;
  readonly #window: number;
  readonly #batches: Int32Array[] = [];
  #numBatches = 0;

  constructor(numCodes: number, { window = Number.POSITIVE_INFINITY }: CodeUsageOptions = {}) {
    checkInteger("CodeUsage numCodes", numCodes, 1);
    if (window !== Number.POSITIVE_INFINITY && !(Number.isInteger(window) && window >= 1))
      throw new ConfigError(`CodeUsage window ${window}: expected an integer ≥ 1`);
    this.#histogram = new Float64Array(numCodes);
    this.#lastHit = new Float64Array(numCodes);
    this.#window = window;
  }

  /**
   * Counts a batch.
   *
   * @param indices - in `[0, numCodes)`; of any shape, flattened
   * @returns what this batch alone says
   * @throws DataError for an index out of range; nothing is counted then
   */
  add(indices: ArrayLike<number>): UsageSummary {
    const numCodes = this.#histogram.length;
    const batch = new Float64Array(numCodes);
    for (let i = 0; i < indices.length; i++) {
      const k = indices[i]!;
      if (!Number.isInteger(k) || k < 0 || k >= numCodes)
        throw new DataError(`CodeUsage: index ${k} at ${i}: expected an integer in [0, ${numCodes})`);
      batch[k]!++;
    }
    this.#numBatches++;
    for (let k = 0; k < numCodes; k++) {
      this.#histogram[k]! += batch[k]!;
      if (batch[k]! > 0) this.#lastHit[k] = this.#numBatches;
    }
    if (this.#window !== Number.POSITIVE_INFINITY) {
      this.#batches.push(Int32Array.from(indices));
      if (this.#batches.length > this.#window) for (const k of this.#batches.shift()!) this.#histogram[k]!--;
    }
    return summarizeUsage(batch);
  }

  /** Hits per code in the window, a copy. */
  get histogram(): Float64Array {
    return this.#histogram.slice();
  }

  /** What the window says. */
  summary(): UsageSummary {
    return summarizeUsage(this.#histogram);
  }

  /** Per code, the number of batches since its last hit, 0 if it was hit in the last one; since the start if it never was. */
  ages(): Float64Array {
    return this.#lastHit.map((batch) => this.#numBatches - batch);
  }

  /** Codes without a hit in the last `batches` batches (or since the start, if that is less). */
  deadCodes(batches: number): number[] {
    checkInteger("CodeUsage deadCodes batches", batches, 1);
    const least = Math.min(batches, this.#numBatches);
    const dead: number[] = [];
    this.ages().forEach((age, k) => {
      if (age >= least) dead.push(k);
    });
    return this.#numBatches === 0 ? [] : dead;
  }

  /** Empties the histogram, as at the start of an epoch; ages go on. */
  reset(): void {
    this.#histogram.fill(0);
    this.#batches.length = 0;
  }
}

import { ConfigError, DataError } from "../errors.ts";

export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. Default 1. */
  readonly temperature?: number;
  /** Keep only so many of the likeliest tokens. */
  readonly topK?: number;
  /** Keep the likeliest tokens whose probabilities add up to this (nucleus sampling, arXiv 1904.09751). */
  readonly topP?: number;
}

/** @throws ConfigError naming the option that is out of range */
export function checkSampling({ temperature = 1, topK, topP }: SamplingOptions): void {
  if (!(temperature >= 0)) throw new ConfigError(`temperature ${temperature}: expected a number ≥ 0`);
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 1)) {
    throw new ConfigError(`topK ${topK}: expected a positive integer`);
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1))
    throw new ConfigError(`topP ${topP}: expected a number in (0, 1]`);
}

/**
 * Draws a token id from `softmax(logits/temperature)`, restricted to the likeliest ones.
 *
 * @param sampling - as {@link checkSampling} allows them; it is called once for many tokens, not here
 * @param uniform - a random number in [0, 1) that decides
 * @throws DataError for a logit that is NaN or ∞, or where all are −∞: no probabilities are theirs
 */
export function sampleToken(logits: ArrayLike<number>, sampling: SamplingOptions, uniform: number): number {
  const { temperature = 1, topK, topP } = sampling;
  let [best, likeliest] = [Number.NEGATIVE_INFINITY, 0];
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (!(logit < Number.POSITIVE_INFINITY))
      throw new DataError(`logit ${logit} of token ${id}: expected a number below Infinity`);
    if (logit > best) [best, likeliest] = [logit, id];
  }
  if (best === Number.NEGATIVE_INFINITY)
    throw new DataError(`logits of ${logits.length} tokens: all are -Infinity, expected a finite one`);
  if (temperature === 0) return likeliest;
  const weightOf = (id: number) => Math.exp((logits[id]! - best) / temperature);
  const order = new LikeliestFirst(logits);
  let count = Math.min(topK ?? logits.length, logits.length);
  let mass = 0;
  if (topK === undefined) for (let id = 0; id < logits.length; id++) mass += weightOf(id);
  else for (let rank = 0; rank < count; rank++) mass += weightOf(order.at(rank));
  if (topP !== undefined) {
    let nucleus = 0;
    for (let rank = 0; rank < count; rank++) {
      nucleus += weightOf(order.at(rank));
      if (nucleus >= topP * mass) count = rank + 1;
    }
    mass = nucleus;
  }
  let rest = uniform * mass;
  for (let rank = 0; rank < count; rank++) {
    rest -= weightOf(order.at(rank));
    if (rest < 0) return order.at(rank);
  }
  return order.at(count - 1);
}

/** Ids by falling logits, equal ones by rising id, found one after the other: a draw asks for few of many. */
class LikeliestFirst {
  readonly #logits: ArrayLike<number>;
  /** A heap of those that weren't asked for. */
  readonly #heap: Int32Array;
  #size: number;
  readonly #found: number[] = [];

  constructor(logits: ArrayLike<number>) {
    this.#logits = logits;
    this.#size = logits.length;
    this.#heap = Int32Array.from({ length: logits.length }, (_, id) => id);
    for (let place = (this.#size >> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  /** The id at a place of the order. */
  at(rank: number): number {
    while (this.#found.length <= rank) {
      this.#found.push(this.#heap[0]!);
      this.#heap[0] = this.#heap[--this.#size]!;
      this.#sink(0);
    }
    return this.#found[rank]!;
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#logits[a]! - this.#logits[b]!;
    return difference > 0 || (!(difference < 0) && a < b);
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const id = heap[start]!;
    let place = start;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, id)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = id;
  }
}

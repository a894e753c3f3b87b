import { ConfigError } from "../errors.ts";

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
 */
export function sampleToken(logits: ArrayLike<number>, sampling: SamplingOptions, uniform: number): number {
  const { temperature = 1, topK, topP } = sampling;
  const order = Array.from({ length: logits.length }, (_, id) => id).sort(
    (a, b) => logits[b]! - logits[a]! || a - b,
  );
  if (temperature === 0) return order[0]!;
  const kept = order.slice(0, topK ?? order.length);
  const top = logits[kept[0]!]!;
  const weights = kept.map((id) => Math.exp((logits[id]! - top) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let count = kept.length;
  if (topP !== undefined) {
    let mass = 0;
    count = weights.findIndex((weight) => {
      mass += weight;
      return mass >= topP * total;
    });
    count = count < 0 ? kept.length : count + 1;
  }
  const mass = weights.slice(0, count).reduce((a, b) => a + b, 0);
  let rest = uniform * mass;
  for (let i = 0; i < count; i++) {
    rest -= weights[i]!;
    if (rest < 0) return kept[i]!;
  }
  return kept[count - 1]!;
}

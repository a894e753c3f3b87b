/** What a model says of the next token. */
export interface NextTokens {
  /** Ids of the likeliest, by falling probability. */
  readonly ids: readonly number[];
  /** Of an id: `exp(logit − log Σ exp(logits))`. */
  probabilityOf(id: number): number;
  /** `−Σ p·log p` in nats. */
  readonly entropy: number;
}

/**
 * The softmax of logits, and its greatest values.
 *
 * @param count - so many, or as many as there are
 */
export function likeliest(logits: ArrayLike<number>, count: number): NextTokens {
  const ids: number[] = [];
  let most = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    most = Math.max(most, logit);
    if (ids.length === count && !(logit > logits[ids.at(-1)!]!)) continue;
    let place = ids.length;
    while (place > 0 && logits[ids[place - 1]!]! < logit) place--;
    ids.splice(place, 0, id);
    if (ids.length > count) ids.pop();
  }
  let [sum, weighted] = [0, 0];
  for (let id = 0; id < logits.length; id++) {
    const weight = Math.exp(logits[id]! - most);
    sum += weight;
    if (weight > 0) weighted += weight * (logits[id]! - most);
  }
  return {
    ids,
    probabilityOf: (id) => Math.exp(logits[id]! - most) / sum,
    entropy: Math.log(sum) - weighted / sum,
  };
}

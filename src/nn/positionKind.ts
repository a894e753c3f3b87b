/** Names of the encodings. */
export const positionKinds = ["rope", "none", "alibi", "sinusoidal", "learned", "t5"] as const;

/**
 * How a decoder learns of positions: `"rope"` turns queries and keys, `"alibi"` and `"t5"` add a bias to the scores, `"sinusoidal"` and
 * `"learned"` add a vector to the embeddings, `"none"` leaves it to the causal mask (NoPE).
 */
export type PositionKind = (typeof positionKinds)[number];

/** Buckets of a causal decoder and the distance from which all share the last one (T5). */
export const t5Buckets = { bidirectional: false, numBuckets: 32, maxDistance: 128 } as const;

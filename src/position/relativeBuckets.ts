import { ConfigError } from "../errors.ts";

export interface RelativeBucketOptions {
  /** Whether queries also look at later keys; those then have a half of the buckets. */
  readonly bidirectional: boolean;
  /** Default 32 (T5). */
  readonly numBuckets?: number;
  /** From here on all distances share the last bucket. Default 128 (T5). */
  readonly maxDistance?: number;
}

/**
 * T5's bucket of a distance: one bucket for each small one, then ever wider ones up to `maxDistance`. With `E` buckets for one
 * direction, `E/2` of them exact: `⌊E/2 + ln(d/(E/2))/ln(maxDistance/(E/2))·E/2⌋`, at most `E − 1`.
 *
 * @param distance - position of the key minus that of the query; without `bidirectional` later keys count as distance 0
 * @throws ConfigError if there are too few buckets, or `maxDistance` lies among the exact ones
 *
 * Source: Raffel et al., T5, arXiv 1910.10683, section 2.1; Transformers, `T5Attention._relative_position_bucket`, whose float32
 * logarithms decide at the borders.
 *
 * @example
 * ```ts
 * const options = { bidirectional: false, numBuckets: 32, maxDistance: 128 };
 * [0, -1, -15, -16, -128, 1].map((distance) => relativeBucket(distance, options)); // => [0, 1, 15, 16, 31, 0]
 * ```
 */
export function relativeBucket(distance: number, options: RelativeBucketOptions): number {
  const { bidirectional, numBuckets = 32, maxDistance = 128 } = options;
  const perSide = bidirectional ? numBuckets / 2 : numBuckets;
  const exact = perSide / 2;
  if (!Number.isInteger(exact) || exact < 1) {
    throw new ConfigError(
      `relative buckets: numBuckets ${numBuckets}: expected a positive multiple of ${bidirectional ? 4 : 2}`,
    );
  }
  if (!(maxDistance > exact)) {
    throw new ConfigError(`relative buckets: maxDistance ${maxDistance}: expected more than ${exact}`);
  }
  const offset = bidirectional && distance > 0 ? perSide : 0;
  const size = bidirectional ? Math.abs(distance) : Math.max(-distance, 0);
  if (size < exact) return offset + size;
  const logarithm = Math.fround(Math.log(Math.fround(size / exact)));
  const scaled = Math.fround(
    Math.fround(logarithm / Math.fround(Math.log(maxDistance / exact))) * (perSide - exact),
  );
  return offset + Math.min(exact + Math.trunc(scaled), perSide - 1);
}

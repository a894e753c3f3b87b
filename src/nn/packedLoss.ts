import type { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { type HeadsObserver, maskBias } from "./attention.ts";
import { crossEntropy } from "./crossEntropy.ts";
import { causalEncoding, checkLength, type PositionEncoding } from "./positionEncoding.ts";
import {
  checkTransformer,
  embeddingAndHead,
  embedTokens,
  logitsOf,
  type TransformerParams,
  transformerBlocks,
} from "./transformer.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** Several documents in each row, one after the other, that know nothing of each other. */
export interface PackedBatch {
  /** `int32[B, L]` */
  readonly inputs: np.Array;
  /** `int32[B, L]`: the token after each, `-100` where it doesn't count. */
  readonly targets: np.Array;
  /** `int32[B, L]`: which of the row's documents a place is of. */
  readonly segments: np.Array;
  /** `int32[B, L]`: the place in its document. */
  readonly places: np.Array;
}

/** Value of targets that don't count (PyTorch's). */
export const ignoredTarget = -100;

/** Encodings of positions that documents of one row can have apart. */
export const packablePositions = ["rope", "learned", "none"] as const;

/** A bias that also hides other documents. @param encoding - consumed @param segments - `int32[B, L]`, consumed */
function apart({ rotary, ...masks }: PositionEncoding, segments: np.Array): PositionEncoding {
  const [batch, length] = segments.shape as [number, number];
  const queries = segments.ref.reshape([batch, 1, length, 1]);
  const others = maskBias(queries.equal(segments.reshape([batch, 1, 1, length])));
  if (masks.slidingBias === undefined) return { rotary, bias: masks.bias.add(others) };
  return { rotary, bias: masks.bias.add(others.ref), slidingBias: masks.slidingBias.add(others) };
}

/** What can't be packed, and arrays that don't fit. @returns `L` @throws ConfigError, ShapeError; nothing is consumed */
function checkPacked(
  name: string,
  params: TransformerParams,
  batch: Partial<PackedBatch>,
  config: TransformerConfig,
): number {
  const { position, placePositions } = config;
  if (!(packablePositions as readonly string[]).includes(position))
    throw new ConfigError(
      `${name}: position ${position}: documents of one row can't be kept apart; expected one of ${packablePositions.join(", ")}`,
    );
  if (placePositions !== null)
    throw new ConfigError(
      `${name}: placePositions are of whole rows; expected null for documents that share a row`,
    );
  const arrays = Object.entries(batch).map(([key, array]) => [key, [array, "int32[B, L]"]] as const);
  const { L: length } = checkTransformer(name, params, config, Object.fromEntries(arrays));
  checkLength(name, length!, config);
  return length!;
}

/**
 * Logits of rows of several documents: each as if it were alone. Rotary positions are relative, so that a document that begins later in its row
 * turns by the same differences; learned ones are those of its own places.
 *
 * @param params - consumed
 * @param batch - consumed; `targets` are left alone
 * @param observe - called with the heads of every layer in turn, and a bias that hides other documents
 * @returns `float32[B, L, V]`
 * @throws ConfigError for positions that can't be kept apart, ShapeError as `transformer`
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initTransformer(random.key(0), config);
 * const ids = (...values: number[]) => np.array([values], { dtype: np.int32 });
 * const inputs = { inputs: ids(1, 2, 5, 3), segments: ids(1, 1, 2, 2), places: ids(0, 1, 0, 1) };
 * const packed = packedTransformer(tree.ref(params), inputs, config).slice([], [2, 4]);
 * const alone = transformer(params, ids(5, 3), config);
 * np.max(np.absolute(packed.sub(alone))); // => 0.0000
 * ```
 */
export function packedTransformer(
  params: TransformerParams,
  { inputs, segments, places }: Omit<PackedBatch, "targets">,
  config: TransformerConfig,
  observe?: HeadsObserver,
): np.Array {
  const length = checkPacked("packedTransformer", params, { inputs, segments, places }, config);
  const { table, head } = embeddingAndHead(params);
  const encoding = apart(causalEncoding(params.position, config, length), segments);
  const x = embedTokens(params, table, inputs, config, places);
  return logitsOf(transformerBlocks(params, x, encoding, config, observe), head, config);
}

/**
 * Mean cross-entropy in nats of the targets that count, over all documents of the batch; 0 if none does.
 *
 * @param params - consumed
 * @param batch - consumed
 * @param observe - as for {@link packedTransformer}
 * @returns `float32[]`
 * @throws as {@link packedTransformer}; DataError for a target that counts and isn't of the vocabulary
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initTransformer(random.key(0), config);
 * const ids = (...values: number[]) => np.array([values], { dtype: np.int32 });
 * const batch = { inputs: ids(1, 2), targets: ids(-100, 3), segments: ids(1, 1), places: ids(0, 1) };
 * // Nothing is learned yet: about ln 8.
 * packedLoss(params, batch, config); // => 2.1
 * ```
 */
export function packedLoss(
  params: TransformerParams,
  { targets, ...inputs }: PackedBatch,
  config: TransformerConfig,
  observe?: HeadsObserver,
): np.Array {
  checkPacked("packedLoss", params, { targets, ...inputs }, config);
  const logits = packedTransformer(params, inputs, config, observe);
  return crossEntropy(logits, targets, undefined, { ignoreIndex: ignoredTarget });
}

import { numpy as np, random, tree } from "@jax-js/jax";
import { evaluationBatches } from "../../data/index.ts";
import { initTransformer, resolveTransformerConfig, type TransformerParams } from "../../nn/index.ts";
import { logLogSlope } from "../../position/index.ts";
import { openBooks } from "../books.ts";
import { logarithmicPlaces, rounded } from "./places.ts";
import { compileStateStatistics, type RmsByPlace, rmsByPlace } from "./stateStatistics.ts";

export interface InitialSettings {
  /** `"independent"`: uniform over the vocabulary; `"books"`: bytes of text. */
  readonly tokens: "independent" | "books";
  readonly qkNorm: boolean;
  readonly vocabSize: number;
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly length: number;
  readonly batchSize: number;
  readonly numBatches: number;
  readonly seed: number;
}

export interface InitialResult extends RmsByPlace {
  /** Probability that two tokens of a sequence are the same. */
  readonly collision: number;
  /** Slope that the first layer would have under uniform attention with so many collisions, see {@link collisionSlope}. */
  readonly predictedSlope: number;
}

/**
 * Equal tokens have equal values, so the running mean of `n` of them has the mean square `σ²·(1/n + (1 − 1/n)·c)`, with `c` the
 * probability that two are equal: it falls as `1/n` and then stays at `c`.
 *
 * @returns the slope of `ln RMS` over `ln n` at {@link logarithmicPlaces}
 */
export function collisionSlope(collision: number, length: number): number {
  const places = logarithmicPlaces(length);
  return logLogSlope(
    places,
    places.map((n) => Math.sqrt(1 / n + (1 - 1 / n) * collision)),
  ).slope;
}

/** Probability that two different places of a row hold the same token. */
function collisionProbability(batches: readonly Int32Array[], length: number): number {
  let [equal, pairs] = [0, 0];
  for (const tokens of batches) {
    for (let start = 0; start < tokens.length; start += length) {
      const counts = new Map<number, number>();
      for (let i = 0; i < length; i++)
        counts.set(tokens[start + i]!, (counts.get(tokens[start + i]!) ?? 0) + 1);
      for (const count of counts.values()) equal += count * (count - 1);
      pairs += length * (length - 1);
    }
  }
  return equal / pairs;
}

async function tokenBatches(settings: InitialSettings, home: string): Promise<Int32Array<ArrayBuffer>[]> {
  const { tokens, vocabSize, length, batchSize, numBatches, seed } = settings;
  if (tokens === "books") {
    using data = await openBooks(home);
    return evaluationBatches(data.validation, batchSize, length - 1, numBatches);
  }
  return Array.from({ length: numBatches }, (_, i) =>
    Int32Array.from(random.uniform(random.key(1000 * seed + i), [batchSize * length]).dataSync(), (u) =>
      Math.floor(u * vocabSize),
    ),
  );
}

/** `RMS(y_n)` in every layer and head of a random transformer without positions. */
export async function initialTrial(
  settings: InitialSettings,
  home: string,
  threads: number | undefined,
): Promise<InitialResult> {
  const { qkNorm, vocabSize, numLayers, modelDim, numHeads, length, batchSize, seed } = settings;
  const config = resolveTransformerConfig({
    vocabSize,
    numLayers,
    modelDim,
    numHeads,
    qkNorm,
    position: "none",
    maxLength: length,
  });
  const params = initTransformer(random.key(seed), config);
  const batches = await tokenBatches(settings, home);
  await using statistics = compileStateStatistics(config, threads);
  const measured = [];
  for (const tokens of batches) {
    const own = tree.ref(params) as TransformerParams;
    const result = await statistics.run(own, np.array(tokens, { shape: [batchSize, length] }));
    measured.push(result.meanSquares);
  }
  tree.dispose(params);
  const collision = collisionProbability(batches, length);
  return {
    ...rmsByPlace(measured),
    collision: rounded(collision),
    predictedSlope: rounded(collisionSlope(collision, length)),
  };
}

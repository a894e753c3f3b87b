import { numpy as np, random, tree } from "@jax-js/jax";
import {
  attention,
  type BlockParams,
  causalBias,
  initTransformer,
  mlp,
  type RmsNormParams,
  resolveTransformerConfig,
  rmsNorm,
} from "../../nn/index.ts";
import { mapArrays } from "../../optim/index.ts";
import { permutationSensitivity, rotaryTables, rotaryTablesRef } from "../../position/index.ts";

export interface PermutationSettings {
  readonly mask: "bidirectional" | "causal";
  readonly position: "none" | "rope";
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly length: number;
  /** Random orders of the tokens before the last one. */
  readonly permutations: number;
  readonly seed: number;
}

/** Smallest and largest sensitivity of the last output to the order of the tokens before it. */
export interface PermutationResult {
  readonly smallest: number;
  readonly largest: number;
}

/**
 * What rounding alone may change: every layer sums `L` terms in another order, each with a relative error of 2⁻⁵³, three times (logits'
 * normalizer, values, and the sums that a norm takes of the result).
 */
export function roundingBound({
  numLayers,
  length,
}: Pick<PermutationSettings, "numLayers" | "length">): number {
  return 3 * numLayers * length * 2 ** -53;
}

/** The transformer's own blocks with random weights in float64, whose last output is compared for two orders of the tokens before. */
export async function permutationTrial(settings: PermutationSettings): Promise<PermutationResult> {
  const { mask, position, numLayers, modelDim, numHeads, length, permutations, seed } = settings;
  const config = resolveTransformerConfig({
    vocabSize: length,
    numLayers,
    modelDim,
    numHeads,
    // Weights of the size of trained ones: with GPT-2's 0.02 all attention is nearly uniform.
    initStd: 1 / Math.sqrt(modelDim),
  });
  const params = initTransformer(random.key(seed), config);
  const wide = (array: np.Array) => array.astype(np.float64);
  const blocks = mapArrays(wide, params.blocks) as BlockParams[];
  const table = wide(params.embedding);
  tree.dispose([params.norm, params.head]);
  const bias =
    mask === "causal" ? wide(causalBias(length)) : np.zeros([length, length], { dtype: np.float64 });
  const places = Array.from({ length }, (_, n) => n);
  const rotary = position === "rope" ? rotaryTables(places, config.headDim) : null;
  const tables = rotary === null ? null : { ...rotary, cos: wide(rotary.cos), sin: wide(rotary.sin) };
  const lastOutput = (tokens: readonly number[]) => {
    let x = table.ref.slice(np.array([...tokens], { dtype: np.int32 })).reshape([1, length, modelDim]);
    for (const block of tree.ref(blocks) as BlockParams[]) {
      const h = rmsNorm(x.ref, block.attentionNorm as RmsNormParams, config.normEps);
      x = x.add(
        attention(h, block.attention, config, bias.ref, tables === null ? null : rotaryTablesRef(tables)),
      );
      x = x.ref.add(mlp(rmsNorm(x, block.mlpNorm as RmsNormParams, config.normEps), block.mlp, config.mlp));
    }
    return x.slice(0, length - 1).dataSync() as Float64Array;
  };
  const sensitivities: number[] = [];
  for (let i = 0; i < permutations; i++) {
    const keys = random.uniform(random.key(seed + 1 + i), [length - 1]).dataSync();
    const order = Array.from(keys, (_, n) => n).sort((a, b) => keys[a]! - keys[b]!);
    sensitivities.push(await permutationSensitivity(lastOutput, places, order));
  }
  tree.dispose([blocks, table, bias]);
  if (tables !== null) tree.dispose([tables.cos, tables.sin]);
  return { smallest: Math.min(...sensitivities), largest: Math.max(...sensitivities) };
}

import type { numpy as np } from "@jax-js/jax";
import { compile, type EngineTree } from "../../compile/index.ts";
import { attend, type TransformerConfig, type TransformerParams, transformer } from "../../nn/index.ts";
import { logLogSlope } from "../../position/index.ts";
import { logarithmicPlaces, rounded } from "./places.ts";

/** What a model's layers hold of a batch. */
export interface StateStatistics {
  /** Mean square of the attention's outputs `y_n` over sequences and components: `[layer][head][n − 1]`. */
  readonly meanSquares: number[][][];
  /** The residual stream, embeddings first: `[numLayers + 1]` of `float32[B, L, D]`. */
  readonly states: Float32Array[];
}

/** A forward pass that returns {@link StateStatistics} for tokens `int32[B, L]`. */
export function compileStateStatistics(config: TransformerConfig, threads: number | undefined) {
  const compiled = compile(
    (params: TransformerParams, tokens: np.Array) => {
      const meanSquares: np.Array[] = [];
      const states: np.Array[] = [];
      const logits = transformer(
        params,
        tokens,
        config,
        ({ q, k, v }, bias) => {
          const [batch, length, numHeads, headDim] = q.shape as [number, number, number, number];
          const y = attend({ q: q.ref, k: k.ref, v: v.ref }, bias.ref);
          const squares = y.ref.mul(y).reshape([batch, length, numHeads, headDim]);
          meanSquares.push(squares.mean([0, 3]).transpose());
        },
        (state) => states.push(state.ref),
      );
      logits.dispose();
      return { meanSquares, states };
    },
    { ...(threads === undefined ? {} : { threads }), name: "states" },
  );
  return {
    async run(params: EngineTree<TransformerParams>, tokens: np.Array): Promise<StateStatistics> {
      const { meanSquares, states } = (await compiled(params, tokens)) as {
        meanSquares: np.Array[];
        states: np.Array[];
      };
      const squares = await Promise.all(
        meanSquares.map(async (layer) => {
          const length = layer.shape[1]!;
          const data = await layer.data();
          return Array.from({ length: data.length / length }, (_, head) => [
            ...data.subarray(head * length, (head + 1) * length),
          ]);
        }),
      );
      return {
        meanSquares: squares,
        states: await Promise.all(states.map(async (state) => (await state.data()) as Float32Array)),
      };
    },
    [Symbol.asyncDispose]: () => compiled.dispose(),
  };
}

/** `RMS(y_n)` of the heads of every layer against `n`. */
export interface RmsByPlace {
  /** Slope of `ln RMS(y_n)` over `ln n` at {@link logarithmicPlaces}: `[layer][head]`. */
  readonly slopes: readonly (readonly number[])[];
  /** `RMS(y_n)` over all heads at these places, by layer. */
  readonly rms: readonly (readonly number[])[];
}

/** From the mean squares of several batches. */
export function rmsByPlace(batches: readonly StateStatistics["meanSquares"][]): RmsByPlace {
  const mean = (layer: number, head: number, n: number) =>
    batches.reduce((sum, batch) => sum + batch[layer]![head]![n - 1]! / batches.length, 0);
  const layers = batches[0]!;
  const places = logarithmicPlaces(layers[0]![0]!.length);
  return {
    slopes: layers.map((heads, layer) =>
      heads.map((_, head) => {
        const rms = places.map((n) => Math.sqrt(mean(layer, head, n)));
        return rounded(logLogSlope(places, rms).slope);
      }),
    ),
    rms: layers.map((heads, layer) =>
      places.map((n) =>
        rounded(Math.sqrt(heads.reduce((sum, _, head) => sum + mean(layer, head, n), 0) / heads.length)),
      ),
    ),
  };
}

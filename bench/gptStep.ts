// The model, the optimizer and the training step that Rotor and jax-js are timed with.
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import {
  initTransformer,
  resolveTransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../src/nn/index.ts";
import { adamw, applyUpdates, muon, type Tree } from "../src/optim/index.ts";
import type { BenchCase } from "./cases.ts";

export interface GptState {
  params: TransformerParams;
  optimizer: Tree;
}

/** A model of a size, with its optimizer. */
export function gptStep(size: BenchCase) {
  const config = resolveTransformerConfig({
    vocabSize: size.vocab,
    numLayers: size.layers,
    modelDim: size.dim,
    numHeads: size.heads,
    qkNorm: false,
    maxLength: size.length,
  });
  const optimizer =
    size.optimizer === "adamw"
      ? adamw({ learningRate: 1e-3, weightDecay: 0.1 })
      : muon({ learningRate: 0.02, adamw: { learningRate: 1e-3, weightDecay: 0.1 } });
  /** A step with a loss of the caller's, for engines that can't run ours. */
  const stepOf =
    (loss: (params: TransformerParams) => np.Array) =>
    (state: GptState): [GptState, np.Array] => {
      const [value, gradients] = valueAndGrad(loss)(tree.ref(state.params)) as [np.Array, Tree];
      const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates) as TransformerParams, optimizer: next }, value];
    };
  return {
    config,
    optimizer,
    stepOf,
    step: (state: GptState, tokens: np.Array) =>
      stepOf((params) => transformerLoss(params, tokens, config))(state),
    initial(): GptState {
      const params = initTransformer(random.key(0), config);
      return { params, optimizer: optimizer.init(tree.ref(params)) };
    },
    tokens: (step: number) =>
      np.array(
        Int32Array.from(
          { length: size.batch * (size.length + 1) },
          (_, i) => ((i + 37 * step) * 7919) % size.vocab,
        ),
        { shape: [size.batch, size.length + 1] },
      ),
  };
}

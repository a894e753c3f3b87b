import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { type CompiledStep, type CompileOptions, compileStep } from "../src/compile/index.ts";
import {
  attention,
  causalBias,
  crossEntropy,
  embedding,
  initTransformer,
  linear,
  mlp,
  norm,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerParams,
} from "../src/nn/index.ts";
import { adamw, applyUpdates, type Tree } from "../src/optim/index.ts";
import {
  type RotaryPairing,
  type RotaryTables,
  rotaryTables,
  rotaryTablesRef,
} from "../src/position/index.ts";

/** How the queries and keys of a step are turned. */
export interface RotaryVariant {
  readonly name: string;
  /** Coordinates of a position; 0 for none. */
  readonly numAxes: 0 | 1 | 2 | 3;
  /** Positions are an input `float32[B, L, A]` of the step, or constants that all sequences share. */
  readonly from: "constants" | "inputs";
  readonly pairing: RotaryPairing;
}

export interface StepSize {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly vocab: number;
  readonly batch: number;
  readonly length: number;
}

interface State {
  readonly params: TransformerParams;
  readonly optimizer: Tree;
}

function forward(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
  rotary: RotaryTables | null,
): np.Array {
  let x = embedding(params.embedding, tokens);
  const bias = causalBias(tokens.shape[1]!);
  for (const block of params.blocks) {
    const h = norm(x.ref, block.attentionNorm, config.normEps);
    const tables = rotary === null ? null : rotaryTablesRef(rotary);
    x = x.add(attention(h, block.attention, config, bias.ref, tables));
    x = x.ref.add(mlp(norm(x, block.mlpNorm, config.normEps), block.mlp, config.mlp));
  }
  return linear(norm(x, params.norm, config.normEps), params.head!);
}

/** A training step of a decoder whose heads turn as the variant says, ready to run. */
export async function rotaryStep(
  { layers, dim, heads, vocab, batch, length }: StepSize,
  { numAxes, from, pairing }: RotaryVariant,
  options: CompileOptions,
) {
  const config = resolveTransformerConfig({
    vocabSize: vocab,
    numLayers: layers,
    modelDim: dim,
    numHeads: heads,
    qkNorm: false,
    maxLength: length,
    position: "none",
  });
  const optimizer = adamw({ learningRate: 1e-3, weightDecay: 0.1 });
  const options3 = { allocation: { kind: "cyclic" }, pairing } as const;
  const coordinates = Float64Array.from(
    { length: length * numAxes },
    (_, i) => Math.floor(i / Math.max(1, numAxes)) + 0.5 * (i % Math.max(1, numAxes)),
  );
  const tablesOf = (positions: np.Array) => {
    if (numAxes === 0) return null;
    return from === "constants"
      ? rotaryTables({ values: coordinates, numAxes }, config.headDim, options3)
      : rotaryTables(positions, config.headDim, { ...options3, numAxes });
  };
  const step = compileStep((state: State, tokens: np.Array, positions: np.Array): [State, np.Array] => {
    const tables = tablesOf(positions);
    const inputs = tokens.ref.slice([], [0, length]);
    const targets = tokens.slice([], [1, length + 1]);
    const [loss, gradients] = valueAndGrad((params: TransformerParams) =>
      crossEntropy(forward(params, inputs, config, tables), targets),
    )(tree.ref(state.params as never) as never) as unknown as [np.Array, Tree];
    const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params as never));
    return [{ params: applyUpdates(state.params, updates) as TransformerParams, optimizer: next }, loss];
  }, options) as CompiledStep<State, [tokens: np.Array, positions: np.Array], np.Array>;
  const params = initTransformer(random.key(0), config);
  const state = await step.init({ params, optimizer: optimizer.init(tree.ref(params as never)) } as never);
  const tokens = Int32Array.from({ length: batch * (length + 1) }, (_, i) => (i * 7919) % vocab);
  const width = Math.max(1, numAxes);
  const positions = Float32Array.from(
    { length: batch * length * width },
    (_, i) => Math.floor(i / width) % length,
  );
  return {
    async run(): Promise<number> {
      const loss = await step(
        state,
        np.array(tokens, { shape: [batch, length + 1] }) as never,
        np.array(positions, { shape: [batch, length, width] }) as never,
      );
      return (await loss.data())[0]!;
    },
    async [Symbol.asyncDispose]() {
      state.dispose();
      await step.dispose();
    },
  };
}

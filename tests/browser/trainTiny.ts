import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import {
  compileStep,
  type EngineArray,
  type EnginePlacement,
  type EngineState,
  type Transferred,
} from "../../src/compile/index.ts";
import {
  initTransformer,
  resolveTransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../../src/nn/index.ts";
import { adamw, applyUpdates, type Tree } from "../../src/optim/index.ts";

const config = resolveTransformerConfig({
  vocabSize: 32,
  numLayers: 1,
  modelDim: 16,
  numHeads: 2,
  maxLength: 16,
});
const numSteps = 8;
const optimizer = adamw({ learningRate: 0.01 });

/** Bytes of one batch. */
export const batchBytes = 4 * 4 * 13;

export function tokens(step: number): np.Array {
  const data = Int32Array.from({ length: 4 * 13 }, (_, i) => (i * i + 7 * i * step + 3) % 32);
  return np.array(data, { shape: [4, 13] });
}

interface State {
  params: TransformerParams;
  optimizer: Tree;
}

function initialState(): State {
  const params = initTransformer(random.key(5), config);
  return { params, optimizer: optimizer.init(tree.ref(params)) };
}

function step(state: State, batch: np.Array): [State, np.Array] {
  const [loss, gradients] = valueAndGrad((params: TransformerParams) =>
    transformerLoss(params, batch, config),
  )(tree.ref(state.params)) as [np.Array, Tree];
  const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
  return [{ params: applyUpdates(state.params, updates) as TransformerParams, optimizer: next }, loss];
}

/** The compiled step and a state at its start. */
export async function makeTiny(placement: EnginePlacement = {}) {
  const compiled = compileStep(step as (state: State, batch: np.Array) => [State, np.Array], {
    threads: 1,
    ...placement,
  });
  return { step: compiled, state: (await compiled.init(initialState())) as EngineState<State> };
}

export interface Trained {
  readonly losses: number[];
  /** After each step. */
  readonly transferred: Transferred[];
  readonly stateBytes: number;
  /** All numbers of the state at the end. */
  readonly state: number[];
}

/** Some steps of a tiny transformer, run by ONNX Runtime. */
export async function trainWithEngine(placement: EnginePlacement = {}): Promise<Trained> {
  const { step: compiled, state } = await makeTiny(placement);
  const [losses, transferred]: [number[], Transferred[]] = [[], []];
  const stateBytes = state.byteLength;
  for (let i = 0; i < numSteps; i++) {
    losses.push((await (await compiled(state, tokens(i))).data())[0]!);
    transferred.push(compiled.transferred());
  }
  const [leaves] = tree.flatten(await state.load()) as unknown as [EngineArray[]];
  const numbers = leaves.flatMap(({ data }) => Array.from(data));
  state.dispose();
  await compiled.dispose();
  return { losses, transferred, stateBytes, state: numbers };
}

/** The same steps by jax-js itself, on its current device. */
export async function trainWithJax(): Promise<number[]> {
  let state = initialState();
  const losses: number[] = [];
  for (let i = 0; i < numSteps; i++) {
    const [next, loss] = step(state, tokens(i));
    state = next;
    losses.push((await loss.data())[0]!);
  }
  tree.dispose(state);
  return losses;
}

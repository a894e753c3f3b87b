import { type numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import type { OriginCheckpoint } from "rotor/browser";
import {
  type CompiledStep,
  compile,
  compileStep,
  type Device,
  EngineArray,
  type EngineLeaves,
  type EngineState,
} from "rotor/compile";
import {
  type DecodeCache,
  decode,
  initCache,
  initTransformer,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "rotor/nn";
import { adamw, applyUpdates, clipToNorm, globalNorm, type Tree } from "rotor/optim";

/** Token ids are bytes; one more ends a text, as in the tokenizer `bytes` of the command. */
const vocabSize = 257;
const endOfText = 256;

export interface Options {
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  /** Tokens of a sequence. */
  readonly length: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

/** What the model is, as `resolveTransformerConfig` and a configuration of the command take it. */
export const modelOptions = ({ numLayers, modelDim, numHeads, length }: Options) => ({
  numLayers,
  modelDim,
  numHeads,
  maxLength: length,
  vocabSize,
});

interface State {
  readonly params: TransformerParams;
  readonly optimizer: Tree;
}

/** Bits of a number that depend on all bits of another (the end of MurmurHash3). */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** A language model of bytes in training, with its state where it is trained. */
export class Training {
  readonly #text: Uint8Array;
  readonly #options: Options;
  readonly #model: TransformerConfig;
  readonly #device: Device;
  readonly #step: CompiledStep<State, [tokens: np.Array], np.Array>;
  readonly #state: EngineState<State>;
  readonly #decode;
  numSteps: number;

  private constructor(
    text: Uint8Array,
    options: Options,
    device: Device,
    step: CompiledStep<State, [tokens: np.Array], np.Array>,
    state: EngineState<State>,
    numSteps: number,
  ) {
    this.#text = text;
    this.#options = options;
    this.#model = resolveTransformerConfig(modelOptions(options));
    this.#device = device;
    this.#step = step;
    this.#state = state;
    this.numSteps = numSteps;
    const model = this.#model;
    this.#decode = compileStep(
      (cache: DecodeCache, params: TransformerParams, token: np.Array, position: np.Array) => {
        const result = decode(params, cache, token, position, model);
        return [result.cache, result.logits] as const;
      },
      { device, outputs: "engine", name: "decode" },
    );
  }

  /** A training from its start, or from a checkpoint. */
  static async begin(
    text: Uint8Array,
    options: Options,
    device: Device,
    checkpoint: OriginCheckpoint | null,
  ): Promise<Training> {
    if (text.length < options.length + 2)
      throw new Error(`the text has ${text.length} bytes: expected more than a context of ${options.length}`);
    const model = resolveTransformerConfig(modelOptions(options));
    const optimizer = adamw({ learningRate: options.learningRate });
    const step = compileStep(
      (state: State, tokens: np.Array) => {
        const loss = (params: TransformerParams) => transformerLoss(params, tokens, model);
        const [value, gradients] = valueAndGrad(loss)(tree.ref(state.params)) as [np.Array, Tree];
        const norm = globalNorm(tree.ref(gradients));
        const [updates, next] = optimizer.update(
          clipToNorm(gradients, norm, 1),
          state.optimizer,
          tree.ref(state.params),
        );
        const params = applyUpdates(state.params as never, updates) as unknown as TransformerParams;
        return [{ params, optimizer: next }, value] as const;
      },
      { device, name: "train" },
    );
    const params = initTransformer(random.key(1), model);
    const state = await step.init({ params, optimizer: optimizer.init(tree.ref(params) as never) });
    await checkpoint?.restore(state);
    return new Training(text, options, device, step, state, checkpoint?.step ?? 0);
  }

  /** Sequences of a step: a function of its number, so that a resumed training sees the same ones. */
  #batch(step: number): EngineArray {
    const { batchSize, length } = this.#options;
    const tokens = new Int32Array(batchSize * (length + 1));
    for (let row = 0; row < batchSize; row++) {
      const start = mixed(step * batchSize + row + 1) % (this.#text.length - length);
      tokens.set(this.#text.subarray(start, start + length + 1), row * (length + 1));
    }
    return EngineArray.from(tokens, [batchSize, length + 1]);
  }

  /** One step. @returns the loss of its batch, in nats per byte */
  async advance(): Promise<number> {
    const loss = await this.#step(this.#state, this.#batch(this.numSteps));
    this.numSteps++;
    return (await loss.data())[0]!;
  }

  /** Pieces of text after a prompt, as they are made. Temperature 0 takes the likeliest byte each time. */
  async *sample(prompt: string, temperature: number): AsyncGenerator<string> {
    const { maxLength } = this.#model;
    const prefix = new TextEncoder().encode(prompt).subarray(0, maxLength - 1);
    const given = prefix.length === 0 ? Uint8Array.of(10) : prefix;
    await using empty = compile(() => initCache(this.#model, 1, maxLength), {
      device: this.#device,
      outputs: "engine",
    });
    using cache = await this.#decode.init((await empty()) as never);
    const { params } = this.#state.leaves();
    const decoder = new TextDecoder();
    let token = given[0]!;
    for (let position = 0; position + 1 < maxLength; position++) {
      const logits = await this.#decode(
        cache,
        params as never,
        EngineArray.from(Int32Array.of(token), [1, 1]),
        EngineArray.from(Int32Array.of(position), []),
      );
      if (position + 1 < given.length) {
        token = given[position + 1]!;
        continue;
      }
      token = drawn((await logits.load()) as Float32Array, temperature);
      if (token === endOfText) break;
      yield decoder.decode(Uint8Array.of(token), { stream: true });
    }
    yield decoder.decode();
  }

  /** All that a resumed training needs, in the page's memory. */
  async state(): Promise<EngineLeaves<State>> {
    return await this.#state.load();
  }

  async dispose(): Promise<void> {
    this.#state.dispose();
    await this.#step.dispose();
    await this.#decode.dispose();
  }
}

/** A token by the probabilities `softmax(logits / temperature)`. */
function drawn(logits: Float32Array, temperature: number): number {
  const most = logits.indexOf(Math.max(...logits));
  if (temperature === 0) return most;
  const weights = Array.from(logits, (logit) => Math.exp((logit - logits[most]!) / temperature));
  let rest = Math.random() * weights.reduce((a, b) => a + b);
  const token = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  return token < 0 ? most : token;
}

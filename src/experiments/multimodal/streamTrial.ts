import { type numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile, compileStep } from "../../compile/index.ts";
import {
  initMultimodalTransformer,
  type MultimodalBatch,
  type MultimodalParams,
  multimodalBatch,
  multimodalLoss,
  multimodalLosses,
  resolveMultimodalConfig,
} from "../../nn/index.ts";
import { applyUpdates, chain, clipByGlobalNorm, muon, type Tree, warmupCosine } from "../../optim/index.ts";
import { type FrequencyAllocation, type Layout, layoutNamed, modelLayout } from "../../position/index.ts";
import {
  countPredicted,
  mixedStream,
  numStreamCodes,
  type StreamKind,
  type StreamPart,
  type StreamSet,
  streamDocument,
  streamKinds,
  streamLength,
  streamVocabulary,
} from "./streamDocuments.ts";

/** A position rule with the allocation of its frequencies. */
export interface StreamArm {
  /** Of Rotor, or with `model` the rule of a published model. */
  readonly layout: string;
  readonly model?: true;
  readonly allocation: FrequencyAllocation;
}

/** Everything that decides the result of a trial, but for the seed. */
export interface StreamSettings extends StreamArm {
  readonly task: "streams";
  readonly steps: number;
  readonly batchSize: number;
  /** Peak, for the hidden matrices. */
  readonly muonLearningRate: number;
  /** Peak, for embeddings and norms. */
  readonly adamwLearningRate: number;
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly headDim: number;
  readonly ropeBase: number;
  /** Documents of each set that the model is tested on. */
  readonly numDocuments: number;
}

export const testedSets = ["seen", "longer"] as const satisfies readonly StreamSet[];

/** Nats per predicted token: of all of them, and of each kind. */
export type StreamLosses = Readonly<Record<StreamKind | "all", number>>;
export type StreamResult = Readonly<Record<(typeof testedSets)[number], StreamLosses>>;

interface State {
  readonly params: Tree;
  readonly optimizer: Tree;
}

/** Trains one arm with any number of seeds: its steps are compiled once. */
export class StreamTrainer implements AsyncDisposable {
  readonly #settings: StreamSettings;
  readonly #layout: Layout;
  readonly #config: ReturnType<typeof resolveMultimodalConfig>;
  readonly #train;
  readonly #test;
  readonly #optimizer;

  constructor(settings: StreamSettings, threads: number | undefined) {
    const { layout, model, allocation, steps, muonLearningRate, adamwLearningRate, ...rest } = settings;
    this.#settings = settings;
    this.#layout = model === true ? modelLayout(layout) : layoutNamed(layout);
    const { numLayers, modelDim, numHeads, headDim, ropeBase } = rest;
    const config = resolveMultimodalConfig({
      vocabSize: streamVocabulary.size,
      codeVocabSize: numStreamCodes,
      numLayers,
      modelDim,
      numHeads,
      headDim,
      ropeBase,
      numAxes: this.#layout.axes.length,
      allocation,
      initStd: 0.1,
      tiedHead: true,
    });
    this.#config = config;
    const schedule = (peak: number) =>
      warmupCosine({ peak, warmupSteps: Math.floor(steps / 10), numSteps: steps });
    const optimizer = chain(
      clipByGlobalNorm(1),
      muon({
        learningRate: schedule(muonLearningRate),
        adamw: { learningRate: schedule(adamwLearningRate), b2: 0.98 },
      }),
    );
    this.#optimizer = optimizer;
    const options = { threads: threads ?? 1 };
    this.#train = compileStep((state: State, batch: MultimodalBatch): [State, np.Array] => {
      const [loss, gradients] = valueAndGrad((params: MultimodalParams) =>
        multimodalLoss(params, batch, config),
      )(tree.ref(state.params)) as [np.Array, Tree];
      const [updates, inner] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates), optimizer: inner }, loss];
    }, options);
    this.#test = compile((params: MultimodalParams, batch: MultimodalBatch): [np.Array, np.Array] => {
      const { text, codes } = multimodalLosses(params, batch, config);
      return [text, codes!];
    }, options);
  }

  #documents(set: StreamSet, from: number, seed: number) {
    return Array.from({ length: this.#settings.batchSize }, (_, i) => streamDocument(set, from + i, seed));
  }

  #batch(set: StreamSet, documents: readonly (readonly StreamPart[])[], counted: readonly StreamKind[]) {
    const layout = this.#layout;
    return multimodalBatch(
      layout,
      documents.map((parts) => [mixedStream(parts, layout, counted)]),
      this.#config,
      { length: streamLength(set, layout) },
    );
  }

  /** Parameters, documents and their order follow from the seed, and are the same for every arm. */
  async run(seed: number): Promise<StreamResult> {
    const { steps, batchSize, numDocuments } = this.#settings;
    const params = initMultimodalTransformer(random.key(seed), this.#config) as Tree;
    const initial = { params: tree.ref(params), optimizer: this.#optimizer.init(params) };
    using state = await this.#train.init(initial);
    for (let step = 0; step < steps; step++) {
      const documents = this.#documents("train", step * batchSize, seed);
      await this.#train(state, this.#batch("train", documents, streamKinds));
    }
    const { params: trained } = state.leaves() as State;
    const losses = async (set: StreamSet): Promise<StreamLosses> => {
      const sums = { words: 0, images: 0, videos: 0 };
      const counts = { words: 0, images: 0, videos: 0 };
      for (let from = 0; from < numDocuments; from += batchSize) {
        const documents = this.#documents(set, from, seed);
        const own = documents.map(countPredicted);
        const count = (kind: StreamKind) => own.reduce((sum, counted) => sum + counted[kind], 0);
        // The mean over codes is of one kind of grid at a time.
        for (const kind of ["images", "videos"] as const) {
          const counted = kind === "images" ? (["words", kind] as const) : ([kind] as const);
          const [words, codes] = await this.#test(trained, this.#batch(set, documents, counted));
          sums[kind] += (await codes.data())[0]! * count(kind);
          if (kind === "images") sums.words += (await words.data())[0]! * count("words");
        }
        for (const kind of streamKinds) counts[kind] += count(kind);
      }
      const mean = (...kinds: readonly StreamKind[]) => {
        const total = kinds.reduce((sum, kind) => sum + counts[kind], 0);
        const value = total === 0 ? 0 : kinds.reduce((sum, kind) => sum + sums[kind], 0) / total;
        return Number(value.toPrecision(7));
      };
      return {
        all: mean(...streamKinds),
        words: mean("words"),
        images: mean("images"),
        videos: mean("videos"),
      };
    };
    return { seen: await losses("seen"), longer: await losses("longer") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#train[Symbol.asyncDispose]();
    await this.#test[Symbol.asyncDispose]();
  }
}

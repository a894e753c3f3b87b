import { numpy as np } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { compile, EngineArray, type EnginePlacement, placementOf } from "../compile/index.ts";
import {
  type BuiltOptimizer,
  buildOptimizer,
  type LanguageConfig,
  overrideConfig,
  resolveModel,
} from "../config/index.ts";
import { BatchSampler, evaluationBatches } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { type TransformerConfig, type TransformerParams, transformer } from "../nn/index.ts";
import { normalSampler } from "../numbers/index.ts";
import { parameterKind, type Tree } from "../optim/index.ts";
import { languageSteps, openConfiguredData } from "../tasks/index.ts";
import { StepRunner } from "../train/index.ts";
import { type CoordinateKind, type CoordinateRow, coordinateSlope } from "./coordinateSlopes.ts";

export interface CoordinateOptions extends EnginePlacement {
  readonly config: LanguageConfig;
  /** Two or more; every width of the model grows in proportion. Default 1, 2 and 4 times that of the configuration. */
  readonly widths?: readonly number[];
  /** What grows with the width: the number of heads, or their size. Default `"heads"`. */
  readonly grow?: "heads" | "head-size";
  /** Steps, at the constant learning rate of the configuration. Default 5. */
  readonly steps?: number;
  /** Default 2. */
  readonly seeds?: number;
  /** Folder where token files are kept. Default `.rotor`. */
  readonly home?: string;
  readonly onProgress?: (done: number, total: number) => void;
  /** Changes what a model starts from, and its optimizer: to plant a mistake that the check should find. */
  readonly plant?: {
    readonly params?: (params: Tree, model: TransformerConfig) => Tree;
    readonly optimizer?: (config: LanguageConfig) => BuiltOptimizer;
  };
}

/** Sizes of coordinates against the width. */
export interface CoordinateCheck {
  readonly parametrization: TransformerConfig["parametrization"];
  readonly optimizer: string;
  readonly widths: readonly number[];
  readonly steps: number;
  readonly seeds: number;
  readonly rows: readonly CoordinateRow[];
  /** `"fails"` if one row does, `"open"` if one is. */
  readonly verdict: CoordinateRow["verdict"];
}

/** The configuration at another width. @throws ConfigError for a width at which something isn't whole */
export function configAtWidth(
  config: LanguageConfig,
  width: number,
  grow: "heads" | "head-size" = "heads",
): LanguageConfig {
  const { model } = config;
  const { modelDim, numHeads, numKvHeads, headDim = modelDim / numHeads, mlpDim } = model;
  const scaled = (name: string, size: number) => {
    const own = (size * width) / modelDim;
    if (!Number.isInteger(own))
      throw new ConfigError(
        `width ${width}: ${name} ${size} would be ${Number(own.toFixed(2))}, as modelDim is ${modelDim}; expected a width in whole proportion`,
      );
    return own;
  };
  const grown =
    grow === "heads"
      ? {
          numHeads: scaled("numHeads", numHeads),
          ...(numKvHeads === undefined ? {} : { numKvHeads: scaled("numKvHeads", numKvHeads) }),
          headDim,
        }
      : { headDim: scaled("headDim", headDim) };
  const changed = {
    modelDim: width,
    ...grown,
    ...(mlpDim === undefined ? {} : { mlpDim: scaled("mlpDim", mlpDim) }),
  };
  return overrideConfig(
    config,
    Object.fromEntries(Object.entries(changed).map(([name, value]) => [`model.${name}`, value])),
  );
}

/** What a forward pass shows: embeddings, what each block adds, its scores where keys are seen, and logits. */
function probe(model: TransformerConfig, placement: EnginePlacement) {
  return compile(
    (params: TransformerParams, tokens: np.Array) => {
      const scores: np.Array[] = [];
      const states: np.Array[] = [];
      const logits = transformer(
        params,
        tokens,
        model,
        ({ q, k }, bias) => {
          const [, , numHeads, headDim] = q.shape as [number, number, number, number];
          const repeats = numHeads / k.shape[2]!;
          const keys = repeats === 1 ? k.ref : np.repeat(k.ref, repeats, 2);
          const own = np.einsum("blnh,bsnh->bnls", q.ref, keys).mul(1 / Math.sqrt(headDim));
          // Hidden keys count for nothing.
          scores.push(np.where(bias.ref.less(-1), 0, own));
        },
        (state) => states.push(state.ref),
      );
      const added = states.slice(1).map((state, i) => state.ref.sub(states[i]!.ref));
      const [embedding, ...rest] = states;
      for (const state of rest) state.dispose();
      const blocks = added.flatMap((block, i) => [
        [`block ${i}`, block] as const,
        [`scores ${i}`, scores[i]!] as const,
      ]);
      return Object.fromEntries([["embedding", embedding!], ...blocks, ["logits", logits]]) as Tree;
    },
    { ...placement, outputs: "engine", name: "coordinates" },
  );
}

type Activations = Readonly<Record<string, EngineArray>>;

const rootMeanSquare = (size: number, element: (i: number) => number) => {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += element(i) ** 2;
  return Math.sqrt(sum / size);
};

/** `‖W‖₂` by 30 steps of power iteration, to a percent or so. */
function spectralNorm(w: Float32Array, rows: number, columns: number): number {
  const draw = normalSampler(1);
  let v = Float64Array.from({ length: columns }, () => draw());
  let norm = 0;
  for (let step = 0; step < 30; step++) {
    const length = Math.hypot(...v);
    if (length === 0) return 0;
    const u = new Float64Array(rows);
    const next = new Float64Array(columns);
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += (w[i * columns + j]! * v[j]!) / length;
      u[i] = sum;
      for (let j = 0; j < columns; j++) next[j]! += w[i * columns + j]! * sum;
    }
    norm = Math.hypot(...u);
    v = next;
  }
  return norm;
}

/** How large a change of a parameter is, in the measure that is to be the same at all widths. */
function updateSize(
  path: string,
  shape: readonly number[],
  before: Float32Array,
  after: Float32Array,
): number {
  const change = after.map((value, i) => value - before[i]!);
  const kind = parameterKind(path, shape);
  if (kind !== "matrix" && kind !== "head") return rootMeanSquare(change.length, (i) => change[i]!);
  const [fanIn, fanOut] = shape as [number, number];
  return spectralNorm(change, fanIn, fanOut) * Math.sqrt(fanIn / fanOut);
}

/** Sizes of one model, by kind and name. */
async function measureOne(
  config: LanguageConfig,
  options: CoordinateOptions,
  seed: number,
  steps: number,
): Promise<Map<string, number>> {
  const { home = ".rotor", plant = {} } = options;
  using data = await openConfiguredData(config, home);
  const { batchSize, length } = config.training;
  const model = resolveModel(config, data.tokenizer.vocabSize);
  const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
  const [batch] = evaluationBatches(data.validation, Math.min(4, batchSize), length, 1);
  const count = batch!.length / (length + 1);
  const inputs = Int32Array.from({ length: count * length }, (_, i) => {
    const row = Math.floor(i / length);
    return batch![row * (length + 1) + (i % length)]!;
  });
  const tokens = () => EngineArray.from(inputs, [count, length]);
  const own = languageSteps(model, sampler, config.training);
  const task =
    plant.params === undefined
      ? own
      : {
          ...own,
          init: async (first: number) => {
            const { params } = (await own.init(first)) as { params: Tree };
            return { params: plant.params!(params, model) };
          },
        };
  const built = (plant.optimizer ?? buildOptimizer)(config);
  const placement = placementOf({ ...config.training, ...placementOf(options) });
  const runner = new StepRunner(task, built, { ...config.training, ...placement, seed });
  const look = probe(model, placement);
  const state = await runner.init();
  try {
    const sizes = new Map<string, number>();
    const add = (kind: CoordinateKind, name: string, size: number) => sizes.set(`${kind} ${name}`, size);
    const copies = () =>
      new Map(
        [...flattenState(state.leaves().params)].map(([path, { data: values, shape }]) => [
          path,
          { shape, data: Float32Array.from(values as Float32Array) },
        ]),
      );
    const before = copies();
    const activations = async () => {
      const own = (await look(state.leaves().params as never, tokens() as never)) as Activations;
      return new Map(
        Object.entries(own).map(([name, array]) => [name, Float32Array.from(array.data as Float32Array)]),
      );
    };
    const first = await activations();
    for (const [name, values] of first)
      add(
        "start",
        name,
        rootMeanSquare(values.length, (i) => values[i]!),
      );
    for (let step = 0; step < steps; step++) await runner.run(state, step);
    for (const [name, values] of await activations()) {
      const old = first.get(name)!;
      add(
        "change",
        name,
        rootMeanSquare(values.length, (i) => values[i]! - old[i]!),
      );
    }
    for (const [path, { shape, data: after }] of copies())
      add("update", path, updateSize(path, shape, before.get(path)!.data, after));
    return sizes;
  } finally {
    state.dispose();
    await runner.dispose();
    await look.dispose();
  }
}

/**
 * Trains a model for a few steps at several widths and compares the sizes of what it computes: activations at the start, how far they
 * move on a batch of validation, and how far parameters do. Under a parametrization by the spectral condition they move by as much at every width;
 * where a scale is wrong, some grow or vanish as a power of the width, which a few steps show and a loss hides.
 *
 * @throws ConfigError for widths that can't be used; DataError if data can't be read
 *
 * Source: Yang et al., arXiv 2203.03466, appendix D.1 (coordinate checking).
 */
export async function coordinateCheck(options: CoordinateOptions): Promise<CoordinateCheck> {
  const { config, grow = "heads", steps = 5, seeds = 2, onProgress = () => {} } = options;
  const { modelDim } = config.model;
  const widths = [...new Set(options.widths ?? [modelDim, 2 * modelDim, 4 * modelDim])].sort((a, b) => a - b);
  if (widths.length < 2) throw new ConfigError(`widths ${widths.join()}: expected two or more`);
  for (const [name, value] of Object.entries({ steps, seeds })) {
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`coordinates: ${name} ${value}: expected a positive integer`);
  }
  const constant = overrideConfig(config, { "schedule.kind": "constant", "training.steps": steps });
  // All of them before the first is made.
  const configs = widths.map((width) => configAtWidth(constant, width, grow));
  for (const own of configs) resolveModel(own, own.model.vocabSize ?? 2 ** 31);
  const found: Map<string, number>[][] = [];
  for (const [i, own] of configs.entries()) {
    const bySeed: Map<string, number>[] = [];
    for (let seed = 0; seed < seeds; seed++) {
      bySeed.push(await measureOne(own, options, seed, steps));
      onProgress(i * seeds + seed + 1, widths.length * seeds);
    }
    found.push(bySeed);
  }
  const rows = [...found[0]![0]!.keys()].map((key) => {
    const split = key.indexOf(" ");
    const [kind, name] = [key.slice(0, split) as CoordinateKind, key.slice(split + 1)];
    return coordinateSlope(widths, {
      kind,
      name,
      sizes: found.map((bySeed) => bySeed.map((sizes) => sizes.get(key)!)),
      ...(grow === "head-size" && kind === "start" && name.startsWith("scores") ? { toCome: 0.5 } : {}),
    });
  });
  const verdict = (["fails", "open"] as const).find((one) => rows.some((row) => row.verdict === one));
  return {
    parametrization: config.model.parametrization ?? "standard",
    optimizer: config.optimizer.kind,
    widths,
    steps,
    seeds,
    rows,
    verdict: verdict ?? "holds",
  };
}

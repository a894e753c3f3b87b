import { nn, numpy as np } from "@jax-js/jax";
import { Matrix } from "ml-matrix";
import { compile, type EngineTree } from "../../compile/index.ts";
import { evaluationBatches, type TokenSource } from "../../data/index.ts";
import { type TransformerConfig, type TransformerParams, transformer } from "../../nn/index.ts";
import { fitLinearProbe, orderingAccuracy, predictLinearProbe, rSquared } from "./linearProbe.ts";
import { octaves, rounded } from "./places.ts";
import {
  compileStateStatistics,
  type RmsByPlace,
  rmsByPlace,
  type StateStatistics,
} from "./stateStatistics.ts";

/** What is measured of a model's positions. Plain data: part of the key of a trial. */
export interface PositionMeasurement {
  /** Steps after which it is measured; 0 is before the first. */
  readonly at: readonly number[];
  /** The losses are of sequences this many times as long as those of the training. */
  readonly lengthFactor: number;
  /** Sequences for losses, and as many for the states; the probe is fitted to one half of these and judged on the other. */
  readonly sequences: number;
}

/** Groups of places within the length of the training, whose losses are averaged. */
export const groupsPerLength = 16;

/** How well a linear function of a layer's state tells the place. */
export interface LayerProbe {
  /** Held-out R² of `n` from the state. */
  readonly linear: number;
  /** The same from the state and the squares of its components, which have what is stored as a size. */
  readonly quadratic: number;
  /**
   * The probability that the probe with squares, fitted to `ln n`, puts the state at `n + 1` of a held-out sequence after the state
   * at `n` of another: means over octaves of `n`. Half is chance.
   */
  readonly ordering: readonly number[];
}

export interface PositionMeasures extends RmsByPlace {
  readonly step: number;
  /**
   * Mean loss of groups of `length/groupsPerLength` places, in nats, up to `lengthFactor` times the length of the training; a model
   * with learned positions has none beyond it.
   */
  readonly losses: readonly number[];
  /** The embeddings, then what every block makes of them. */
  readonly probes: readonly LayerProbe[];
}

const batchSize = 16;
const ridge = 1e-3;

/** `−ln p` of every next token, mean over the sequences: `float32[L]`. */
function lossByPlace(params: TransformerParams, tokens: np.Array, config: TransformerConfig): np.Array {
  const [batch, width] = tokens.shape as [number, number];
  const length = width - 1;
  const logits = transformer(params, tokens.ref.slice([], [0, length]), config).reshape([
    batch * length,
    config.vocabSize,
  ]);
  const targets = tokens
    .slice([], [1, width])
    .reshape([batch * length])
    .astype(np.int32);
  const normalizer = nn.logsumexp(logits.ref, -1);
  const chosen = logits.slice(np.arange(batch * length), targets);
  return normalizer.sub(chosen).reshape([batch, length]).mean(0);
}

/** Measures models of one configuration on one text. */
export class PositionMeter implements AsyncDisposable {
  readonly #options: PositionMeasurement;
  readonly #length: number;
  readonly #long: readonly Int32Array<ArrayBuffer>[];
  readonly #short: readonly Int32Array<ArrayBuffer>[];
  readonly #losses;
  readonly #statistics;

  /** @param length - of the training's sequences; a multiple of {@link groupsPerLength} */
  constructor(
    options: PositionMeasurement,
    config: TransformerConfig,
    length: number,
    source: TokenSource,
    threads: number | undefined,
  ) {
    this.#options = options;
    this.#length = length;
    const numBatches = Math.ceil(options.sequences / batchSize);
    const longest = config.position === "learned" ? length : options.lengthFactor * length;
    this.#long = evaluationBatches(source, batchSize, longest, numBatches);
    this.#short = evaluationBatches(source, batchSize, length - 1, numBatches);
    this.#losses = compile(
      (params: TransformerParams, tokens: np.Array) => lossByPlace(params, tokens, config),
      { ...(threads === undefined ? {} : { threads }), name: "losses" },
    );
    this.#statistics = compileStateStatistics(config, threads);
  }

  /** Whether there is something to measure after this step. */
  wants(step: number): boolean {
    return this.#options.at.includes(step);
  }

  /** @param params - arrays of the engine */
  async measure(params: EngineTree<TransformerParams>, step: number): Promise<PositionMeasures> {
    const losses: Float64Array[] = [];
    for (const tokens of this.#long) {
      const shape = [batchSize, tokens.length / batchSize];
      const result = await this.#losses(params, np.array(tokens, { shape }));
      losses.push(Float64Array.from((await result.data()) as Float32Array));
    }
    const meanSquares: StateStatistics["meanSquares"][] = [];
    const states: (readonly Float32Array[])[] = [];
    for (const tokens of this.#short) {
      const shape = [batchSize, this.#length];
      const measured = await this.#statistics.run(params, np.array(tokens, { shape }));
      meanSquares.push(measured.meanSquares);
      states.push(measured.states);
    }
    return {
      step,
      losses: groupMeans(losses, this.#length / groupsPerLength),
      ...rmsByPlace(meanSquares),
      probes: states[0]!.map((_, layer) =>
        probeLayer(
          states.map((batch) => batch[layer]!),
          this.#length,
        ),
      ),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#losses.dispose();
    await this.#statistics[Symbol.asyncDispose]();
  }
}

function groupMeans(batches: readonly Float64Array[], size: number): number[] {
  const length = batches[0]!.length;
  return Array.from({ length: length / size }, (_, group) => {
    let sum = 0;
    for (const batch of batches) for (let i = 0; i < size; i++) sum += batch[group * size + i]!;
    return rounded(sum / (batches.length * size));
  });
}

/** @param batches - `[B, L, D]` each; sequences of the first half are for fitting, of the second for judging */
function probeLayer(batches: readonly Float32Array[], length: number): LayerProbe {
  const dim = batches[0]!.length / (batchSize * length);
  const rows = batches.flatMap((batch) =>
    Array.from({ length: batchSize * length }, (_, row) => batch.subarray(row * dim, (row + 1) * dim)),
  );
  const half = Math.floor(rows.length / (2 * length)) * length;
  const place = (row: number) => (row % length) + 1;
  const numbers = rows.map((_, row) => [place(row), Math.log(place(row))]);
  const fit = (features: number[][]) => {
    const probe = fitLinearProbe(
      new Matrix(features.slice(0, half)),
      new Matrix(numbers.slice(0, half)),
      ridge,
    );
    return predictLinearProbe(probe, new Matrix(features.slice(half)));
  };
  const linear = fit(rows.map((row) => [...row]));
  const quadratic = fit(rows.map((row) => [...row, ...row.map((value) => value * value)]));
  const judged = numbers.slice(half).map(([n]) => n!);
  const logarithms = quadratic.getColumn(1);
  const at = (n: number) => logarithms.filter((_, row) => place(row) === n);
  return {
    linear: rounded(rSquared(judged, linear.getColumn(0))),
    quadratic: rounded(rSquared(judged, quadratic.getColumn(0))),
    ordering: octaves(length).map(([first, end]) => {
      let sum = 0;
      for (let n = first; n < end; n++) sum += orderingAccuracy(at(n), at(n + 1));
      return rounded(sum / (end - first));
    }),
  };
}

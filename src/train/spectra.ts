import { numpy as np } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { compile, type EngineArray, type EnginePlacement } from "../compile/index.ts";
import { spectralDecayReport, type Tree } from "../optim/index.ts";
import { summarizeSpectrum, symmetricEigenvalues } from "../spectral/index.ts";
import type { TrainHandle } from "./trainingStep.ts";

/** What is logged of each matrix, as metrics named `path/quantity`. */
export const spectrumQuantities = [
  "spectralNorm",
  "stableRank",
  "effectiveRank",
  "gap",
  "rms",
  "updateRms",
  "decayResidual",
] as const;

type Matrices = ReadonlyMap<string, EngineArray>;

/** The Gram matrix of the smaller side. */
function gram(w: np.Array): np.Array {
  const [rows, columns] = w.shape as [number, number];
  const wide = rows <= columns ? w : w.transpose();
  return np.matmul(wide.ref, wide.transpose());
}

/** States of spectral decays, wherever they are within a state of an optimizer. */
function spectralDecayStates(state: unknown): Record<string, EngineArray[]>[] {
  if (typeof state !== "object" || state === null || !isContainer(state)) return [];
  return Object.entries(state).flatMap(([key, value]) =>
    key === "rightSingularVectors" ? [value as Record<string, EngineArray[]>] : spectralDecayStates(value),
  );
}

const isContainer = (value: object) => Array.isArray(value) || value.constructor === Object;

function rootMeanSquare(size: number, element: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += element(i) ** 2;
  return Math.sqrt(sum / size);
}

/**
 * Spectra of the matrices during training: Gram matrices in the engine, their eigenvalues in float64 here. σ₁ and both ranks are as
 * good as float32 allows; singular values below about 3·10⁻⁴ of σ₁ are rounding.
 */
export class SpectrumLog {
  readonly #grams;
  readonly #report;

  constructor(placement: EnginePlacement = {}) {
    this.#grams = compile((matrices: Tree) => mapRecord(matrices, gram), {
      ...placement,
      outputs: "engine",
      name: "grams",
    });
    this.#report = compile(
      (matrices: Tree, vectors: Tree) => {
        const report = spectralDecayReport(matrices, { rightSingularVectors: vectors });
        return mapRecord(report, ({ residual, sigma, gap }) => {
          gap.dispose();
          return { residual: np.max(residual), sigma: np.min(sigma) };
        });
      },
      { ...placement, name: "decays" },
    );
  }

  /** Copies of the matrices before a step, for {@link measure} after it. */
  before(state: TrainHandle): ReadonlyMap<string, Float32Array> {
    return new Map([...matricesIn(state)].map(([path, { data }]) => [path, (data as Float32Array).slice()]));
  }

  /**
   * Metrics of every matrix, after a step.
   *
   * @param before - what {@link before} gave
   * @returns nothing for matrices that aren't finite
   */
  async measure(
    state: TrainHandle,
    before: ReadonlyMap<string, Float32Array>,
  ): Promise<Record<string, number>> {
    const matrices = matricesIn(state);
    const metrics: Record<string, number> = {};
    const grams = (await this.#grams(Object.fromEntries(matrices))) as Record<string, EngineArray>;
    const residuals = await this.#residuals(state, matrices);
    for (const [path, { data }] of matrices) {
      const gramData = Float64Array.from(grams[path]!.data as Float32Array);
      if (!gramData.every(Number.isFinite)) continue;
      const values = symmetricEigenvalues(gramData)
        .map((value) => Math.sqrt(Math.max(0, value)))
        .reverse();
      const { spectralNorm, stableRank, effectiveRank } = summarizeSpectrum(values);
      const old = before.get(path)!;
      const quantities = {
        spectralNorm,
        stableRank,
        effectiveRank,
        gap: values[0]! / values[1]!,
        rms: rootMeanSquare(data.length, (i) => data[i]!),
        updateRms: rootMeanSquare(data.length, (i) => data[i]! - old[i]!),
        decayResidual: residuals.get(path) ?? Number.NaN,
      } satisfies Record<(typeof spectrumQuantities)[number], number>;
      for (const [name, value] of Object.entries(quantities))
        if (Number.isFinite(value)) metrics[`${path}/${name}`] = value;
    }
    return metrics;
  }

  /** `‖Wᵀu − σv‖/σ` of the vectors of spectral decays, by path. */
  async #residuals(state: TrainHandle, matrices: Matrices): Promise<Map<string, number>> {
    const residuals = new Map<string, number>();
    for (const vectors of spectralDecayStates(state.leaves().optimizer)) {
      const decayed = Object.fromEntries(Object.keys(vectors).map((path) => [path, matrices.get(path)!]));
      const report = (await this.#report(decayed, vectors)) as Record<
        string,
        { residual: np.Array; sigma: np.Array }
      >;
      for (const [path, { residual, sigma }] of Object.entries(report)) {
        const [r, s] = [(await residual.data())[0]!, (await sigma.data())[0]!];
        residuals.set(path, r / s);
      }
    }
    return residuals;
  }

  async dispose(): Promise<void> {
    await this.#grams.dispose();
    await this.#report.dispose();
  }
}

function mapRecord<T, U>(record: Readonly<Record<string, T>>, fn: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fn(value)]));
}

/** Parameters with two axes, by path. */
function matricesIn(state: TrainHandle): Matrices {
  return new Map([...flattenState(state.leaves().params)].filter(([, { shape }]) => shape.length === 2));
}

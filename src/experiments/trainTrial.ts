import type { numpy as np } from "@jax-js/jax";
import type { z } from "zod";
import { flattenState } from "../checkpoint/index.ts";
import { EngineArray, placementOf } from "../compile/index.ts";
import {
  buildOptimizer,
  evaluationStep,
  type LanguageConfig,
  type languageConfigSchema,
  parseLanguageConfig,
  resolveModel,
} from "../config/index.ts";
import { BatchSampler, evaluationBatches, type TokenDataset } from "../data/index.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { muonRule } from "../optim/index.ts";
import { spectrum } from "../spectral/index.ts";
import { languageSteps, openConfiguredData } from "../tasks/index.ts";
import { StepRunner, type TrainHandle } from "../train/index.ts";
import { type PositionMeasurement, type PositionMeasures, PositionMeter } from "./nope/positionMeasures.ts";

/** A configuration as one writes it: absent options take the defaults of `rotor train`. */
export type TrialConfig = z.input<typeof languageConfigSchema>;

/** What a trial trains and measures. Plain data: a key of the trial log and a message to a worker. */
export interface TrainTrial {
  readonly config: TrialConfig;
  /** Steps after which the validation loss is measured, besides the last. Default none. */
  readonly evaluateAt?: readonly number[];
  /** Steps after which the spectra of the hidden matrices are measured; 0 is before the first. Default none. */
  readonly spectraAt?: readonly number[];
  /** What the model knows of positions. Default: isn't measured. */
  readonly positions?: PositionMeasurement;
}

/** Means over the layers for one kind of hidden matrix. */
export interface MatrixSpectrum {
  /** `σ₁` */
  readonly spectralNorm: number;
  /** `‖W‖_F` */
  readonly frobeniusNorm: number;
  /** `‖W‖_F²/σ₁²` over the smaller side of the matrix, in (0, 1]. */
  readonly stableRank: number;
  /** `exp` of the entropy of `σᵢ/Σσ`, over the smaller side of the matrix, in (0, 1]. */
  readonly effectiveRank: number;
}

/** What a trial found. */
export interface TrainTrialResult {
  /** The loss became non-finite, or is higher at the end than at the start. */
  readonly diverged: boolean;
  /** Mean training loss of each of {@link curveParts} equal parts of the run; shorter if a part wasn't finished. */
  readonly losses: readonly number[];
  /** Validation loss after the last step; null if the run stopped. */
  readonly validationLoss: number | null;
  /** Further validation losses, `[step, loss]`. */
  readonly validation: readonly (readonly [number, number])[];
  /** Spectra by kind of matrix: `wq`, `wk`, … */
  readonly spectra: readonly {
    readonly step: number;
    readonly matrices: Readonly<Record<string, MatrixSpectrum>>;
  }[];
  /** By step; absent unless it was asked for. */
  readonly positions?: readonly PositionMeasures[];
}

/** Points of a loss curve. */
export const curveParts = 25;

const round = (value: number) => Number(value.toPrecision(5));

/** A trial that is ready to run: the compiled step, its state and its batches. */
export interface OpenTrial extends AsyncDisposable {
  readonly config: LanguageConfig;
  readonly model: TransformerConfig;
  readonly state: TrainHandle;
  /** Runs a step and returns the loss of its batch before the update. */
  step(index: number): Promise<number>;
  /** Mean loss of the validation batches. */
  evaluate(): Promise<number>;
}

/**
 * Compiles a trial and makes its first state. All batches come from one token file, which every trial shares.
 *
 * @param threads - of one operator
 */
export async function openTrial(
  trial: TrainTrial,
  data: TokenDataset,
  threads: number | undefined,
): Promise<OpenTrial> {
  const config = parseLanguageConfig(trial.config);
  const { batchSize, length, seed, evalBatches } = config.training;
  const model = resolveModel(config, data.tokenizer.vocabSize);
  const batches = evaluationBatches(data.validation, batchSize, length, evalBatches);
  const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
  const task = languageSteps(model, sampler, config.training);
  const runner = new StepRunner(task, buildOptimizer(config), { ...config.training, threads });
  const evaluate = evaluationStep(model, placementOf({ threads }));
  const state = await runner.init();
  return {
    config,
    model,
    state,
    step: async (index) => (await runner.run(state, index)).loss,
    async evaluate() {
      const { params } = state.leaves();
      let sum = 0;
      for (const batch of batches) {
        const tokens = EngineArray.from(batch, [batchSize, length + 1]);
        const loss = (await evaluate(params, tokens)) as np.Array;
        sum += (await loss.data())[0]!;
      }
      return sum / batches.length;
    },
    async [Symbol.asyncDispose]() {
      state.dispose();
      await runner.dispose();
      await evaluate.dispose();
    },
  };
}

/** Paths of the hidden matrices, the ones that Muon takes. */
export function hiddenMatrices(leaves: ReadonlyMap<string, EngineArray>): string[] {
  return [...leaves]
    .filter(([path, { shape }]) => muonRule(path, shape).group === "muon")
    .map(([path]) => path);
}

/**
 * Spectra of the hidden matrices, averaged over the layers by the last name of their path; null if the last update made a weight
 * infinite, of which the loss of the next step tells.
 */
export function matrixSpectra(state: TrainHandle): Record<string, MatrixSpectrum> | null {
  const leaves = flattenState(state.leaves().params);
  const kinds = new Map<string, MatrixSpectrum[]>();
  for (const path of hiddenMatrices(leaves)) {
    const { data, shape } = leaves.get(path)!;
    const [rows, columns] = shape as [number, number];
    if (!(data as Float32Array).every(Number.isFinite)) return null;
    const found = spectrum(data as Float32Array, rows, columns);
    const side = Math.min(rows, columns);
    const kind = path.slice(path.lastIndexOf(".") + 1);
    kinds.set(kind, [
      ...(kinds.get(kind) ?? []),
      {
        spectralNorm: found.spectralNorm,
        frobeniusNorm: found.frobeniusNorm,
        stableRank: found.stableRank / side,
        effectiveRank: found.effectiveRank / side,
      },
    ]);
  }
  const mean = (values: readonly MatrixSpectrum[], name: keyof MatrixSpectrum) =>
    round(values.reduce((sum, value) => sum + value[name], 0) / values.length);
  return Object.fromEntries(
    [...kinds].map(([kind, values]) => [
      kind,
      {
        spectralNorm: mean(values, "spectralNorm"),
        frobeniusNorm: mean(values, "frobeniusNorm"),
        stableRank: mean(values, "stableRank"),
        effectiveRank: mean(values, "effectiveRank"),
      },
    ]),
  );
}

/**
 * Trains a configuration without checkpoints, samples and the run store. A run that diverges is a result, not an error.
 *
 * @param home - folder of the token cache
 * @param threads - of one operator; results are compared between runs of one number only
 * @throws ConfigError, DataError for a configuration that can't be used
 */
export async function trainTrial(
  trial: TrainTrial,
  home: string,
  threads: number | undefined = 1,
): Promise<TrainTrialResult> {
  using data = await openConfiguredData(parseLanguageConfig(trial.config), home);
  await using run = await openTrial(trial, data, threads);
  const { steps } = run.config.training;
  const [evaluateAt, spectraAt] = [new Set(trial.evaluateAt), new Set(trial.spectraAt)];
  const losses: number[] = [];
  const validation: [number, number][] = [];
  const spectra: { step: number; matrices: Record<string, MatrixSpectrum> }[] = [];
  const measureSpectra = (step: number) => {
    if (!spectraAt.has(step)) return;
    const matrices = matrixSpectra(run.state);
    if (matrices !== null) spectra.push({ step, matrices });
  };
  const positions: PositionMeasures[] = [];
  await using meter =
    trial.positions === undefined
      ? null
      : new PositionMeter(trial.positions, run.model, run.config.training.length, data.validation, threads);
  const measurePositions = async (step: number) => {
    if (meter?.wants(step)) positions.push(await meter.measure(run.state.leaves().params, step));
  };
  const result = (diverged: boolean, validationLoss: number | null): TrainTrialResult => ({
    diverged,
    losses,
    validationLoss,
    validation,
    spectra,
    ...(meter === null ? {} : { positions }),
  });
  measureSpectra(0);
  await measurePositions(0);
  let first = Number.NaN;
  let [part, partSteps] = [0, 0];
  for (let done = 1; done <= steps; done++) {
    const loss = await run.step(done - 1);
    if (!Number.isFinite(loss)) return result(true, null);
    if (done === 1) first = loss;
    part += loss;
    partSteps++;
    if (Math.floor((done * curveParts) / steps) > Math.floor(((done - 1) * curveParts) / steps)) {
      losses.push(round(part / partSteps));
      [part, partSteps] = [0, 0];
    }
    if (evaluateAt.has(done) && done < steps) validation.push([done, round(await run.evaluate())]);
    if (done < steps) {
      measureSpectra(done);
      await measurePositions(done);
    }
  }
  const last = await run.evaluate();
  if (!Number.isFinite(last)) return result(true, null);
  measureSpectra(steps);
  await measurePositions(steps);
  return result(last > first, round(last));
}

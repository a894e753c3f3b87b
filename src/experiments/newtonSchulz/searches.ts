import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { loadConfig, parseLanguageConfig } from "../../config/index.ts";
import { makeTemporaryFolder } from "../../data/index.ts";
import { momentumMatrices } from "../../measure/index.ts";
import { RunStore } from "../../runs/index.ts";
import {
  boundedUpTo,
  type Coefficients,
  type CoefficientTable,
  coefficientsOfRoots,
  coefficientTables,
  findCoefficients,
  findSchedule,
  findTriple,
  gaussianSingularValues,
  polynomialError,
  type SampledError,
  sampledError,
} from "../../spectral/index.ts";
import { trainRun } from "../../train/index.ts";
import type { PublishedRow } from "./publishedCoefficients.ts";

/** The tables that everything is compared with; each is cut or continued to the number of steps. */
export const knownTables: Readonly<Record<string, CoefficientTable>> = {
  "Keller Jordan": coefficientTables["keller-jordan"],
  "five triples": coefficientTables["quintic-5"],
  "Polar Express": coefficientTables["polar-express"],
};

/** Our table of as many steps. */
export function ownTable(steps: number): CoefficientTable {
  return coefficientTables[steps <= 3 ? "rotor-3" : steps === 4 ? "rotor-4" : "rotor-5"];
}

/** Singular values of independent matrices. */
export class Spectra {
  readonly matrices: readonly Float64Array[];
  readonly all: Float64Array;

  constructor(matrices: readonly Float64Array[]) {
    this.matrices = matrices;
    this.all = Float64Array.from(matrices.flatMap((values) => [...values]));
  }

  static gaussian(rows: number, columns: number, count: number, firstSeed: number): Spectra {
    return new Spectra(
      Array.from({ length: count }, (_, i) => gaussianSingularValues(rows, columns, firstSeed + i)),
    );
  }
}

/** A way to choose the triples, with its error on the matrices of the choice and on others. */
interface Choice {
  readonly steps: readonly Coefficients[];
  readonly searched: SampledError;
  readonly fresh: SampledError;
  readonly boundedUpTo: number;
}

export interface RowResult {
  readonly kappa: number;
  readonly x1: number;
  readonly x2: number;
  readonly coefficients: Coefficients;
  /** Muon's triple on the matrices of the search. */
  readonly muon: SampledError;
  /** The published triple on the same singular values. */
  readonly published: number;
  /** Standard deviation of the mean over one matrix: what a published mean of one matrix may be off by. */
  readonly foundDeviation: number;
  readonly muonDeviation: number;
  readonly constant: Choice;
  readonly free: Choice;
  readonly schedule: Choice;
  readonly bounded: Choice;
  /** Errors of the known tables and of ours. */
  readonly tables: Readonly<Record<string, Pick<Choice, "searched" | "fresh">>>;
}

/** JSON, which keeps trials, has no infinity: what overflows becomes the largest number. */
function storable({ mean, standardError }: SampledError): SampledError {
  const fits = Number.isFinite(mean) && Number.isFinite(standardError ?? 0);
  return fits ? { mean, standardError } : { mean: Number.MAX_VALUE, standardError: null };
}

/** A row of the table: found on `searched`, judged on `fresh` matrices. */
export function findRow(row: PublishedRow, searched: Spectra, fresh: Spectra): RowResult {
  const { steps, kappa, x1, x2 } = row;
  const found = findCoefficients(searched.all, steps, { startFrom: [[kappa, x1, x2]] });
  const { coefficients } = found;
  const judge = (table: readonly Coefficients[] | CoefficientTable) => ({
    searched: storable(sampledError(searched.matrices, table, steps)),
    fresh: storable(sampledError(fresh.matrices, table, steps)),
  });
  const choice = (triples: readonly Coefficients[]): Choice => ({
    steps: triples,
    ...judge(triples),
    boundedUpTo: boundedUpTo(triples, steps),
  });
  const free = findTriple(searched.all, steps, { startFrom: [coefficients] });
  const schedule = findSchedule(searched.all, steps, { startFrom: [[coefficients], free.steps] });
  const bounded = findSchedule(searched.all, steps, { bounded: true });
  const deviation = ({ standardError }: SampledError) =>
    (standardError ?? Number.NaN) * Math.sqrt(searched.matrices.length);
  const constant = choice([coefficients]);
  const muon = judge(coefficientTables["keller-jordan"]).searched;
  return {
    kappa: found.kappa,
    x1: found.x1,
    x2: found.x2,
    coefficients,
    muon,
    published: polynomialError(searched.all, [coefficientsOfRoots(kappa, x1, x2)], steps),
    foundDeviation: deviation(constant.searched),
    muonDeviation: deviation(muon),
    constant,
    free: choice(free.steps),
    schedule: choice(schedule.steps),
    bounded: choice(bounded.steps),
    tables: Object.fromEntries(
      Object.entries({ ...knownTables, [`rotor-${steps}`]: ownTable(steps) }).map(([name, table]) => [
        name,
        judge(table),
      ]),
    ),
  };
}

/** Errors by number of steps, each choice found anew for every number. */
export type ErrorsBySteps = Readonly<Record<string, readonly number[]>>;

export function errorsBySteps(spectra: Spectra, maxSteps: number): ErrorsBySteps {
  const errors: Record<string, number[]> = {};
  const record = (name: string, table: readonly Coefficients[] | CoefficientTable, steps: number) => {
    errors[name] ??= [];
    errors[name].push(polynomialError(spectra.all, table, steps));
  };
  let [schedule, bounded]: (readonly Coefficients[])[] = [[], []];
  for (let steps = 1; steps <= maxSteps; steps++) {
    const constant = findCoefficients(spectra.all, steps);
    const taylor = coefficientTables.taylor.steps[0];
    schedule = findSchedule(spectra.all, steps, { startFrom: [[...schedule!, taylor]] }).steps;
    bounded = findSchedule(spectra.all, steps, { startFrom: [[...bounded!, taylor]], bounded: true }).steps;
    record("one triple", [constant.coefficients], steps);
    record("per step", schedule, steps);
    record("per step, bounded", bounded, steps);
    for (const [name, table] of Object.entries(knownTables)) record(name, table, steps);
  }
  return errors;
}

/** Singular values of momentum matrices, by shape: `"192x768"` → matrices. */
export type MomentumSpectra = Readonly<Record<string, readonly (readonly number[])[]>>;

/**
 * Trains a preset for some steps, with the block that presets had when the report was made (ReLU², as many key heads as query heads), and takes the singular values of Muon's momentum,
 * rounded to six digits.
 */
export async function trainForMomentum(
  preset: string,
  steps: number,
  threads: number | undefined,
): Promise<MomentumSpectra> {
  const home = makeTemporaryFolder(path.join(tmpdir(), "rotor-newton-schulz-"));
  try {
    const { model } = parseLanguageConfig(await loadConfig(preset));
    const overrides = {
      "model.mlp": "relu2",
      "model.numKvHeads": model.numHeads,
      "training.steps": steps,
      "training.evalBatches": 1,
      "training.evalEvery": 0,
      "training.sampleEvery": 0,
      "training.sampleTokens": 0,
      "training.checkpointEvery": 0,
      schedule: "{kind: constant}",
      ...(threads === undefined ? {} : { "training.threads": threads }),
    };
    const config = await loadConfig(
      preset,
      Object.entries(overrides).map(([key, value]) => `${key}=${value}`),
    );
    const { run } = await trainRun({ config, home });
    using store = new RunStore(home);
    const result: Record<string, number[][]> = {};
    for (const matrix of momentumMatrices(openCheckpoint(store, store.getRun(run.id), "latest"))) {
      const shape = `${matrix.rows}x${matrix.columns}`;
      result[shape] ??= [];
      result[shape].push([...matrix.singularValues].map((value) => Number(value.toPrecision(6))));
    }
    return result;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

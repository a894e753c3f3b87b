import { openCheckpoint } from "../checkpoint/index.ts";
import { coefficientsProblem, writeCoefficientsFile } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { momentumMatrices } from "../measure/index.ts";
import { RunStore } from "../runs/index.ts";
import {
  boundedUpTo,
  type Coefficients,
  type CoefficientTable,
  coefficientTables,
  findCoefficients,
  findSchedule,
  gaussianSingularValues,
  iteratePolynomial,
  type SampledError,
  sampledError,
} from "../spectral/index.ts";
import { version } from "../version.ts";
import { table } from "./format.ts";
import { drawCurves } from "./lossCurve.ts";
import { out, print, warn } from "./print.ts";
import { isColorSupported, style } from "./style.ts";

export interface CoefficientsFlags {
  readonly rows?: number;
  readonly cols?: number;
  readonly steps: number;
  readonly schedule?: boolean;
  readonly bounded?: boolean;
  readonly samples?: number;
  readonly seed?: number;
  readonly run?: string;
  readonly shape?: string;
  readonly checkpoint?: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly home: string;
}

/** What is searched on. */
interface Spectra {
  /** One line. */
  readonly description: string;
  /** Flags that give the same matrices again. */
  readonly flags: string;
  readonly values: readonly Float64Array[];
}

const maxSteps = 20;
/** The work grows with the square of the smaller side: some minutes for one matrix of this size. */
const maxSide = 65536;

function positivePair(text: string): [number, number] {
  const match = /^(\d+)[x×](\d+)$/.exec(text);
  const [rows, columns] = match === null ? [0, 0] : [Number(match[1]), Number(match[2])];
  if (rows < 1 || columns < 1)
    throw new ConfigError(`--shape ${text}: expected rows and columns, as in 192x768`);
  return [rows, columns];
}

function checkFlags(flags: CoefficientsFlags): void {
  const given = (names: readonly (keyof CoefficientsFlags)[]) =>
    names.find((name) => flags[name] !== undefined);
  if (flags.steps > maxSteps) throw new ConfigError(`--steps ${flags.steps}: expected at most ${maxSteps}`);
  if (flags.run !== undefined) {
    const foreign = given(["rows", "cols", "samples", "seed"]);
    if (foreign !== undefined)
      throw new ConfigError(`--${foreign}: is for Gaussian matrices; expected --run without it`);
    return;
  }
  const foreign = given(["shape", "checkpoint"]);
  if (foreign !== undefined) throw new ConfigError(`--${foreign}: expected --run beside it`);
  if (flags.rows === undefined || flags.cols === undefined)
    throw new ConfigError("coefficients: expected --rows and --cols, or --run");
  if (Math.min(flags.rows, flags.cols) > maxSide) {
    const name = flags.cols <= flags.rows ? "cols" : "rows";
    throw new ConfigError(`--${name} ${flags[name]}: expected at most ${maxSide} on the smaller side`);
  }
}

function momentumSpectra(flags: CoefficientsFlags, run: string): Spectra {
  const shape = flags.shape === undefined ? undefined : positivePair(flags.shape);
  using store = new RunStore(flags.home, { readOnly: true });
  const record = store.getRun(run);
  const { id } = record;
  const checkpoint = openCheckpoint(store, record, flags.checkpoint ?? "latest", warn);
  const matrices = momentumMatrices(checkpoint, shape);
  const { step } = checkpoint.sidecar;
  const what = flags.shape === undefined ? "momentum matrices" : `momentum matrices of ${flags.shape}`;
  return {
    description: `${matrices.length} ${what}, run ${id}, step ${step}`,
    flags: `--run ${id} --checkpoint ${step}${flags.shape === undefined ? "" : ` --shape ${flags.shape}`}`,
    values: matrices.map(({ singularValues }) => singularValues),
  };
}

function gaussianSpectra({ rows = 1, cols = 1, seed = 1, ...flags }: CoefficientsFlags): Spectra {
  const samples = flags.samples ?? Math.min(16, Math.max(3, Math.ceil(8192 / Math.min(rows, cols))));
  return {
    description: `${samples} Gaussian matrices of ${rows} × ${cols}`,
    flags: `--rows ${rows} --cols ${cols} --samples ${samples} --seed ${seed}`,
    values: Array.from({ length: samples }, (_, i) => gaussianSingularValues(rows, cols, seed + i)),
  };
}

function pooled(spectra: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(spectra.reduce((sum, values) => sum + values.length, 0));
  let offset = 0;
  for (const values of spectra) {
    all.set(values, offset);
    offset += values.length;
  }
  return all;
}

const number = (value: number) => (value !== 0 && value < 1e-4 ? value.toExponential(2) : value.toFixed(5));
const withError = ({ mean, standardError }: SampledError) =>
  `${number(mean)} ± ${standardError === null ? "?" : number(standardError)}`;

/** The iterations' curves up to the largest singular value, in one picture with colours or one below the other. */
function drawIterations(
  iterations: readonly (readonly [name: string, table: CoefficientTable])[],
  steps: number,
  largest: number,
): string {
  const points = 64;
  const curves = iterations.map(([, { steps: triples, safety }]) =>
    Array.from({ length: points + 1 }, (_, i) => {
      const sigma = (largest * i) / points;
      return {
        step: Number(sigma.toPrecision(2)),
        value: iteratePolynomial(sigma / safety, triples, steps),
      };
    }),
  );
  const options = { axis: "σ", width: points + 1 };
  if (isColorSupported) {
    const colours = [style.blue, style.green, style.magenta];
    const legend = iterations.map(([name], i) => colours[i]!(name)).join("  ");
    return `${legend}\n${drawCurves(curves, { ...options, colour: true })}`;
  }
  return iterations.map(([name], i) => `${name}\n${drawCurves([curves[i]!], options)}`).join("\n\n");
}

/**
 * `rotor coefficients`: the row of Su-10592's table for some matrices, and what a triple per step reaches.
 *
 * @throws ConfigError for impossible flags, CheckpointError or RunStoreError for a run without momentum matrices
 */
export function coefficientsCommand(flags: CoefficientsFlags): number {
  checkFlags(flags);
  const { steps, bounded = false } = flags;
  const spectra = flags.run === undefined ? gaussianSpectra(flags) : momentumSpectra(flags, flags.run);
  const values = pooled(spectra.values);
  print(`searching on ${spectra.description}\n`, process.stderr);
  const found = findCoefficients(values, steps, { bounded });
  const source = `rotor coefficients ${spectra.flags} --steps ${steps}${flags.schedule === true ? " --schedule" : ""}${bounded ? " --bounded" : ""}, Rotor ${version}`;
  const tableOf = (triples: readonly Coefficients[]): CoefficientTable => ({
    steps: triples,
    safety: 1,
    source,
  });
  const errorOf = (one: CoefficientTable) => sampledError(spectra.values, one, steps);
  const constant = tableOf(Array.from({ length: steps }, () => found.coefficients));
  const schedule =
    flags.schedule === true
      ? tableOf(findSchedule(values, steps, { startFrom: [[found.coefficients]], bounded }).steps)
      : undefined;
  const chosen = schedule ?? constant;
  const errors = {
    constant: errorOf(constant),
    muon: errorOf(coefficientTables["keller-jordan"]),
    ...(schedule === undefined
      ? {}
      : { schedule: errorOf(schedule), polarExpress: errorOf(coefficientTables["polar-express"]) }),
  };
  const { kappa, x1, x2 } = found;
  const result = {
    ...(flags.run === undefined ? { rows: flags.rows, cols: flags.cols } : { run: flags.run }),
    steps,
    matrices: spectra.values.length,
    kappa,
    x1,
    x2,
    coefficients: found.coefficients,
    ...(schedule === undefined ? {} : { schedule: schedule.steps }),
    boundedUpTo: boundedUpTo(chosen, steps),
    errors,
  };
  const problem = coefficientsProblem(chosen, steps);
  if (flags.out !== undefined) {
    writeCoefficientsFile(flags.out, chosen, { boundedUpTo: result.boundedUpTo, errors });
    if (problem !== null) warn(`${flags.out}: ${problem}`);
  }
  if (flags.json === true) {
    out(JSON.stringify(result));
    return 0;
  }
  const size = flags.run === undefined ? { n: flags.rows!, m: flags.cols! } : { run: flags.run };
  out(
    table([
      [...Object.keys(size), "T", "κ", "x₁", "x₂", "a", "b", "c", "mse", "Muon's mse"],
      [
        ...Object.values(size).map(String),
        String(steps),
        ...[kappa, x1, x2, ...found.coefficients].map((value) => value.toFixed(3)),
        withError(errors.constant),
        withError(errors.muon),
      ],
    ]),
  );
  if (schedule !== undefined) {
    out("");
    out(
      table([
        ["step", "a", "b", "c"],
        ...schedule.steps.map((triple, i) => [String(i + 1), ...triple.map((value) => value.toPrecision(6))]),
      ]),
    );
    out("");
    out(`mse of this schedule   ${withError(errors.schedule!)}`);
    out(`mse of Polar Express   ${withError(errors.polarExpress!)}`);
  }
  out("");
  out(
    problem === null
      ? "every singular value up to 1 stays below 2"
      : `singular values above ${result.boundedUpTo.toPrecision(2)} diverge; --bounded keeps them`,
  );
  out("");
  const largest = values.reduce((a, b) => Math.max(a, b), 0);
  const curves: [string, CoefficientTable][] = [
    [schedule === undefined ? "found" : "schedule", chosen],
    ["Muon", coefficientTables["keller-jordan"]],
  ];
  if (schedule !== undefined) curves.push(["Polar Express", coefficientTables["polar-express"]]);
  out(drawIterations(curves, steps, largest));
  if (flags.out !== undefined) out(`\nwritten: ${flags.out}`);
  return 0;
}

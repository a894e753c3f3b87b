import tQuantile from "@stdlib/stats-base-dists-t-quantile";
import {
  type Coefficients,
  type CoefficientTable,
  coefficientTable,
  coefficientTables,
  iteratePolynomial,
  type SampledError,
  sampledError,
} from "../spectral/index.ts";
import type { Experiment, ExperimentReport, Table, Verdict } from "./experiment.ts";
import {
  type ErrorsBySteps,
  errorsBySteps,
  findRow,
  knownTables,
  type MomentumSpectra,
  ownTable,
  type RowResult,
  Spectra,
  trainForMomentum,
} from "./newtonSchulzTrials.ts";
import type { Plot, PlotSeries } from "./plot.ts";
import { type PublishedRow, publishedRows } from "./publishedCoefficients.ts";

interface Size {
  /** Sizes of the published rows are divided by this. */
  readonly shrink: number;
  /** Rows with a larger smaller side are left out. */
  readonly maxSide: number;
  /** Matrices to search on, by the smaller side. */
  readonly matrices: (side: number) => number;
  readonly maxSteps: number;
  readonly momentum: { readonly preset: string; readonly steps: number };
}

const sizes: Readonly<Record<"quick" | "full", Size>> = {
  full: {
    shrink: 1,
    maxSide: 8192,
    matrices: (side) => Math.max(6, Math.min(12, 16384 / side)),
    maxSteps: 6,
    momentum: { preset: "small", steps: 80 },
  },
  quick: {
    shrink: 32,
    maxSide: 1024,
    matrices: () => 3,
    maxSteps: 3,
    momentum: { preset: "tiny", steps: 4 },
  },
};

interface Row {
  readonly published: PublishedRow;
  readonly matrices: number;
  readonly result: RowResult;
}

const nameOf = ({ rows, columns, steps }: PublishedRow) => `${rows} × ${columns}, T = ${steps}`;
const number = (value: number) =>
  value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : value.toFixed(5);
const withError = ({ mean, standardError }: SampledError) =>
  `${number(mean)} ± ${standardError === null ? "?" : number(standardError)}`;

/** Above this an error is divergence. */
const diverged = 10;
const shown = (error: SampledError) => (error.mean < diverged ? withError(error) : "diverges");

/** Rounding of the published numbers. */
const rounding = 5e-6;

/**
 * How far a published mean lies from ours, taken for the mean over one matrix: 0 within its rounding, 1 at the end of Student's
 * 99.9 % prediction interval, which knows that our standard deviation comes from few matrices.
 */
function distance(published: number, { mean }: SampledError, deviation: number, matrices: number): number {
  const interval = tQuantile(0.9995, matrices - 1) * deviation * Math.sqrt(1 + 1 / matrices);
  return Math.max(0, Math.abs(published - mean) - rounding) / interval;
}

function distances({ published, result, matrices }: Row): { readonly found: number; readonly muon: number } {
  return {
    found: distance(published.error, result.constant.searched, result.foundDeviation, matrices),
    muon: distance(published.muonError, result.muon, result.muonDeviation, matrices),
  };
}

function reproduction(rows: readonly Row[]): Table {
  return {
    kind: "table",
    title:
      "Found triples beside the published ones. ±: standard error over the matrices that were drawn. Distance: of the published mean from ours, as a part of the 99.9 % prediction interval for one more matrix",
    columns: [
      "n",
      "m",
      "T",
      "κ",
      "x₁",
      "x₂",
      "a",
      "b",
      "c",
      "mse",
      "published triple, same values",
      "published mse",
      "distance",
      "Muon's mse",
      "published mse_o",
      "distance",
    ],
    rows: rows.map((row) => {
      const { published, result } = row;
      const { found, muon } = distances(row);
      return [
        String(published.rows),
        String(published.columns),
        String(published.steps),
        ...[result.kappa, result.x1, result.x2, ...result.coefficients].map((value) => value.toFixed(3)),
        withError(result.constant.searched),
        number(result.published),
        number(published.error),
        found.toFixed(2),
        withError(result.muon),
        number(published.muonError),
        muon.toFixed(2),
      ];
    }),
  };
}

function beyond(rows: readonly Row[]): Table {
  const own = "rotor-T";
  return {
    kind: "table",
    title:
      "Mean square error at the same number of products, on the matrices of the search; where it says fresh, on matrices that the search has not seen",
    columns: [
      "n",
      "m",
      "T",
      "one triple",
      "one triple, any roots",
      "a triple per step",
      "fresh",
      "stays below 2 up to σ =",
      "a triple per step, bounded",
      "fresh",
      ...Object.keys(knownTables),
      own,
    ],
    rows: rows.map(({ published, result }) => [
      String(published.rows),
      String(published.columns),
      String(published.steps),
      number(result.constant.searched.mean),
      number(result.free.searched.mean),
      withError(result.schedule.searched),
      shown(result.schedule.fresh),
      result.schedule.boundedUpTo.toFixed(3),
      withError(result.bounded.searched),
      shown(result.bounded.fresh),
      ...Object.values(result.tables).map(({ searched }) => number(searched.mean)),
    ]),
  };
}

type AnyTable = readonly Coefficients[] | CoefficientTable;

/** What the tables do to the momentum of a run. */
function momentumTable(spectra: MomentumSpectra, choices: Readonly<Record<string, AnyTable>>, title: string) {
  const shapes = Object.keys(spectra);
  const errors = Object.entries(choices).map(([name, table]): [string, SampledError[]] => [
    name,
    shapes.map((shape) =>
      sampledError(
        spectra[shape]!.map((values) => Float64Array.from(values)),
        table,
        5,
      ),
    ),
  ]);
  const table: Table = {
    kind: "table",
    title,
    columns: [
      "coefficients",
      ...shapes.map((shape) => `${spectra[shape]!.length} of ${shape.replace("x", " × ")}`),
    ],
    rows: errors.map(([name, byShape]) => [name, ...byShape.map(shown)]),
  };
  return { table, errors: Object.fromEntries(errors) };
}

/** `g^T(σ)` on a logarithmic axis; images beyond what a plot can show are left out. */
function curve(
  name: string,
  table: AnyTable,
  steps: number,
  [low, high]: readonly [number, number],
): PlotSeries {
  const { steps: triples, safety } = coefficientTable(table);
  const count = 240;
  const short = (value: number) => Number(value.toPrecision(5));
  const points = Array.from({ length: count + 1 }, (_, i) => {
    const x = low * (high / low) ** (i / count);
    const y = iteratePolynomial(x / safety, triples, steps);
    return { x: short(x), y: Math.abs(y) <= 2 ? short(y) : Number.NaN };
  });
  return { name, points: points.filter(({ y }) => !Number.isNaN(y)) };
}

function curvePlot(file: string, title: string, series: readonly PlotSeries[]): Plot {
  return {
    kind: "plot",
    file,
    title,
    x: { label: "singular value σ of M/‖M‖_F", scale: "log" },
    y: { label: "after the iteration" },
    series,
  };
}

function stepsPlot(errors: ErrorsBySteps, title: string): Plot {
  return {
    kind: "plot",
    file: "error-by-steps",
    title,
    x: { label: "steps (three products each)" },
    y: { label: "mean square error", scale: "log" },
    series: Object.entries(errors).map(([name, values]) => ({
      name,
      points: values.map((y, i) => ({ x: i + 1, y: Math.max(y, 1e-12) })),
    })),
  };
}

/** `"all 12"`, or which ones don't. */
function count(rows: readonly Row[], holds: (row: Row) => boolean): { text: string; all: boolean } {
  const not = rows.filter((row) => !holds(row));
  return {
    text:
      not.length === 0
        ? `all ${rows.length} rows`
        : `${rows.length - not.length} of ${rows.length} rows; not ${not.map(({ published }) => nameOf(published)).join("; ")}`,
    all: not.length === 0,
  };
}

/** The row where a ratio is smallest. */
function smallest(rows: readonly Row[], ratio: (row: Row) => number): string {
  const worst = rows.reduce((a, b) => (ratio(b) < ratio(a) ? b : a));
  return `${ratio(worst).toPrecision(3)}× (${nameOf(worst.published)})`;
}

const decide = (all: boolean): Verdict["verdict"] => (all ? "holds" : "fails");

function verdictsOf(rows: readonly Row[], comparable: boolean): Verdict[] {
  const largest = (row: Row) => Math.max(...Object.values(distances(row)));
  const reproduced = count(rows, (row) => largest(row) <= 1);
  // Both are means over the same values; equal triples give equal means but for the last digit.
  const neverWorse = count(
    rows,
    ({ result }) => result.constant.searched.mean <= result.published * (1 + 1e-12),
  );
  const gain = ({ result }: Row) => result.constant.searched.mean / result.schedule.searched.mean;
  const beatsConstant = count(rows, (row) => gain(row) > 1);
  const polar = ({ result }: Row) => result.tables["Polar Express"]!.searched.mean;
  const polarGain = (row: Row) => polar(row) / row.result.schedule.searched.mean;
  const beatsPolar = count(rows, (row) => polarGain(row) > 1);
  const boundedGain = ({ result }: Row) =>
    Math.min(...Object.values(result.tables).map(({ fresh }) => fresh.mean)) / result.bounded.fresh.mean;
  const boundedBeats = count(rows, (row) => boundedGain(row) > 1);
  const isBounded = count(rows, ({ result }) => result.bounded.boundedUpTo >= 1);
  const boundedBeatsOne = count(rows, ({ result }) => result.bounded.fresh.mean < result.constant.fresh.mean);
  const carries = count(rows, ({ result }) => result.schedule.fresh.mean < result.constant.fresh.mean);
  const free = rows.filter(({ result }) => result.free.searched.mean < 0.99 * result.constant.searched.mean);
  return [
    {
      claim: "The twelve published rows (Su-10592)",
      expected: "mse and mse_o inside the 99.9 % prediction interval for the mean over one more matrix",
      found: comparable
        ? `${reproduced.text}; the farthest lies at ${Math.max(...rows.map(largest)).toFixed(2)} of its interval`
        : "smaller matrices were drawn: not comparable",
      verdict: comparable ? decide(reproduced.all) : "open",
    },
    {
      claim: "The search is never worse than the published triple on the same singular values",
      expected: "mse ≤ that of the published triple",
      found: neverWorse.text,
      verdict: decide(neverWorse.all),
    },
    {
      claim: "A triple per step beats one triple at the same number of products",
      expected: "smaller mse on the same singular values in every row",
      found: `${beatsConstant.text}; the least gain is ${smallest(rows, gain)}`,
      verdict: decide(beatsConstant.all),
    },
    {
      claim: "A triple per step beats Polar Express on these spectra",
      expected:
        "smaller mse on the same singular values in every row, at as many steps, with its safety factor",
      found: `${beatsPolar.text}; the least gain is ${smallest(rows, polarGain)}`,
      verdict: decide(beatsPolar.all),
    },
    {
      claim: "What it gains carries over to other matrices of the same size",
      expected: "smaller mse than one triple on fresh matrices in every row",
      found: `${carries.text}${carries.all ? "" : ": a fresh matrix has a singular value above all those of the search"}`,
      verdict: decide(carries.all),
    },
    {
      claim: "A triple per step that keeps every singular value up to 1 below 2 gains as well",
      expected:
        "on fresh matrices smaller mse than Polar Express, five triples, Keller Jordan and rotor-T in every row",
      found: `${boundedBeats.text}; bounded: ${isBounded.text}; the least gain is ${smallest(rows, boundedGain)}. Than the found single triple, which need not be bounded: ${boundedBeatsOne.text}`,
      verdict: decide(boundedBeats.all && isBounded.all),
    },
    {
      claim: "One triple needs no other fixed points than x₁ and x₂ (the form of Su-10592)",
      expected: "a triple with any roots is no better",
      found:
        free.length === 0
          ? "equal within 1 % in all rows"
          : `better by more than 1 % in ${free.length} rows, most in ${smallest(free, ({ result }) => result.free.searched.mean / result.constant.searched.mean)} of the error: where x₁ = x₂, the best roots are complex`,
      verdict: decide(free.length === 0),
    },
  ];
}

function momentumVerdicts(
  spectra: MomentumSpectra,
  errors: Readonly<Record<string, readonly SampledError[]>>,
  own: string,
  published: string,
): Verdict[] {
  const shapes = Object.keys(spectra).map((shape) => shape.replace("x", " × "));
  const lines = (name: string) =>
    shapes.map((shape, i) => `${shape}: ${number(errors[name]![i]!.mean)}`).join(", ");
  const known = Object.keys(knownTables);
  const better = shapes.map((_, i) => known.every((name) => errors[own]![i]!.mean < errors[name]![i]!.mean));
  const losses = shapes.flatMap((shape, i) =>
    known
      .filter((name) => errors[name]![i]!.mean <= errors[own]![i]!.mean)
      .map((name) => `${name} on ${shape} (${number(errors[name]![i]!.mean)})`),
  );
  const suits = shapes.every((_, i) => errors[published]![i]!.mean < errors["Keller Jordan"]![i]!.mean);
  return [
    {
      claim: "A triple that was found for Gaussian matrices suits the momentum of training",
      expected: "smaller mse than Keller Jordan's on every shape",
      found: `${lines(published)}; Keller Jordan ${lines("Keller Jordan")}`,
      verdict: decide(suits),
    },
    {
      claim: `${own} suits the momentum of training better than the other tables`,
      expected: "the smallest mse on every shape",
      found: `${lines(own)}${losses.length === 0 ? "; no other is smaller" : `; smaller: ${losses.join(", ")}`}`,
      verdict: decide(better.every(Boolean)),
    },
  ];
}

const experiment: Experiment = {
  name: "newton-schulz",
  title: "Newton–Schulz coefficients: the published table, and what a triple per step gains",
  sources: [
    "Su-10592",
    "Keller Jordan et al., Muon, 2024",
    "Amsel et al., The Polar Express, arXiv 2505.16932",
  ],
  async run({ size: name, trials, threads, note }): Promise<ExperimentReport> {
    const size = sizes[name];
    const drawn = new Map<string, Spectra>();
    const draw = (rows: number, columns: number, matrices: number, firstSeed: number) => {
      const key = [rows, columns, matrices, firstSeed].join();
      const known = drawn.get(key) ?? Spectra.gaussian(rows, columns, matrices, firstSeed);
      drawn.set(key, known);
      return known;
    };
    const rows: Row[] = [];
    for (const original of publishedRows.filter(({ columns }) => columns <= size.maxSide)) {
      const published = {
        ...original,
        rows: original.rows / size.shrink,
        columns: original.columns / size.shrink,
      };
      const { columns } = published;
      const matrices = size.matrices(columns);
      const fresh = Math.max(2, Math.floor(matrices / 2));
      note(`${nameOf(published)}: ${matrices} matrices`);
      const result = await trials.run({ kind: "row", ...published, matrices, fresh }, () =>
        findRow(
          published,
          draw(published.rows, columns, matrices, 1),
          draw(published.rows, columns, fresh, 1001),
        ),
      );
      rows.push({ published, matrices, result });
    }
    const side = 1024 / size.shrink;
    note(`${side} × ${side}, 1 to ${size.maxSteps} steps`);
    const bySteps = await trials.run({ kind: "steps", side, maxSteps: size.maxSteps, matrices: 6 }, () =>
      errorsBySteps(draw(side, side, 6, 1), size.maxSteps),
    );
    const { preset, steps } = size.momentum;
    note(`momentum of ${preset} after ${steps} steps`);
    const momentum = await trials.run({ kind: "momentum", preset, steps }, () =>
      trainForMomentum(preset, steps, threads),
    );

    const square = rows.find(({ published }) => published.rows === side && published.steps === 5)!.result;
    const wide = rows.find(({ published }) => published.rows === 4 * side && published.steps === 3)!.result;
    const foundName = `one triple, found for ${side} × ${side}`;
    const { table, errors } = momentumTable(
      momentum,
      {
        [foundName]: square.constant.steps,
        [`a triple per step, found for ${side} × ${side}`]: square.schedule.steps,
        "the same, bounded": square.bounded.steps,
        ...knownTables,
        Taylor: coefficientTables.taylor,
        "rotor-5": ownTable(5),
      },
      `Mean square error after 5 steps on the momentum of the preset ${preset} after ${steps} steps (±: standard error over matrices)`,
    );
    const ranges = Object.entries(momentum).map(([shape, matrices]) => {
      const all = matrices.flat().sort((a, b) => a - b);
      const at = (part: number) => number(all[Math.floor(part * (all.length - 1))]!);
      return `${shape.replace("x", " × ")}: ${at(0.05)} to ${at(0.95)}, largest ${at(1)}`;
    });
    const tables = Object.entries(knownTables);
    return {
      summary:
        `For each of the ${rows.length} published rows, Gaussian matrices were drawn, coefficients searched, and what ` +
        "was found judged on these and on fresh matrices; then the same tables were judged on the momentum of a short training run.",
      verdicts: [
        ...verdictsOf(rows, size.shrink === 1),
        ...momentumVerdicts(momentum, errors, "rotor-5", foundName),
      ],
      sections: [
        reproduction(rows),
        beyond(rows),
        {
          kind: "text",
          text:
            "A triple per step that is fitted to Gaussian matrices uses that none of their singular values is large, and multiplies " +
            "larger ones without bound; `rotor coefficients --bounded` gives up some of the gain for safety. Tables with fewer rows " +
            "than T repeat the last one, longer ones are cut; Polar Express is made for 5 steps and for spectra down to 10⁻³.",
        },
        stepsPlot(bySteps, `Gaussian ${side} × ${side}: error by number of steps`),
        curvePlot("curves-square", `Five steps, found for ${side} × ${side}`, [
          curve("one triple", square.constant.steps, 5, [1e-4, 2 / Math.sqrt(side)]),
          curve("per step", square.schedule.steps, 5, [1e-4, 2 / Math.sqrt(side)]),
          ...tables
            .filter(([known]) => known !== "five triples")
            .map(([known, own]) => curve(known, own, 5, [1e-4, 2 / Math.sqrt(side)])),
        ]),
        curvePlot("curves-wide", `Three steps, found for ${4 * side} × ${side}`, [
          curve("one triple", wide.constant.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
          curve("one triple, any roots", wide.free.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
          curve("per step", wide.schedule.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
          curve("Keller Jordan", coefficientTables["keller-jordan"], 3, [2e-3, 1.5 / Math.sqrt(side)]),
        ]),
        curvePlot("curves-bounded", "Five steps, all singular values up to 1", [
          curve("per step", square.schedule.steps, 5, [1e-4, 1]),
          curve("per step, bounded", square.bounded.steps, 5, [1e-4, 1]),
          curve("rotor-5", ownTable(5), 5, [1e-4, 1]),
          curve("Polar Express", coefficientTables["polar-express"], 5, [1e-4, 1]),
        ]),
        table,
        {
          kind: "text",
          text: `Singular values of the momentum, from the 5 % to the 95 % quantile: ${ranges.join("; ")}.`,
        },
      ],
    };
  },
};

export default experiment;

// Measures the probabilities of laws and deviations (`measuredProbabilities`, `measuredDeviations`): those with which batch sizes left out
// of the studies are predicted best, in log density and squared error, each study and kind of extrapolation counting alike. The search begins
// where nothing is known, not at the probabilities in use. What they are worth is shown on groups that took no part: a quarter of each study's
// at a time, and each study as a whole: error, and how many optima 90 % intervals hold, their own error (of seeds drawn anew, else of the
// parabola) allowed for as one more variance.
//
// A prediction is linear in the laws' probabilities, and in the kernels', so likelihoods and densities are worked out once.
//
// npm run bench -- --part fit-prior --table "runs.csv|N,D|lr|bs|loss" [--table …]
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { readSweep, type SweepRow } from "../../src/scaling/index.ts";
import { deviations, lawParts, measuredDeviations, scatters } from "../../src/scaling/law/lawPosterior.ts";
import {
  type Bell,
  type LawProbabilities,
  type LawShape,
  lawPriors,
  lawShapes,
  measuredProbabilities,
} from "../../src/scaling/law/lawPrior.ts";
import { type LossMinimum, lossMinimum } from "../../src/scaling/law/lossOverBatches.ts";
import { mixtureQuantile } from "../../src/scaling/law/normal.ts";
import { groupRuns } from "../../src/scaling/sweepGroups.ts";
import { findOptima } from "../../src/scaling/sweepOptima.ts";
import { runsOf } from "../../src/scaling/sweepRuns.ts";
import { type Case, casesOf, committedSweeps, holds, kinds, type Study, simulatedCases } from "./cases.ts";

const { values } = parseArgs({
  options: {
    table: { type: "string", multiple: true, default: [] },
    steps: { type: "string", default: "30" },
    /** How strongly numbers are drawn to where the search begins: of 0.02, 0.1 and 0.4 that with which studies left out were predicted best. */
    pull: { type: "string", default: "0.1" },
  },
});
const steps = Number(values.steps);
const pull = Number(values.pull);

function readStudy(text: string): Study {
  const [file, by, learningRate, batchSize, loss] = text.split("|") as [
    string,
    string,
    string,
    string,
    string,
  ];
  const { rows } = readSweep(readFileSync(file, "utf8"), { columns: { learningRate, batchSize, loss } });
  const keyOf = (row: SweepRow) =>
    by.split(",").map((name) => row.covariates?.[name] ?? row[name as "tokens"]);
  const groups = [...Map.groupBy(rows, (row) => JSON.stringify(keyOf(row)))].map(([key, members]) => ({
    key,
    rows: members.map(({ covariates: _, tokens: __, steps: ___, seed: ____, ...row }): SweepRow => row),
  }));
  return { name: path.basename(file), groups };
}

/** A number that is measured: where the search begins, what is in use, and how it's written so that any real number is allowed. */
interface Knob {
  readonly name: string;
  readonly start: number;
  readonly used: number;
  readonly scale: "share" | "positive" | "real";
}
const laws = measuredProbabilities;
const share = (name: string, used: number): Knob => ({ name, start: 0.5, used, scale: "share" });
const bell = (name: string, start: Bell, used: Bell): Knob[] => [
  { name, start: start.mean, used: used.mean, scale: "real" },
  { name: `${name} ±`, start: start.deviation, used: used.deviation, scale: "positive" },
];
const parts = (name: string, used: readonly number[]): Knob[] =>
  used.map((value, i) => ({
    name: `${name} ${i + 1}`,
    start: 1 / used.length,
    used: value,
    scale: "positive",
  }));
const knobs: readonly Knob[] = [
  share("theory", laws.theory),
  share("turn, vague", laws.turn.vague),
  share("turn, clear", laws.turn.clear),
  share("√B", laws.squareRoot),
  ...bell("exponent", { mean: 0.5, deviation: 0.3 }, laws.exponent),
  ...bell("rise", { mean: 0.8, deviation: 0.2 }, laws.rise),
  ...bell("fall", { mean: 0.1, deviation: 0.2 }, laws.fall),
  share("at best, vague", laws.atBest.vague),
  share("at best, clear", laws.atBest.clear),
  { name: "beyond", start: 0.5, used: laws.beyond, scale: "positive" },
  ...parts("deviation", measuredDeviations.deviation),
  ...parts("scatter", measuredDeviations.scatter),
];
const numbersOfLaws = knobs.length - deviations.length - scatters.length;
const written = (value: number, scale: Knob["scale"]) =>
  scale === "share" ? Math.log(value / (1 - value)) : scale === "positive" ? Math.log(value) : 5 * value;
const read = (knob: Knob, x: number) =>
  knob.scale === "share" ? 1 / (1 + Math.exp(-x)) : knob.scale === "positive" ? Math.exp(x) : x / 5;
const begin = knobs.map(({ start, scale }) => written(start, scale));
const inUse = knobs.map(({ used, scale }) => written(used, scale));

function probabilitiesOf(x: readonly number[]): {
  laws: LawProbabilities;
  deviation: number[];
  scatter: number[];
} {
  const value = knobs.map((knob, i) => read(knob, x[i]!));
  const shares = (list: readonly number[]) => {
    const sum = list.reduce((a, b) => a + b, 0);
    return list.map((one) => one / sum);
  };
  const [
    theory,
    vague,
    clear,
    squareRoot,
    mean,
    deviation,
    rise,
    riseDeviation,
    fall,
    fallDeviation,
    bestVague,
    bestClear,
    beyond,
  ] = value as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    laws: {
      theory,
      turn: { vague, clear },
      squareRoot,
      exponent: { mean, deviation },
      rise: { mean: rise, deviation: riseDeviation },
      fall: { mean: fall, deviation: fallDeviation },
      atBest: { vague: bestVague, clear: bestClear },
      beyond,
    },
    deviation: shares(value.slice(numbersOfLaws, numbersOfLaws + deviations.length)),
    scatter: shares(value.slice(numbersOfLaws + deviations.length)),
  };
}

/** A case with the parts of the mixture that any probabilities may give a share. */
interface Prepared extends Case {
  readonly shapes: readonly LawShape[];
  readonly best: LossMinimum | null;
  readonly last: number;
  /** Law, kernel and likelihood of each part; over targets, what it predicts, and its likelihood with the target's density. */
  readonly shape: Int32Array;
  readonly kernel: Int32Array;
  readonly likelihood: Float64Array;
  readonly predicted: readonly {
    readonly mean: Float64Array;
    readonly variance: Float64Array;
    readonly density: Float64Array;
  }[];
  /** Variance of each measured optimum itself. */
  readonly own: readonly number[];
}

/** Parts whose likelihood is this much (as a logarithm) below the largest stay out. */
const hopeless = 14;

function prepare(one: Case): Prepared | null {
  const groups = groupRuns(runsOf(one.kept), []);
  const { optima, curves, placed, bounds } = findOptima(groups, 0.9);
  if (placed.length === 0) return null;
  const sizes = groups.map(({ batchSize }) => Math.log(batchSize));
  const [first, last] = [Math.min(...sizes), Math.max(...sizes)];
  const shapes = lawShapes([first, last]);
  const measured = placed.map((i) => ({
    u: Math.log(optima[i]!.batchSize),
    y: curves.minima[i]!.x,
    error: curves.minima[i]!.error,
  }));
  const us = one.targets.map(({ batchSize }) => Math.log(batchSize));
  const likely = shapes.map((shape) => ({ ...shape, logPrior: 0 }));
  const all = lawParts(likely, measured, bounds, curves.commonError, us);
  const most = all.reduce((a, { logLikelihood }) => Math.max(a, logLikelihood), Number.NEGATIVE_INFINITY);
  const some = all.filter(({ logLikelihood }) => logLikelihood > most - hopeless);
  const likelihood = Float64Array.from(some, ({ logLikelihood }) => Math.exp(logLikelihood - most));
  const own = one.targets.map(({ error, seedError }) => (seedError ?? error) ** 2);
  return {
    ...one,
    shapes,
    best: lossMinimum(optima),
    last,
    shape: Int32Array.from(some, ({ shape }) => shape),
    kernel: Int32Array.from(some, ({ kernel }) => kernel),
    likelihood,
    predicted: one.targets.map((target, t) => ({
      mean: Float64Array.from(some, ({ mean }) => mean[t]!),
      variance: Float64Array.from(some, ({ variance }) => variance[t]!),
      density: Float64Array.from(some, ({ mean, variance }, i) => {
        const square = variance[t]! + own[t]!;
        const height = Math.exp((-0.5 * (mean[t]! - target.x) ** 2) / square);
        return (likelihood[i]! * height) / Math.sqrt(2 * Math.PI * square);
      }),
    })),
    own,
  };
}

/** Probabilities of a case's laws. */
const shapePriors = ({ shapes, best, last }: Prepared, x: readonly number[]) =>
  lawPriors(shapes, last, best, probabilitiesOf(x).laws);

/** Probabilities of the kernels. */
function kernelPriors(x: readonly number[]): number[] {
  const { deviation, scatter } = probabilitiesOf(x);
  return scatter.flatMap((s) => deviation.map((d) => s * d));
}

/** A share of spoiled optima keeps one of them from deciding. */
const spoiled = 0.03;
const spoiledDensity = 0.25;

/** Weight of a target, and the square that its error is measured in. */
interface Counted {
  readonly weight: number;
  readonly unit: number;
}

/** Every study and kind of extrapolation counts alike, simulated ones less; errors are in units of the better baseline's. */
function countedOf(cases: readonly Prepared[]): (study: string, kind: number) => Counted {
  const cells = Map.groupBy(
    cases.flatMap(({ study, targets }) => targets.map((target) => ({ study, target }))),
    ({ study, target }) => `${study} ${target.kind}`,
  );
  const counted = new Map(
    [...cells].map(([cell, list]) => {
      const [keep, root] = (["keep", "root"] as const).map(
        (baseline) => list.reduce((sum, { target }) => sum + target[baseline] ** 2, 0) / list.length,
      ) as [number, number];
      const weight = (cell.startsWith("simulated") ? 0.1 : 1) / list.length;
      return [cell, { weight, unit: Math.max(0.01, Math.min(keep, root)) }];
    }),
  );
  return (study, kind) => counted.get(`${study} ${kind}`)!;
}

/** Step of the differences that give the probabilities' derivatives. */
const nudge = 0.01;

/** −log density and squared error of a case's targets; adds its derivatives by the numbers to `gradient`. */
function objective(
  one: Prepared,
  counted: ReturnType<typeof countedOf>,
  x: readonly number[],
  gradient?: Float64Array,
): number {
  const { shape, kernel, likelihood, predicted, study, targets } = one;
  const [ofShape, ofKernel] = [shapePriors(one, x), kernelPriors(x)];
  let total = 0;
  for (let i = 0; i < shape.length; i++)
    total += ofShape[shape[i]!]! * ofKernel[kernel[i]!]! * likelihood[i]!;
  let loss = 0;
  const [byShape, byKernel] = [new Float64Array(ofShape.length), new Float64Array(ofKernel.length)];
  targets.forEach((target, t) => {
    const { mean, density } = predicted[t]!;
    const { weight, unit } = counted(study, target.kind);
    let [answer, dense] = [0, 0];
    for (let i = 0; i < shape.length; i++) {
      const factor = (ofShape[shape[i]!]! * ofKernel[kernel[i]!]!) / total;
      answer += factor * likelihood[i]! * mean[i]!;
      dense += factor * density[i]!;
    }
    const miss = answer - target.x;
    const probable = (1 - spoiled) * dense + spoiled * spoiledDensity;
    loss += weight * (Math.min(4, miss ** 2 / unit) - Math.log(probable));
    if (gradient === undefined) return;
    const [slope, share] = [miss ** 2 < 4 * unit ? (2 * miss) / unit : 0, (1 - spoiled) / probable];
    for (let i = 0; i < shape.length; i++) {
      const moved =
        slope * likelihood[i]! * (mean[i]! - answer) - share * (density[i]! - dense * likelihood[i]!);
      byShape[shape[i]!]! += (weight * moved * ofKernel[kernel[i]!]!) / total;
      byKernel[kernel[i]!]! += (weight * moved * ofShape[shape[i]!]!) / total;
    }
  });
  if (gradient !== undefined)
    x.forEach((value, i) => {
      const near = x.with(i, value + nudge);
      // The last numbers are the kernels'.
      const [here, there, by] =
        i < numbersOfLaws
          ? [ofShape, shapePriors(one, near), byShape]
          : [ofKernel, kernelPriors(near), byKernel];
      for (let k = 0; k < by.length; k++) gradient[i]! += (by[k]! * (there[k]! - here[k]!)) / nudge;
    });
  return loss;
}

/** The numbers that predict some cases best, by Adam. */
function train(cases: readonly Prepared[]): readonly number[] {
  const counted = countedOf(cases);
  const x = [...begin];
  const [first, second] = [begin.map(() => 0), begin.map(() => 0)];
  for (let step = 1; step <= steps; step++) {
    // Numbers that nothing speaks for stay where they began.
    const gradient = Float64Array.from(x, (value, i) => 2 * pull * (value - begin[i]!));
    const loss = cases.reduce((sum, one) => sum + objective(one, counted, x, gradient), 0);
    // Small steps at the end.
    const rate = 0.3 * (1 - (step - 1) / steps);
    gradient.forEach((g, i) => {
      first[i] = 0.7 * first[i]! + 0.3 * g;
      second[i] = 0.9 * second[i]! + 0.1 * g * g;
      x[i]! -= (rate * (first[i]! / (1 - 0.7 ** step))) / (Math.sqrt(second[i]! / (1 - 0.9 ** step)) + 1e-3);
    });
    if (step % 10 === 0) console.error(`step ${step} of ${steps}: ${loss.toFixed(3)}`);
  }
  return x;
}

const rms = (list: readonly number[]) => Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);

/** Errors of each study's targets, with probabilities that didn't see them. */
function print(title: string, scored: readonly { one: Prepared; x: readonly number[] }[]): void {
  const counted = countedOf(scored.map(({ one }) => one));
  const loss = scored.reduce((sum, { one, x }) => sum + objective(one, counted, x), 0);
  console.log(`\n${title} (objective ${loss.toFixed(3)})\n`);
  for (const study of new Set(scored.map(({ one }) => one.study))) {
    const cells = kinds.map((name, kind) => {
      const some = scored
        .filter(({ one }) => one.study === study)
        .flatMap(({ one, x }) => {
          const [ofShape, ofKernel] = [shapePriors(one, x), kernelPriors(x)];
          return one.targets.flatMap((target, t) => {
            if (target.kind !== kind) return [];
            const { mean, variance } = one.predicted[t]!;
            const shares = Array.from(one.likelihood, (likelihood, i) => ({
              weight: ofShape[one.shape[i]!]! * ofKernel[one.kernel[i]!]! * likelihood,
              mean: mean[i]!,
              variance: variance[i]!,
            }));
            const [low, middle, high] = [0.05, 0.5, 0.95].map((q) => mixtureQuantile(shares, q)) as [
              number,
              number,
              number,
            ];
            return [{ target, middle, low, high, own: one.own[t]! }];
          });
        });
      if (some.length === 0) return "";
      const better = Math.min(
        rms(some.map(({ target }) => target.keep)),
        rms(some.map(({ target }) => target.root)),
      );
      const fit = rms(some.map(({ target, middle }) => middle - target.x));
      const held = some.filter((one) => holds(one, one.target.x, Math.sqrt(one.own))).length / some.length;
      return `${name} ${fit.toFixed(3)} (${(fit / better).toFixed(2)}, ${Math.round(100 * held)} %)`;
    });
    console.log(`${study.padEnd(36)} ${cells.filter((cell) => cell !== "").join("   ")}`);
  }
}

const studies = [...values.table.map(readStudy), committedSweeps()];
const prepared = [...studies.flatMap(casesOf), ...simulatedCases(4)].flatMap((one) => prepare(one) ?? []);
const keys = new Map<string, string[]>();
for (const { study, key } of prepared) {
  const list = keys.get(study) ?? [];
  if (!list.includes(key)) list.push(key);
  keys.set(study, list);
}
console.error(`${prepared.length} sweeps with batch sizes left out`);
const alike = (x: readonly number[]) => prepared.map((one) => ({ one, x }));
print("With the probabilities in use", alike(inUse));
print("With those that the search begins with", alike(begin));
const quarter = ({ study, key }: Prepared) => keys.get(study)!.indexOf(key) % 4;
const byQuarters = [0, 1, 2, 3].flatMap((fold) => {
  const x = train(prepared.filter((one) => quarter(one) !== fold));
  return prepared.filter((one) => quarter(one) === fold).map((one) => ({ one, x }));
});
print(
  "A quarter of the groups of each study left out, in turn: root mean square error (over the better baseline's, intervals that hold)",
  byQuarters,
);
print(
  "Each study left out, in turn",
  studies.flatMap(({ name }) => {
    const x = train(prepared.filter(({ study }) => study !== name));
    return prepared.filter(({ study }) => study === name).map((one) => ({ one, x }));
  }),
);
const found = train(prepared);
print("With those measured on all", alike(found));
const { laws: final, deviation, scatter } = probabilitiesOf(found);
console.log(
  `\nMeasured on all\n\n${JSON.stringify({ ...final, deviation, scatter }, (_, value) =>
    typeof value === "number" ? Number(value.toPrecision(2)) : value,
  )}`,
);

// Measures the probabilities of laws and deviations (`measuredProbabilities`, `measuredDeviations`): those with which batch sizes left out
// of the studies are predicted best, in log density and squared error, each study and kind of extrapolation counting alike. What they are
// worth is shown on groups that took no part: a quarter of each study's at a time, and each study as a whole: error, and how many optima
// 90 % intervals hold, their own error (of seeds drawn anew, else of the parabola) allowed for as one more variance.
//
// npm run bench -- --part fit-prior --table "runs.csv|N,D|lr|bs|loss" [--table …]
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { readSweep, type SweepRow } from "../../src/scaling/index.ts";
import {
  deviations,
  type LawPart,
  lawParts,
  measuredDeviations,
  scatters,
} from "../../src/scaling/law/lawPosterior.ts";
import {
  type LawProbabilities,
  type LawShape,
  lawLogPriors,
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
    steps: { type: "string", default: "15" },
  },
});

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

/** A number that is measured: where it is in the probabilities, and how it's written so that any real number is allowed. */
interface Knob {
  readonly name: string;
  readonly start: number;
  readonly scale: "share" | "positive" | "real";
}
const laws = measuredProbabilities;
const knobs: readonly Knob[] = [
  { name: "theory", start: laws.theory, scale: "share" },
  { name: "turn, vague", start: laws.turn.vague, scale: "share" },
  { name: "turn, clear", start: laws.turn.clear, scale: "share" },
  { name: "√B", start: laws.squareRoot, scale: "share" },
  { name: "exponent", start: laws.exponent.mean, scale: "real" },
  { name: "exponent ±", start: laws.exponent.deviation, scale: "positive" },
  { name: "rise", start: laws.rise.mean, scale: "real" },
  { name: "rise ±", start: laws.rise.deviation, scale: "positive" },
  { name: "fall", start: laws.fall.mean, scale: "real" },
  { name: "fall ±", start: laws.fall.deviation, scale: "positive" },
  { name: "at best, vague", start: laws.atBest.vague, scale: "share" },
  { name: "at best, clear", start: laws.atBest.clear, scale: "share" },
  { name: "beyond", start: laws.beyond, scale: "positive" },
  ...deviations.map(([deviation, length], i) => ({
    name: `deviation ${deviation} over ${length}`,
    start: measuredDeviations.deviation[i]!,
    scale: "positive" as const,
  })),
  ...scatters.map((scatter, i) => ({
    name: `scatter ${scatter}`,
    start: measuredDeviations.scatter[i]!,
    scale: "positive" as const,
  })),
];
const written = ({ start, scale }: Knob) =>
  scale === "share" ? Math.log(start / (1 - start)) : scale === "positive" ? Math.log(start) : 5 * start;
const read = (knob: Knob, x: number) =>
  knob.scale === "share" ? 1 / (1 + Math.exp(-x)) : knob.scale === "positive" ? Math.exp(x) : x / 5;
const begin = knobs.map(written);

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
  const ofLaws = value.length - deviations.length - scatters.length;
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
    deviation: shares(value.slice(ofLaws, ofLaws + deviations.length)),
    scatter: shares(value.slice(ofLaws + deviations.length)),
  };
}

/** A case with the parts of the mixture that any probabilities may give a share. */
interface Prepared extends Case {
  readonly shapes: readonly LawShape[];
  readonly parts: readonly LawPart[];
  readonly best: LossMinimum | null;
  readonly last: number;
  /** Weight of each target, the square that errors are measured in, and the variance of the measured optimum itself. */
  readonly weights: number[];
  readonly unit: number[];
  readonly own: readonly number[];
}

/** Parts whose likelihood is this much (as a logarithm) below the largest stay out. */
const hopeless = 14;

function prepare(one: Case): Prepared | null {
  const groups = groupRuns(runsOf(one.kept), []);
  const { optima, curves, placed, bounds } = findOptima(groups, 0.9);
  if (placed.length === 0) return null;
  const best = lossMinimum(optima);
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
  const parts = lawParts(likely, measured, bounds, curves.commonError, us);
  const most = parts.reduce((a, { logLikelihood }) => Math.max(a, logLikelihood), Number.NEGATIVE_INFINITY);
  return {
    ...one,
    shapes,
    parts: parts.filter(({ logLikelihood }) => logLikelihood > most - hopeless),
    best,
    last,
    weights: [],
    unit: [],
    own: one.targets.map(({ error, seedError }) => (seedError ?? error) ** 2),
  };
}

/** Weights of a case's parts. */
function weigh({ shapes, parts, best, last }: Prepared, x: readonly number[]): number[] {
  const { laws, deviation, scatter } = probabilitiesOf(x);
  const prior = lawLogPriors(shapes, last, best, laws);
  const kernel = scatter.flatMap((s) => deviation.map((d) => Math.log(s * d)));
  const logs = parts.map((part) => part.logLikelihood + prior[part.shape]! + kernel[part.kernel]!);
  const most = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = logs.map((value) => Math.exp(value - most));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

/** A share of spoiled optima keeps one of them from deciding. */
const spoiled = 0.03;
const spoiledDensity = 0.25;

/** −log density and squared error of the targets. */
function objective(cases: readonly Prepared[], x: readonly number[]): number {
  let loss = 0;
  for (const one of cases) {
    const weights = weigh(one, x);
    one.targets.forEach((target, t) => {
      let [density, mean] = [0, 0];
      one.parts.forEach((part, i) => {
        const variance = part.variance[t]! + one.own[t]!;
        density +=
          (weights[i]! * Math.exp((-0.5 * (part.mean[t]! - target.x) ** 2) / variance)) /
          Math.sqrt(2 * Math.PI * variance);
        mean += weights[i]! * part.mean[t]!;
      });
      const square = Math.min(4, (mean - target.x) ** 2 / one.unit[t]!);
      loss += one.weights[t]! * (square - Math.log((1 - spoiled) * density + spoiled * spoiledDensity));
    });
  }
  return loss;
}

/** How strongly numbers are drawn to where they began. */
const pull = 0.03;

/** Adam on finite differences. */
function train(cases: readonly Prepared[], steps: number): readonly number[] {
  // Every study and kind of extrapolation counts alike, simulated ones less.
  const cells = Map.groupBy(
    cases.flatMap((one) => one.targets.map((target) => ({ study: one.study, target }))),
    ({ study, target }) => `${study} ${target.kind}`,
  );
  for (const one of cases) {
    one.targets.forEach((target, t) => {
      const cell = cells.get(`${one.study} ${target.kind}`)!;
      const mean = (value: (one: (typeof cell)[number]) => number) =>
        cell.reduce((sum, entry) => sum + value(entry) ** 2, 0) / cell.length;
      one.weights[t] = (one.study.startsWith("simulated") ? 0.1 : 1) / cell.length;
      one.unit[t] = Math.max(
        0.01,
        Math.min(
          mean((entry) => entry.target.keep),
          mean((entry) => entry.target.root),
        ),
      );
    });
  }
  const value = (x: readonly number[]) =>
    objective(cases, x) + pull * x.reduce((sum, one, i) => sum + (one - begin[i]!) ** 2, 0);
  const x = [...begin];
  const [first, second] = [begin.map(() => 0), begin.map(() => 0)];
  for (let step = 1; step <= steps; step++) {
    const here = value(x);
    const gradient = x.map((one, i) => (value(x.with(i, one + 0.05)) - here) / 0.05);
    gradient.forEach((g, i) => {
      first[i] = 0.7 * first[i]! + 0.3 * g;
      second[i] = 0.9 * second[i]! + 0.1 * g * g;
      x[i]! -= (0.15 * (first[i]! / (1 - 0.7 ** step))) / (Math.sqrt(second[i]! / (1 - 0.9 ** step)) + 1e-3);
    });
  }
  return x;
}

const rms = (list: readonly number[]) => Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);

/** Errors of each study's targets, with probabilities that didn't see them. */
function print(title: string, scored: readonly { one: Prepared; x: readonly number[] }[]): void {
  console.log(`\n${title}\n`);
  for (const study of new Set(scored.map(({ one }) => one.study))) {
    const cells = kinds.map((name, kind) => {
      const some = scored
        .filter(({ one }) => one.study === study)
        .flatMap(({ one, x }) => {
          const weights = weigh(one, x);
          return one.targets.flatMap((target, t) => {
            if (target.kind !== kind) return [];
            const shares = one.parts.map((part, i) => ({
              weight: weights[i]!,
              mean: part.mean[t]!,
              variance: part.variance[t]!,
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

const steps = Number(values.steps);
const studies = [...values.table.map(readStudy), committedSweeps()];
const prepared = [...studies.flatMap(casesOf), ...simulatedCases(4)].flatMap((one) => prepare(one) ?? []);
const keys = new Map<string, string[]>();
for (const { study, key } of prepared) {
  const list = keys.get(study) ?? [];
  if (!list.includes(key)) list.push(key);
  keys.set(study, list);
}
print(
  "With the probabilities in use",
  prepared.map((one) => ({ one, x: begin })),
);
const quarter = ({ study, key }: Prepared) => keys.get(study)!.indexOf(key) % 4;
print(
  "A quarter of the groups of each study left out, in turn: root mean square error (over the better baseline's, intervals that hold)",
  [0, 1, 2, 3].flatMap((fold) => {
    const x = train(
      prepared.filter((one) => quarter(one) !== fold),
      steps,
    );
    return prepared.filter((one) => quarter(one) === fold).map((one) => ({ one, x }));
  }),
);
print(
  "Each study left out, in turn",
  studies.flatMap(({ name }) => {
    const x = train(
      prepared.filter(({ study }) => study !== name),
      steps,
    );
    return prepared.filter(({ study }) => study === name).map((one) => ({ one, x }));
  }),
);
const { laws: final, deviation, scatter } = probabilitiesOf(train(prepared, steps));
console.log(
  `\nMeasured on all\n\n${JSON.stringify({ ...final, deviation, scatter }, (_, value) =>
    typeof value === "number" ? Number(value.toPrecision(2)) : value,
  )}`,
);

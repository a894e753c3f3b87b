import type { LawName } from "../lawFamilies.ts";
import { logTurn, softplus } from "./logTurn.ts";
import type { LossMinimum } from "./lossOverBatches.ts";

/** A law of the batch size up to its scale. */
export interface LawShape {
  readonly law: LawName;
  /** Logarithm of the shape at `u = log B`. */
  logShape(u: number): number;
  readonly criticalBatchSize: number | null;
  /** Where η* peaks; infinite if it doesn't. */
  readonly peakBatchSize: number;
  /** What its probability is made of. */
  readonly choice: LawChoice;
}

/** A law with its probability before the optima are seen. */
export interface LikelyShape extends LawShape {
  readonly logPrior: number;
}

/**
 * Parameters of a law as its probability takes them, by their places in their grids: a power's exponent, a turn's place (at log B = `turn`), rise and
 * fall; a law of theory.
 */
export type LawChoice =
  | { readonly family: "power"; readonly exponent: number }
  | {
      readonly family: "turn";
      readonly place: number;
      readonly turn: number;
      readonly rise: number;
      readonly fall: number;
    }
  | { readonly family: "theory"; readonly share: number };

/** A normal distribution. */
export interface Bell {
  readonly mean: number;
  readonly deviation: number;
}

/** How likely laws are. */
export interface LawProbabilities {
  /** Of the laws of theory together. */
  readonly theory: number;
  /** That the learning rate turns, if it's none of theirs, where losses don't place the best batch size (vague) and where they do (clear): see `LossMinimum.clarity`. */
  readonly turn: { readonly vague: number; readonly clear: number };
  /** That a power (what is left) is about √B. */
  readonly squareRoot: number;
  /** The exponent of other powers. */
  readonly exponent: Bell;
  /** Exponent before the turn, and by how much log η* falls after it. */
  readonly rise: Bell;
  readonly fall: Bell;
  /** That a turn lies where the losses are least, rather than anywhere; vague and clear as above. */
  readonly atBest: { readonly vague: number; readonly clear: number };
  /** Within so many e-folds beyond the sweep a turn is expected. */
  readonly beyond: number;
}

/** Grids of the laws' parameters. */
const range = (low: number, high: number, step: number) => {
  const count = Math.max(1, Math.round((high - low) / step));
  return Array.from({ length: count + 1 }, (_, i) => low + ((high - low) * i) / count);
};
const exponents = range(-0.2, 1.2, 0.05);
const rises = [0.6, 0.75, 0.9, 1.05];
const falls = [-0.2, 0, 0.2, 0.4];

/**
 * Found by `npm run bench -- --part fit-prior` on the groups of Step Law, two tables of perceptrons, the eight sweeps of
 * experiments/batch-size and simulated ones; to two digits.
 */
export const measuredProbabilities: LawProbabilities = {
  theory: 0.13,
  turn: { vague: 0.22, clear: 0.47 },
  squareRoot: 0.41,
  exponent: { mean: 0.39, deviation: 0.078 },
  rise: { mean: 0.89, deviation: 0.072 },
  fall: { mean: 0.36, deviation: 0.087 },
  atBest: { vague: 0.51, clear: 0.71 },
  beyond: 0.18,
};

/** How near to ½ a power is about √B. */
const squareRootWidth = 0.05;
/** Share of powers whose exponent may be anything. */
const anyExponent = 0.01;
const none = Number.POSITIVE_INFINITY;

/** A fall up to this isn't called a surge. */
const smallFall = 0.25;

/** Name of a power with an exponent that has a name of its own. */
const powerName = (p: number): LawName =>
  Math.abs(p) < 1e-9
    ? "constant"
    : Math.abs(p - 0.5) < 1e-9
      ? "square-root"
      : Math.abs(p - 1) < 1e-9
        ? "linear"
        : "power";

/**
 * Laws that a sweep is read with, on a grid of their parameters.
 *
 * @param extent - logarithms of the smallest and largest batch size swept
 */
export function lawShapes([first, last]: readonly [number, number]): LawShape[] {
  const powers = exponents.map(
    (p, exponent): LawShape => ({
      law: powerName(p),
      logShape: (u) => p * u,
      criticalBatchSize: Math.abs(p) < 1e-9 ? 0 : none,
      peakBatchSize: none,
      choice: { family: "power", exponent },
    }),
  );
  // Steps from the largest batch size, so that a turn right there is among them.
  const inside = Math.ceil((last - first + 1.5) / 0.25);
  const places = Array.from({ length: inside + 7 }, (_, i) => last + (i - inside) * 0.25);
  const turns = places.flatMap((turn, place) =>
    rises.flatMap((rise, i) =>
      falls.map(
        (fall, j): LawShape => ({
          law: "turn",
          logShape: (u) => logTurn(u, turn, rise, fall),
          criticalBatchSize: Math.exp(turn),
          peakBatchSize: fall > smallFall ? Math.exp(turn) : none,
          choice: { family: "turn", place, turn, rise: i, fall: j },
        }),
      ),
    ),
  );
  const noises = range(first - 4, last + 4, 0.25);
  const share = (part: number) => ({ family: "theory", share: part / noises.length }) as const;
  const ofTheory = noises.flatMap((noise): LawShape[] => {
    const B = Math.exp(noise);
    return [
      {
        law: "sgd",
        logShape: (u) => -softplus(noise - u),
        criticalBatchSize: B,
        peakBatchSize: none,
        choice: share(1 / 3),
      },
      ...[0.5, 0.75].map(
        (exponent): LawShape => ({
          law: "saturating-power",
          logShape: (u) => -exponent * softplus(noise - u),
          criticalBatchSize: B,
          peakBatchSize: none,
          choice: share(1 / 6),
        }),
      ),
      ...[1.5, 4, 12, 40].map(
        (curvature): LawShape => ({
          law: "sign",
          logShape: (u) => 0.5 * softplus(noise - u) - Math.log(Math.exp(noise - u) + curvature),
          criticalBatchSize: B / curvature,
          peakBatchSize: curvature > 2 ? B / (curvature - 2) : none,
          choice: share(1 / 12),
        }),
      ),
    ];
  });
  return [...powers, ...turns, ...ofTheory];
}

/** Probabilities of points of a grid by a normal distribution. */
function onGrid(grid: readonly number[], { mean, deviation }: Bell): number[] {
  const heights = grid.map((x) => Math.exp(-0.5 * ((x - mean) / deviation) ** 2) + 1e-9);
  const sum = heights.reduce((a, b) => a + b, 0);
  return heights.map((height) => height / sum);
}

/**
 * Probabilities of `lawShapes`, which sum to 1. Language models with one token budget (Step Law) rise faster than √B and turn
 * about where the loss is least; perceptrons on tables follow √B throughout. Which of the two a sweep is like, its losses say.
 *
 * @param last - logarithm of the largest batch size swept
 */
export function lawPriors(
  shapes: readonly LawShape[],
  last: number,
  best: LossMinimum | null,
  { theory, turn, squareRoot, exponent, rise, fall, atBest, beyond }: LawProbabilities,
): Float64Array {
  const clarity = best?.clarity ?? 0;
  const mix = ({ vague, clear }: { vague: number; clear: number }) => vague * (1 - clarity) + clear * clarity;
  const turning = (1 - theory) * mix(turn);
  const there = mix(atBest);
  const powers = 1 - theory - turning;
  const nearRoot = onGrid(exponents, { mean: 0.5, deviation: squareRootWidth });
  const other = onGrid(exponents, exponent);
  const ofPower = exponents.map(
    (_, i) =>
      (1 - anyExponent) * (squareRoot * nearRoot[i]! + (1 - squareRoot) * other[i]!) +
      anyExponent / exponents.length,
  );
  const [ofRise, ofFall] = [onGrid(rises, rise), onGrid(falls, fall)];
  const places: number[] = [];
  for (const { choice } of shapes) if (choice.family === "turn") places[choice.place] = choice.turn;
  const hazard = places.map((t) => (t > last ? Math.exp(-(t - last) / beyond) : 1));
  const near = places.map((t, i) =>
    best === null
      ? hazard[i]!
      : hazard[i]! * Math.exp(-0.5 * ((t - best.x) / best.error) ** 2) + 1e-12 * hazard[i]!,
  );
  const [anywhere, nearest] = [hazard, near].map((list) => list.reduce((a, b) => a + b, 0)) as [
    number,
    number,
  ];
  const ofPlace = places.map((_, i) => (there * near[i]!) / nearest + ((1 - there) * hazard[i]!) / anywhere);
  return Float64Array.from(shapes, ({ choice }) =>
    choice.family === "power"
      ? powers * ofPower[choice.exponent]!
      : choice.family === "theory"
        ? theory * choice.share
        : turning * ofPlace[choice.place]! * ofRise[choice.rise]! * ofFall[choice.fall]!,
  );
}

/**
 * Laws with their probabilities before the optima are seen: `lawShapes` and `lawPriors`.
 *
 * @param extent - logarithms of the smallest and largest batch size swept
 */
export function lawPrior(
  extent: readonly [number, number],
  best: LossMinimum | null,
  probabilities: LawProbabilities = measuredProbabilities,
): LikelyShape[] {
  const shapes = lawShapes(extent);
  const priors = lawPriors(shapes, extent[1], best, probabilities);
  return shapes.map((shape, i) => ({ ...shape, logPrior: Math.log(priors[i]!) }));
}

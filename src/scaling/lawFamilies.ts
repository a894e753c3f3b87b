import { logTurn } from "./law/logTurn.ts";

/** Where an optimum was measured, or is asked for. */
export interface Place {
  readonly batchSize: number;
  /** Adam's ε; only the softsign law looks at it. */
  readonly epsilon: number;
}

/** Extent of the measured places, from which search ranges are taken. */
export interface Extent {
  readonly batchSize: readonly [smallest: number, largest: number];
  /** Positive values only. */
  readonly epsilon: readonly [smallest: number, largest: number];
}

/** What a law says about a shape: batch sizes are infinite where they don't exist. */
export interface LawFeatures {
  /** Where training takes twice the least steps and twice the least samples; null if the law has no such notion. */
  readonly criticalBatchSize: number | null;
  /** Where η* peaks. */
  readonly peakBatchSize: number;
}

/** A law `η*(B) = scale · shape(B)` with zero to three parameters of shape. */
export interface LawFamily {
  readonly name: LawName;
  /** As a formula. */
  readonly formula: string;
  /** Whose it is, or what it stands for, for the table of the documentation. */
  readonly says: string;
  /**
   * What it is compared on: `"optima"`, those of a sweep at one ε; `"runs"`, such optima where their runs are at hand; `"epsilon"`, optima
   * at several ε; `"named"`, nothing, unless it is asked for by name with `fitLaw`.
   */
  readonly comparedOn: "optima" | "runs" | "epsilon" | "named";
  /** Names of the shape's parameters, in the order of the search. */
  readonly parameters: readonly string[];
  /** Search range of each parameter's coordinate (often its logarithm) and the number of grid points. */
  range(extent: Extent): readonly (readonly [low: number, high: number, points: number])[];
  /** Logarithm of the shape. */
  logShape(place: Place, coordinates: readonly number[]): number;
  /** Coordinates as numbers that mean something. */
  values(coordinates: readonly number[]): readonly number[];
  features(coordinates: readonly number[], epsilon: number): LawFeatures;
}

export type LawName =
  | "constant"
  | "linear"
  | "square-root"
  | "power"
  | "sgd"
  | "saturating-power"
  | "turn"
  | "sign"
  | "softsign"
  | "adam"
  | "muon";

const none = Number.POSITIVE_INFINITY;
/** Noise scales are searched from a thousandth of the smallest batch to a thousand times the largest. */
const beyond = Math.log(1000);

const batchRange = ({ batchSize: [low, high] }: Extent, points: number) =>
  [Math.log(low) - beyond, Math.log(high) + beyond, points] as const;

/** `1 + O/D = sᵀHs / tr H` of the sign law: 1 is a diagonal H, more than 2 gives a surge. */
const curvatureRange = [Math.log(0.05), Math.log(1000), 17] as const;

function powerFamily(name: LawName, formula: string, says: string, exponent: number): LawFamily {
  return {
    name,
    formula,
    says,
    comparedOn: "optima",
    parameters: [],
    range: () => [],
    logShape: ({ batchSize }) => exponent * Math.log(batchSize),
    values: () => [],
    features: () => ({ criticalBatchSize: exponent === 0 ? 0 : none, peakBatchSize: none }),
  };
}

const constantFamily = powerFamily(
  "constant",
  "η* = c",
  "learning rate and batch size have nothing to do with each other",
  0,
);
const squareRootFamily = powerFamily(
  "square-root",
  "η* = c·√B",
  "the rule of sign-like updates at small batches",
  0.5,
);
const linearFamily = powerFamily("linear", "η* = c·B", "the rule of SGD at small batches", 1);

const powerLaw: LawFamily = {
  name: "power",
  says: "any power, as published fits have it",
  comparedOn: "optima",
  formula: "η* = c·B^p",
  parameters: ["p"],
  range: () => [[0, 1.5, 31]],
  logShape: ({ batchSize }, [p]) => p! * Math.log(batchSize),
  values: ([p]) => [p!],
  features: () => ({ criticalBatchSize: none, peakBatchSize: none }),
};

const sgdFamily: LawFamily = {
  name: "sgd",
  says: "SGD on a quadratic loss; McCandlish et al., arXiv 1812.06162",
  comparedOn: "optima",
  formula: "η* = η_max/(1 + B_noise/B)",
  parameters: ["B_noise"],
  range: (extent) => [batchRange(extent, 41)],
  logShape: ({ batchSize }, [noise]) => -Math.log1p(Math.exp(noise!) / batchSize),
  values: ([noise]) => [Math.exp(noise!)],
  features: ([noise]) => ({ criticalBatchSize: Math.exp(noise!), peakBatchSize: none }),
};

const saturatingPowerFamily: LawFamily = {
  name: "saturating-power",
  says: "between the laws of SGD and of sign updates",
  comparedOn: "optima",
  formula: "η* = η_max/(1 + B_noise/B)^α, ½ ≤ α ≤ 1",
  parameters: ["B_noise", "α"],
  range: (extent) => [batchRange(extent, 41), [0.5, 1, 6]],
  logShape: ({ batchSize }, [noise, exponent]) => -exponent! * Math.log1p(Math.exp(noise!) / batchSize),
  values: ([noise, exponent]) => [Math.exp(noise!), exponent!],
  features: ([noise]) => ({ criticalBatchSize: Math.exp(noise!), peakBatchSize: none }),
};

const signFamily: LawFamily = {
  name: "sign",
  says: "sign updates (Adam without ε), with a surge; Li et al., arXiv 2405.14578",
  comparedOn: "optima",
  formula: "η* = η_max/(½(β_noise/β + β/β_noise)), β² = 1/(1 + πκ²/2B)",
  parameters: ["κ²", "sᵀHs/tr H"],
  range: (extent) => [batchRange(extent, 41), curvatureRange],
  // β/(1 + β²·O/D) with N = πκ²/2B is √(1 + N)/(N + 1 + O/D).
  logShape: ({ batchSize }, [noise, curvature]) => {
    const N = Math.exp(noise!) / batchSize;
    return 0.5 * Math.log1p(N) - Math.log(N + Math.exp(curvature!));
  },
  values: ([noise, curvature]) => [(2 / Math.PI) * Math.exp(noise!), Math.exp(curvature!)],
  features: ([noise, curvature]) => {
    const c = Math.exp(curvature!);
    return {
      criticalBatchSize: Math.exp(noise!) / c,
      peakBatchSize: c > 2 ? Math.exp(noise!) / (c - 2) : none,
    };
  },
};

/** The sign law's shape with parameters that mean something else; in comparisons it would count twice. */
function meanFieldFamily(
  name: LawName,
  formula: string,
  says: string,
  parameters: readonly [string, string],
): LawFamily {
  return {
    ...signFamily,
    name,
    formula,
    says,
    comparedOn: "named",
    parameters,
    values: ([noise, curvature]) => [Math.exp(noise!), Math.exp(curvature!)],
  };
}

const adamFamily = meanFieldFamily(
  "adam",
  "η* = c·β/(β²Q + (1 − β²)rD), β² = 1/(1 + κ²/B), r = (1 − β₁)/(1 + β₁)",
  "one step of Adam, whose momentum averages the noise; over a run r is 1",
  ["κ²", "Q/rD"],
);
const muonFamily = meanFieldFamily(
  "muon",
  "η* = c·β/(β²Q + (1 − β²)D), β² = 1/(1 + κ²/B), κ² = nσ²/s²",
  "msign of matrices: noise per direction, not per element; see `muonLaw`",
  ["κ²", "Q/D"],
);

/** The law that rises as a power, turns and falls to a level: what a fixed token budget does, as larger batches leave fewer steps. */
export const turnFamily: LawFamily = {
  name: "turn",
  says: "a fixed token budget: larger batches leave fewer steps",
  comparedOn: "runs",
  formula: "η* = c·(B/B_turn)^p up to B_turn, then down to c·e^(−fall)",
  parameters: ["B_turn", "p", "fall"],
  range: ({ batchSize: [low, high] }) => [
    [Math.log(low), Math.log(high), 21],
    [0.4, 1.2, 5],
    [0, 0.8, 5],
  ],
  logShape: ({ batchSize }, [turn, rise, fall]) => logTurn(Math.log(batchSize), turn!, rise!, fall!),
  values: ([turn, rise, fall]) => [Math.exp(turn!), rise!, fall!],
  features: ([turn, , fall]) => ({
    criticalBatchSize: Math.exp(turn!),
    peakBatchSize: fall! > 0 ? Math.exp(turn!) : none,
  }),
};

/** The law of Adam with ε, `η* = c·√(1 + (ε/g)² + N)/(N + Q)` with `N = πσ²/(2Bg²)`: the mean field of one g and σ. */
export const softsignFamily: LawFamily = {
  name: "softsign",
  says: "Adam with ε, in mean field",
  comparedOn: "epsilon",
  formula: "η* = c·√(1 + (ε/g)² + N)/(N + Q), N = πσ²/2Bg²",
  parameters: ["(σ/g)²", "sᵀHs/tr H", "g"],
  range: (extent) => [
    [batchRange(extent, 0)[0], batchRange(extent, 0)[1], 21],
    [curvatureRange[0], curvatureRange[1], 9],
    [Math.log(extent.epsilon[0] / 30), Math.log(extent.epsilon[1] * 30), 21],
  ],
  logShape: ({ batchSize, epsilon }, [noise, curvature, gradient]) => {
    const N = Math.exp(noise!) / batchSize;
    const ratio = epsilon / Math.exp(gradient!);
    return 0.5 * Math.log1p(ratio * ratio + N) - Math.log(N + Math.exp(curvature!));
  },
  values: ([noise, curvature, gradient]) => [
    (2 / Math.PI) * Math.exp(noise!),
    Math.exp(curvature!),
    Math.exp(gradient!),
  ],
  // The peak is at N = Q − 2(1 + (ε/g)²).
  features: ([noise, curvature, gradient], epsilon) => {
    const Q = Math.exp(curvature!);
    const rest = Q - 2 * (1 + (epsilon / Math.exp(gradient!)) ** 2);
    return {
      criticalBatchSize: Math.exp(noise!) / Q,
      peakBatchSize: rest > 0 ? Math.exp(noise!) / rest : none,
    };
  },
};

/** Every law by its name. */
export const lawsByName: Readonly<Record<LawName, LawFamily>> = {
  constant: constantFamily,
  "square-root": squareRootFamily,
  linear: linearFamily,
  power: powerLaw,
  sgd: sgdFamily,
  "saturating-power": saturatingPowerFamily,
  sign: signFamily,
  turn: turnFamily,
  softsign: softsignFamily,
  adam: adamFamily,
  muon: muonFamily,
};

const comparedOn = (what: LawFamily["comparedOn"]) =>
  Object.values(lawsByName).filter((family) => family.comparedOn === what);

/** The laws that the optima of a sweep are compared with. */
export const lawFamilies: readonly LawFamily[] = comparedOn("optima");

/** Those that its runs are needed for. */
export const runLawFamilies: readonly LawFamily[] = comparedOn("runs");

/** Those of several ε. */
export const epsilonLawFamilies: readonly LawFamily[] = comparedOn("epsilon");

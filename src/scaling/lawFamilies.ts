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
  | "sign"
  | "softsign";

const none = Number.POSITIVE_INFINITY;
/** Noise scales are searched from a thousandth of the smallest batch to a thousand times the largest. */
const beyond = Math.log(1000);

const batchRange = ({ batchSize: [low, high] }: Extent, points: number) =>
  [Math.log(low) - beyond, Math.log(high) + beyond, points] as const;

/** `1 + O/D = sᵀHs / tr H` of the sign law: 1 is a diagonal H, more than 2 gives a surge. */
const curvatureRange = [Math.log(0.05), Math.log(1000), 17] as const;

function powerFamily(name: LawName, formula: string, exponent: number): LawFamily {
  return {
    name,
    formula,
    parameters: [],
    range: () => [],
    logShape: ({ batchSize }) => exponent * Math.log(batchSize),
    values: () => [],
    features: () => ({ criticalBatchSize: exponent === 0 ? 0 : none, peakBatchSize: none }),
  };
}

/** The laws that a sweep is compared with. */
export const lawFamilies: readonly LawFamily[] = [
  powerFamily("constant", "η* = c", 0),
  powerFamily("square-root", "η* = c·√B", 0.5),
  powerFamily("linear", "η* = c·B", 1),
  {
    name: "power",
    formula: "η* = c·B^p",
    parameters: ["p"],
    range: () => [[0, 1.5, 31]],
    logShape: ({ batchSize }, [p]) => p! * Math.log(batchSize),
    values: ([p]) => [p!],
    features: () => ({ criticalBatchSize: none, peakBatchSize: none }),
  },
  {
    name: "sgd",
    formula: "η* = η_max/(1 + B_noise/B)",
    parameters: ["B_noise"],
    range: (extent) => [batchRange(extent, 41)],
    logShape: ({ batchSize }, [noise]) => -Math.log1p(Math.exp(noise!) / batchSize),
    values: ([noise]) => [Math.exp(noise!)],
    features: ([noise]) => ({ criticalBatchSize: Math.exp(noise!), peakBatchSize: none }),
  },
  {
    name: "saturating-power",
    formula: "η* = η_max/(1 + B_noise/B)^α, ½ ≤ α ≤ 1",
    parameters: ["B_noise", "α"],
    range: (extent) => [batchRange(extent, 41), [0.5, 1, 6]],
    logShape: ({ batchSize }, [noise, exponent]) => -exponent! * Math.log1p(Math.exp(noise!) / batchSize),
    values: ([noise, exponent]) => [Math.exp(noise!), exponent!],
    features: ([noise]) => ({ criticalBatchSize: Math.exp(noise!), peakBatchSize: none }),
  },
  {
    name: "sign",
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
  },
];

/** The law of Adam with ε, `η* = c·√(1 + (ε/g)² + N)/(N + Q)` with `N = πσ²/(2Bg²)`: the mean field of one g and σ. */
export const softsignFamily: LawFamily = {
  name: "softsign",
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

import { ConfigError } from "../errors.ts";

/** `(a, b, c)` of one Newton–Schulz step `X ← aX + b(XXᵀ)X + c(XXᵀ)²X`. */
export type Coefficients = readonly [a: number, b: number, c: number];

/** Coefficients of consecutive steps; the last triple repeats for further steps. */
export interface CoefficientTable {
  readonly steps: readonly Coefficients[];
  /** X₀ = M/(safety·‖M‖_F): above 1 for tables that need singular values strictly below 1. */
  readonly safety: number;
  readonly source: string;
}

const taylor: Coefficients = [15 / 8, -5 / 4, 3 / 8];

/**
 * Named tables, with where their numbers come from. `rotor-3`, `rotor-4` and `rotor-5` are for as many steps; further ones are
 * Taylor's, as their own last triple is too large to repeat.
 */
export const coefficientTables = {
  taylor: {
    steps: [taylor],
    safety: 1,
    source: "second-order Taylor expansion of (1 − t)^(−1/2); Su-10592",
  },
  "keller-jordan": {
    steps: [[3.4445, -4.775, 2.0315]],
    safety: 1,
    source: "Keller Jordan et al., Muon, 2024; torch.optim.Muon",
  },
  "quintic-5": {
    steps: [
      [4.0848, -6.8946, 2.927],
      [3.9505, -6.3029, 2.6377],
      [3.7418, -5.5913, 2.3037],
      [2.8769, -3.1427, 1.2046],
      [2.8366, -3.0525, 1.2012],
    ],
    safety: 1,
    source: "five different triples, as in NVIDIA Emerging-Optimizers (quintic) and microsoft/dion",
  },
  "polar-express": {
    steps: [
      [8.15655, -22.48329, 15.87877],
      [4.04293, -2.80892, 0.50002],
      [3.89167, -2.77248, 0.50606],
      [3.28575, -2.36813, 0.46449],
      [2.34654, -1.70978, 0.42324],
    ],
    safety: 1.02,
    source: "Amsel et al., The Polar Express, arXiv 2505.16932: 5 iterations, safety 2e-2, cushion 2",
  },
  "rotor-3": {
    steps: [[4.7209, -13.50134, 9.78139], [3.89851, -8.34955, 4.73161], [3.83371, -6.51299, 3.56853], taylor],
    safety: 1,
    source:
      "scripts/findCoefficientTables.ts: least mean square over Gaussian and log-uniform singular values",
  },
  "rotor-4": {
    steps: [
      [5.36256, -15.50357, 11.25991],
      [4.15789, -7.35318, 3.31892],
      [3.7944, -6.12344, 2.71154],
      [2.98485, -3.48266, 1.40138],
      taylor,
    ],
    safety: 1,
    source: "scripts/findCoefficientTables.ts, as rotor-3",
  },
  "rotor-5": {
    steps: [
      [8.40021, -24.27425, 17.62848],
      [4.03026, -2.9554, 0.54621],
      [3.75523, -2.87032, 0.56797],
      [2.96844, -2.34464, 0.53417],
      [2.15905, -1.61922, 0.46759],
      taylor,
    ],
    safety: 1,
    source: "scripts/findCoefficientTables.ts, as rotor-3",
  },
} as const satisfies Record<string, CoefficientTable>;

export type CoefficientTableName = keyof typeof coefficientTables;

/** A named table, one's own table, or one's own triples (with safety 1). */
export type CoefficientChoice = CoefficientTableName | CoefficientTable | readonly Coefficients[];

/**
 * @throws ConfigError if the name is unknown, the list of triples is empty or holds something else, or safety isn't positive
 *
 * @example
 * ```ts
 * coefficientTable("keller-jordan").steps; // => [[3.4445, -4.775, 2.0315]]
 * coefficientTable([[2, -1.5, 0.5]]).safety; // => 1
 * ```
 */
export function coefficientTable(choice: CoefficientChoice): CoefficientTable {
  if (typeof choice === "string") {
    const table: CoefficientTable | undefined = coefficientTables[choice];
    if (table === undefined) {
      const names = Object.keys(coefficientTables).join('", "');
      throw new ConfigError(`Newton–Schulz coefficients "${choice}": expected one of "${names}", or triples`);
    }
    return table;
  }
  const table = "steps" in choice ? choice : { steps: choice, safety: 1, source: "given" };
  const isTriple = (triple: Coefficients) => triple.length === 3 && triple.every(Number.isFinite);
  if (table.steps.length === 0 || !table.steps.every(isTriple)) {
    throw new ConfigError(
      `Newton–Schulz coefficients ${JSON.stringify(table.steps)}: expected a list of triples of numbers`,
    );
  }
  if (!(table.safety > 0 && Number.isFinite(table.safety))) {
    throw new ConfigError(`Newton–Schulz safety ${table.safety}: expected a positive number`);
  }
  return table;
}

import type { ExperimentSize } from "../experiment.ts";

export interface Plan {
  /** Sizes of the published rows are divided by this. */
  readonly shrink: number;
  /** Rows with a larger smaller side are left out. */
  readonly maxSide: number;
  /** Matrices to search on, by the smaller side. */
  readonly matrices: (side: number) => number;
  readonly maxSteps: number;
  readonly momentum: { readonly preset: string; readonly steps: number };
}

export const plans: Readonly<Record<ExperimentSize, Plan>> = {
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

/** The side of the square matrices that plots and the momentum's tables are about. */
export const sideOf = ({ shrink }: Plan) => 1024 / shrink;

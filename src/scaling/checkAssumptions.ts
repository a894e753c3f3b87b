import type { Estimate } from "./sweepOptima.ts";

/** An assumption of the laws, held against a checkpoint. */
export interface Assumption {
  readonly name: string;
  /** `"open"`: the samples don't tell. */
  readonly verdict: "holds" | "fails" | "open";
  /** What was found, in a sentence. */
  readonly finding: string;
}

/** What the checks look at. */
export interface AssumptionInput {
  readonly microbatchSize: number;
  readonly microbatches: number;
  readonly gradientCurvature: Estimate;
  readonly simpleNoiseScale: Estimate;
  readonly noiseScale: Estimate;
  readonly hessianTrace: Estimate;
  readonly signCurvature: Estimate;
  readonly optima: readonly {
    readonly batchSize: number;
    readonly basis: string;
    readonly alignment: Estimate;
    readonly curvature: Estimate;
  }[];
  /** `E[sign(g̃_B)]ᵀg` as measured over what the mean field with κ² = B_simple says. */
  readonly signMeanField: readonly { readonly batchSize: number; readonly ratio: number }[];
  readonly excessKurtosis: number;
  readonly memory: number;
}

const digits = (value: number) =>
  Number.isFinite(value) ? String(Number(value.toPrecision(2))) : value > 0 ? "∞" : String(value);

const list = (sizes: readonly { readonly batchSize: number }[]) =>
  sizes.map(({ batchSize }) => digits(batchSize)).join(", ");

const positive = ({ low, high }: Estimate): Assumption["verdict"] =>
  low > 0 ? "holds" : high <= 0 ? "fails" : "open";

/** By which factor, 1 or more, a ratio is off. */
const off = (ratio: number) => (ratio > 0 ? Math.max(ratio, 1 / ratio) : Number.POSITIVE_INFINITY);

/** A factor beyond which an approximation is said to fail. */
const tolerated = 1.25;

/**
 * Holds the assumptions of the laws against what was measured: each with a verdict and a sentence.
 *
 * @example
 * ```ts
 * const estimate = (value: number) => ({ value, low: 0.9 * value, high: 1.1 * value });
 * const found = checkAssumptions({
 *   microbatchSize: 4,
 *   microbatches: 16,
 *   gradientCurvature: estimate(2),
 *   simpleNoiseScale: estimate(30),
 *   noiseScale: estimate(40),
 *   hessianTrace: estimate(10),
 *   signCurvature: estimate(10.5),
 *   optima: [{ batchSize: 8, basis: "measured", alignment: estimate(1), curvature: estimate(2) }],
 *   signMeanField: [{ batchSize: 4, ratio: 1.1 }],
 *   excessKurtosis: 5, // gradients with heavy tails
 *   memory: 1,
 * });
 * found.filter(({ verdict }) => verdict !== "holds").map(({ verdict }) => verdict); // => ["fails"]
 * ```
 */
export function checkAssumptions(input: AssumptionInput): Assumption[] {
  const { optima, gradientCurvature: g, hessianTrace, signCurvature, memory } = input;
  const assumptions: Assumption[] = [];
  const along = positive(g);
  assumptions.push({
    name: "minimum along the gradient",
    verdict: along,
    finding:
      along === "holds"
        ? `gᵀHg ${digits(g.value)} > 0`
        : along === "fails"
          ? `gᵀHg ${digits(g.value)} ≤ 0: no minimum along the gradient, so that SGD's η* has no limit for large batches`
          : `gᵀHg is between ${digits(g.low)} and ${digits(g.high)}: more samples or probes would tell`,
  });
  const noMinimum = optima.filter(({ curvature }) => !(curvature.value > 0));
  const unsure = optima.filter(({ curvature }) => curvature.value > 0 && !(curvature.low > 0));
  assumptions.push({
    name: "minimum along the update",
    verdict: noMinimum.length > 0 ? "fails" : unsure.length > 0 ? "open" : "holds",
    finding:
      noMinimum.length > 0
        ? `E[φᵀHφ] ≤ 0 at batch sizes ${list(noMinimum)}: no best learning rate there, to second order`
        : unsure.length > 0
          ? `the interval of E[φᵀHφ] reaches 0 at batch sizes ${list(unsure)}: η* has no upper bound there`
          : "E[φᵀHφ] > 0 at every batch size",
  });
  const hidden = optima.filter(({ alignment }) => !(alignment.low > 0));
  assumptions.push({
    name: "update descends",
    verdict:
      hidden.length === 0 ? "holds" : hidden.some(({ alignment }) => alignment.high <= 0) ? "fails" : "open",
    finding:
      hidden.length === 0
        ? "E[φ]ᵀg > 0 at every batch size"
        : `noise hides E[φ]ᵀg at batch sizes ${list(hidden)}: more samples needed`,
  });
  const isotropy = input.noiseScale.value / input.simpleNoiseScale.value;
  const known = Number.isFinite(isotropy) && isotropy > 0;
  assumptions.push({
    name: "H a multiple of the identity (B_simple for B_noise)",
    verdict: !known ? "open" : off(isotropy) <= 2 ? "holds" : "fails",
    finding: known
      ? `B_noise is ${digits(isotropy)} times B_simple`
      : `B_noise ${digits(input.noiseScale.value)}, B_simple ${digits(input.simpleNoiseScale.value)}`,
  });
  const offDiagonal = signCurvature.value / hessianTrace.value - 1;
  const traced = positive(hessianTrace);
  assumptions.push({
    name: "diagonal H (no surge)",
    verdict: traced !== "holds" ? "open" : Math.abs(offDiagonal) <= 0.1 ? "holds" : "fails",
    finding:
      traced !== "holds"
        ? `tr H is between ${digits(hessianTrace.low)} and ${digits(hessianTrace.high)}`
        : `off the diagonal sᵀHs has ${digits(offDiagonal)} of tr H${offDiagonal > 1 ? ": a surge is expected for sign updates" : ""}`,
  });
  const worst = [...input.signMeanField].sort((a, b) => off(b.ratio) - off(a.ratio))[0];
  if (worst !== undefined) {
    assumptions.push({
      name: "mean field (one κ² for all parameters)",
      verdict: off(worst.ratio) <= tolerated ? "holds" : "fails",
      finding: `E[sign g̃]ᵀg is ${digits(worst.ratio)} times what κ² = B_simple says at batch size ${digits(worst.batchSize)}`,
    });
  }
  const { excessKurtosis, microbatchSize } = input;
  assumptions.push({
    name: "normal noise",
    verdict: Math.abs(excessKurtosis) <= 1 ? "holds" : "fails",
    finding:
      `excess kurtosis ${digits(excessKurtosis)} at batch size ${microbatchSize}` +
      (excessKurtosis > 1 ? `, below 1 from about ${digits(excessKurtosis * microbatchSize)} on` : ""),
  });
  const beyond = optima.filter(({ basis }) => basis === "extrapolated");
  assumptions.push({
    name: "batch sizes within the measured ones",
    verdict: beyond.length === 0 ? "holds" : "fails",
    finding:
      beyond.length === 0
        ? `all of them, of ${input.microbatches * microbatchSize} samples`
        : `extrapolated at ${list(beyond)}`,
  });
  if (memory > 1) {
    assumptions.push({
      name: "update of one batch alone",
      verdict: "fails",
      finding: `momentum averages about ${digits(memory)} batches: measured on as many, their noise counted as often`,
    });
  }
  return assumptions;
}

import type { SweepFit, SweepOptimum, SweepRow } from "../../src/scaling/index.ts";

export interface RateAt {
  readonly batchSize: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What a fit says, as plain data: a worker sends it, and a page that is shared holds it. */
export interface FitView {
  readonly runs: readonly {
    readonly learningRate: number;
    readonly batchSize: number;
    /** Null for a run that diverged, or has none. */
    readonly loss: number | null;
    readonly status: "finished" | "diverged" | "missing";
    readonly settings: Readonly<Record<string, number | string>>;
  }[];
  readonly optima: readonly (RateAt & {
    readonly kind: SweepOptimum["kind"];
    readonly loss: number;
    readonly tried: readonly [number, number];
  })[];
  /** Fitted losses over learning rates, by the place of their optimum. */
  readonly curves: readonly (readonly (readonly [rate: number, loss: number])[])[];
  readonly predictions: readonly (RateAt & { readonly extrapolation: number })[];
  /** The same over a fine grid of batch sizes; empty if nothing can be predicted. */
  readonly line: readonly RateAt[];
  readonly laws: readonly {
    readonly name: string;
    readonly formula: string;
    readonly weight: number;
    readonly line: readonly (readonly [batchSize: number, rate: number])[];
  }[];
  readonly confidence: number;
  readonly nextRuns: SweepFit["nextRuns"];
  readonly warnings: readonly string[];
}

const grid = (low: number, high: number, count: number) =>
  Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));

/** Infinite ends become null in JSON: they are kept as the largest number. */
const finite = (value: number) => (Number.isFinite(value) ? value : Number.MAX_VALUE);

function settingsOf({ epsilon, steps, tokens, seed, weightDecay, covariates = {} }: SweepRow) {
  const known = { epsilon, weightDecay, steps, tokens, seed, ...covariates };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as Record<
    string,
    number | string
  >;
}

/** @param rows - that the fit was made of */
export function fitView(fit: SweepFit, rows: readonly SweepRow[]): FitView {
  const sizes = [...fit.optima, ...fit.predictions].map(({ batchSize }) => batchSize);
  const places = grid(Math.min(...sizes) / 2, Math.max(...sizes) * 2, 80);
  const canPredict = fit.predict(sizes[0]!) !== null;
  return {
    runs: rows.map((row) => ({
      learningRate: row.learningRate,
      batchSize: row.batchSize,
      loss: Number.isFinite(row.loss) ? row.loss : null,
      status: row.status ?? (Number.isFinite(row.loss) ? "finished" : "diverged"),
      settings: settingsOf(row),
    })),
    optima: fit.optima
      .filter(({ epsilon }) => epsilon === fit.epsilon)
      .map(({ batchSize, value, low, high, kind, loss, tried }) => ({
        batchSize,
        value,
        low,
        high: finite(high),
        kind,
        loss,
        tried,
      })),
    curves: fit.optima
      .filter(({ epsilon }) => epsilon === fit.epsilon)
      .map(({ tried: [low, high], curve }) =>
        (high > low ? grid(low, high, 50) : []).flatMap((rate) => {
          const loss = curve(rate);
          return loss === null ? [] : [[rate, loss] as const];
        }),
      ),
    predictions: fit.predictions.map(({ batchSize, value, low, high, extrapolation }) => ({
      batchSize,
      value,
      low,
      high: finite(high),
      extrapolation,
    })),
    line: canPredict
      ? places.map((batchSize) => {
          const { value, low, high } = fit.predict(batchSize)!;
          return { batchSize, value, low, high: finite(high) };
        })
      : [],
    laws: fit.laws
      .filter(({ weight }) => weight >= 0.05)
      .map((law) => ({
        name: law.name,
        formula: law.formula,
        weight: law.weight,
        line: places.map((batchSize) => [batchSize, law.predict(batchSize)] as const),
      })),
    confidence: fit.confidence,
    nextRuns: fit.nextRuns,
    warnings: fit.warnings,
  };
}

import type { Estimate, GroupsFit, SweepFit, SweepTable } from "../scaling/index.ts";

/** An interval's end, or null where it's open. */
const end = (value: number) => (value > 0 && Number.isFinite(value) ? value : null);

/** A number that may be infinite, which JSON has no word for. */
const finite = (value: number) => (Number.isFinite(value) ? value : null);

const interval = <T extends Estimate>(estimate: T) => ({
  ...estimate,
  value: finite(estimate.value),
  low: end(estimate.low),
  high: end(estimate.high),
});

/** A fit as the command prints it for programs: see the table of its fields in docs/fit.md. */
function fitFields(fit: SweepFit) {
  return {
    confidence: fit.confidence,
    epsilon: fit.epsilon,
    optima: fit.optima.map(({ curve: _, ...optimum }) => ({
      ...interval(optimum),
      error: finite(optimum.error),
    })),
    laws: fit.laws.map((law) => ({ ...law, aicc: finite(law.aicc), bic: finite(law.bic) })),
    epsilonLaw: fit.epsilonLaw,
    overdispersion: fit.overdispersion,
    discrepancy: fit.discrepancy,
    noise: fit.noise,
    predictions: fit.predictions.map(interval),
    criticalBatchSize: fit.criticalBatchSize === null ? null : interval(fit.criticalBatchSize),
    bestBatchSize: fit.bestBatchSize === null ? null : interval(fit.bestBatchSize),
    surgeProbability: fit.surgeProbability,
    covariates: fit.covariates,
    nextRuns: fit.nextRuns,
  };
}

function sourceFields(source: SweepTable) {
  return {
    columns: source.columns,
    metric: source.metric,
    batchUnit: source.batchUnit,
    where: source.where,
    runs: source.runs.length,
  };
}

/** A sweep's answer as JSON. */
export function sweepJson(fit: SweepFit, source: SweepTable, explain: boolean): string {
  return JSON.stringify({
    ...sourceFields(source),
    ...fitFields(fit),
    ...(explain && { explanation: source.explanation }),
    warnings: [...source.warnings, ...fit.warnings],
  });
}

/** The answer for groups as JSON: `groups` holds each group's own fit, `predictions` those of the joint law. */
export function groupsJson(fit: GroupsFit, source: SweepTable, explain: boolean): string {
  return JSON.stringify({
    ...sourceFields(source),
    by: fit.by,
    joint: fit.joint,
    predictions: fit.predictions.map(({ bestBatchSize, ...prediction }) => ({
      ...interval(prediction),
      bestBatchSize: bestBatchSize === null ? null : interval(bestBatchSize),
    })),
    groups: fit.groups.map(({ key, fit: own }) => ({ key, ...fitFields(own), warnings: own.warnings })),
    left: fit.left,
    ...(explain && { explanation: source.explanation }),
    warnings: [...source.warnings, ...fit.warnings],
  });
}

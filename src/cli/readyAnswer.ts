import { DataError } from "../errors.ts";
import {
  criticalBatchSize,
  fitOptima,
  fitTradeOff,
  type OptimaFit,
  type StepsToTarget,
  type SweepTable,
  stepsAndSamples,
  type TradeOff,
} from "../scaling/index.ts";
import { short, table } from "./format.ts";

/** An answer as text and for programs. */
export interface ReadyAnswer {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

const notes = ({ warnings }: SweepTable) =>
  warnings.length === 0 ? [] : [`Note\n\n${warnings.map((warning) => `  ${warning}`).join("\n")}`];

const whereText = ({ where }: SweepTable) =>
  where.length === 0 ? "" : `; only where ${where.join(" and ")}`;

function optimaAnswer(source: SweepTable, confidence: number, at: readonly number[]): ReadyAnswer {
  const fit: OptimaFit = fitOptima(source.optima, { confidence, ...(at.length > 0 && { at }) });
  const given = source.optima.some(({ logError }) => logError !== null);
  const rows = fit.predictions.map(({ batchSize, value, low, high }) => [
    batchSize,
    short(value),
    short(low),
    short(high),
  ]);
  const laws = fit.laws
    .filter(({ weight }) => weight >= 0.01)
    .map(({ name, weight, formula }) => [name, percent(weight), formula]);
  const parts = [
    `${source.optima.length} best learning rates, from "${source.columns.learningRate}" by "${source.columns.batchSize}"${given ? "" : ", without errors: each was taken to be right within 20 %"}${whereText(source)}`,
    `Best learning rate, with ${percent(confidence)} intervals\n\n${table([["batch size", "best", "from", "to"], ...rows])}`,
    ...(laws.length > 0 ? [`Laws\n\n${table([["law", "support", "formula"], ...laws])}`] : []),
    ...notes(source),
  ];
  return {
    text: parts.join("\n\n"),
    json: {
      columns: source.columns,
      where: source.where,
      optima: source.optima,
      laws: fit.laws.map(({ name, formula, weight }) => ({ name, formula, weight })),
      predictions: fit.predictions,
      confidence,
      warnings: source.warnings,
    },
  };
}

/** The fewest steps of each batch size: those with its best learning rate. */
function fewestSteps(list: readonly StepsToTarget[]): StepsToTarget[] {
  const best = new Map<number, StepsToTarget>();
  for (const one of list)
    if (one.steps < (best.get(one.batchSize)?.steps ?? Number.POSITIVE_INFINITY))
      best.set(one.batchSize, one);
  return [...best.values()].sort((a, b) => a.batchSize - b.batchSize);
}

function tradeOffAnswer(source: SweepTable, at: readonly number[]): ReadyAnswer {
  const results = [...Map.groupBy(source.stepsToTarget, ({ target }) => target)].map(([target, list]) => {
    const measured = fewestSteps(list);
    if (measured.length < 2)
      throw new DataError(
        `${target === "" ? "" : `${target}: `}one batch size reached the target, ${measured[0]!.batchSize}: expected at least 2`,
      );
    const tradeOff: TradeOff = fitTradeOff(measured);
    const critical = criticalBatchSize(tradeOff);
    const predictions = at.map((batchSize) => ({ batchSize, ...stepsAndSamples(tradeOff, batchSize) }));
    return { target, measured, ...tradeOff, criticalBatchSize: critical, predictions };
  });
  const parts = results.map(
    ({ target, measured, minSteps, minSamples, criticalBatchSize: critical, predictions }) => {
      const rows = measured.map(({ batchSize, learningRate, steps }) => [
        batchSize,
        steps,
        short(batchSize * steps, 4),
        learningRate === null ? "" : short(learningRate),
        short(minSteps * (1 + critical / batchSize), 4),
      ]);
      return [
        `Steps to the target${target === "" ? "" : ` (${target})`}\n\n${table([["batch size", "steps", "samples", "learning rate", "fitted steps"], ...rows])}`,
        `Critical batch size: about ${short(critical)}, where training takes twice the least steps (${short(minSteps)}) and twice the least samples (${short(minSamples)}).`,
        ...predictions.map(
          ({ batchSize, steps, samples }) =>
            `At batch size ${batchSize}: ${short(steps)} steps, ${short(samples)} samples.`,
        ),
      ].join("\n\n");
    },
  );
  return {
    text: [
      `${source.stepsToTarget.length} runs that reached a target; steps from "${source.columns.steps}", batch size from "${source.columns.batchSize}"${whereText(source)}`,
      ...parts,
      ...notes(source),
    ].join("\n\n"),
    json: { columns: source.columns, where: source.where, tradeOffs: results, warnings: source.warnings },
  };
}

/** The answer of a table that holds best learning rates or steps to a target; null for one of runs. */
export function readyAnswer(
  source: SweepTable,
  confidence: number,
  at: readonly number[],
): ReadyAnswer | null {
  if (source.optima.length > 0) return optimaAnswer(source, confidence, at);
  return source.stepsToTarget.length > 0 ? tradeOffAnswer(source, at) : null;
}

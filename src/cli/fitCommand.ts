import { readFileSync } from "node:fs";
import { writeFileAtomically } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { renderPlot } from "../experiments/index.ts";
import {
  type Estimate,
  fitSweep,
  readSweepCsv,
  type SweepField,
  type SweepFit,
  type SweepOptimum,
  type SweepTable,
} from "../scaling/index.ts";
import { openTrialStore, resultsCsv } from "../sweeps/index.ts";
import { lawPlot, sweepReport } from "./fitReport.ts";
import { short, table } from "./format.ts";

export interface FitFlags {
  /** A sweep of the store in place of a file. */
  readonly sweep?: string;
  readonly home: string;
  readonly lr?: string;
  readonly batch?: string;
  readonly loss?: string;
  readonly epsilonColumn?: string;
  readonly stepsColumn?: string;
  readonly tokensColumn?: string;
  readonly seedColumn?: string;
  readonly weightDecayColumn?: string;
  readonly where: readonly string[];
  readonly at: readonly number[];
  readonly epsilon?: number;
  readonly confidence: number;
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new DataError(`${file}: no such file`);
    if (code === "EISDIR") throw new DataError(`${file}: is a folder, expected a CSV file`);
    throw error;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DataError(`${file}: is not UTF-8 text; save it as CSV in UTF-8`, { cause: error });
  }
}

function definedColumns(flags: FitFlags): Partial<Record<SweepField, string>> {
  const given: Record<SweepField, string | undefined> = {
    learningRate: flags.lr,
    batchSize: flags.batch,
    loss: flags.loss,
    epsilon: flags.epsilonColumn,
    steps: flags.stepsColumn,
    tokens: flags.tokensColumn,
    seed: flags.seedColumn,
    weightDecay: flags.weightDecayColumn,
  };
  return Object.fromEntries(Object.entries(given).filter(([, name]) => name !== undefined));
}

function filters(where: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    where.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new DataError(`--where ${text}: expected column=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

const bound = (value: number) => (value === 0 ? "?" : Number.isFinite(value) ? short(value) : "?");

const remarks: Record<SweepOptimum["kind"], string> = {
  interior: "",
  bracketed: "between its neighbours",
  above: "at the upper edge: add larger learning rates",
  below: "at the lower edge: add smaller learning rates",
  unresolved: "too noisy to tell",
};

function optimaTable({ optima, confidence }: SweepFit): string {
  const withEpsilon = new Set(optima.map(({ epsilon }) => epsilon)).size > 1;
  const rows = optima.map((optimum) => [
    optimum.batchSize,
    ...(withEpsilon ? [optimum.epsilon] : []),
    optimum.kind === "unresolved" ? "?" : short(optimum.value),
    bound(optimum.low),
    bound(optimum.high),
    short(optimum.loss, 4),
    optimum.diverged === 0 ? `${optimum.runs}` : `${optimum.runs} + ${optimum.diverged} diverged`,
    remarks[optimum.kind],
  ]);
  const head = ["batch size", ...(withEpsilon ? ["epsilon"] : []), "best", "from", "to", "loss", "runs", ""];
  return `Best learning rate at each batch size, with ${percent(confidence)} intervals\n\n${table([head, ...rows])}`;
}

function lawsTable({ laws, epsilonLaw }: SweepFit): string {
  const all = [...laws, ...(epsilonLaw === null ? [] : [epsilonLaw])];
  const rows = all.map((law) => [
    law.name,
    law === epsilonLaw ? "–" : percent(law.weight),
    Number.isFinite(law.aicc) ? law.aicc.toFixed(1) : "–",
    law.bic.toFixed(1),
    law.leaveOneOutFactor === null ? "–" : `×${law.leaveOneOutFactor.toFixed(2)}`,
    Object.entries(law.parameters)
      .map(([name, value]) => `${name} = ${short(value)}`)
      .join(", "),
    law.formula,
  ]);
  const head = ["law", "support", "AICc", "BIC", "miss", "parameters", "formula"];
  return `Laws (miss: typical factor by which a law misses a batch size that it hasn't seen)\n\n${table([head, ...rows])}`;
}

/** What the prediction at one batch size rests on, in a sentence. */
function basis(fit: SweepFit): string {
  const usable = fit.optima.filter(({ kind }) => kind === "interior" || kind === "bracketed");
  const leading = fit.laws.filter(({ weight }) => weight >= 0.05);
  const laws =
    leading.length > 0
      ? leading.map(({ name, weight }) => `${name} (${percent(weight)})`).join(", ")
      : "the law of epsilon alone";
  return `Rests on ${usable.length} of ${fit.optima.length} optima and on ${leading.length > 1 ? "the laws " : "the law "}${laws.replace(/^the law /, "")}.`;
}

function criticalText(critical: Estimate, largest: number, confidence: number): string {
  const meaning = "where training takes twice the least steps and twice the least samples";
  if (critical.low > largest)
    return `Critical batch size (${meaning}): not reached by this sweep, above ${short(critical.low)}. Larger batches still pay.`;
  const upper = Number.isFinite(critical.high) ? short(critical.high) : "no upper bound";
  if (!Number.isFinite(critical.value))
    return `Critical batch size (${meaning}): this sweep can't tell; ${percent(confidence)} interval from ${short(critical.low)}, ${upper}.`;
  return `Critical batch size (${meaning}): about ${short(critical.value)}, ${percent(confidence)} interval ${short(critical.low)} to ${upper}. Beyond it more data parallelism saves little time.`;
}

function surgeText(probability: number): string {
  if (probability >= 0.9)
    return `A surge is expected (probability ${percent(probability)}): beyond a peak the best learning rate falls again.`;
  if (probability <= 0.1)
    return `No surge is expected (probability ${percent(probability)}): larger batches don't need smaller learning rates.`;
  return `Whether a surge comes (the best learning rate falling again beyond a peak) is open: probability ${percent(probability)}.`;
}

/** The answer as text. */
function answer(fit: SweepFit, source: SweepTable): string {
  const largest = Math.max(...fit.optima.map(({ batchSize }) => batchSize));
  const read = Object.entries(source.columns).map(
    ([field, column]) =>
      `${field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} from "${column}"`,
  );
  const parts = [`${source.rows.length} runs; ${read.join(", ")}`, optimaTable(fit)];
  if (fit.laws.length > 0 || fit.epsilonLaw !== null) parts.push(lawsTable(fit));
  if (fit.predictions.length > 0) {
    const withEpsilon = fit.optima.some(({ epsilon }) => epsilon !== 0) ? `, epsilon ${fit.epsilon}` : "";
    const lines = fit.predictions.map(
      ({ batchSize, value, low, high, extrapolation }) =>
        `  batch size ${batchSize}${withEpsilon}: learning rate ${short(value)}, ${percent(fit.confidence)} interval ${short(low)} to ${short(high)}${extrapolation > 1 ? ` (${short(extrapolation)} times outside of the sweep)` : ""}`,
    );
    parts.push(`Answer\n\n${lines.join("\n")}\n  ${basis(fit)}`);
  }
  const rest: string[] = [];
  if (fit.criticalBatchSize !== null) rest.push(criticalText(fit.criticalBatchSize, largest, fit.confidence));
  if (fit.surgeProbability !== null) rest.push(surgeText(fit.surgeProbability));
  if (rest.length > 0) parts.push(rest.join("\n"));
  if (fit.nextRuns.length > 0) {
    const lines = fit.nextRuns.map(
      ({ batchSize, learningRates, reason, remainingVariance }) =>
        `  batch size ${batchSize}, learning rates ${learningRates.join(", ")}: ${reason}${remainingVariance === null ? "" : `; leaves ${percent(remainingVariance)} of the variance`}`,
    );
    parts.push(`Runs to do next\n\n${lines.join("\n")}`);
  }
  const warnings = [...source.warnings, ...fit.warnings];
  if (warnings.length > 0) parts.push(`Note\n\n${warnings.map((warning) => `  ${warning}`).join("\n")}`);
  return parts.join("\n\n");
}

/**
 * What a sweep's results say, as `rotor fit` prints it.
 *
 * @throws DataError if they don't suffice
 */
export function fitAnswer(csv: string): string {
  const source = readSweepCsv(csv);
  return answer(fitSweep(source.rows), source);
}

async function readSweep(reference: string, home: string): Promise<string> {
  await using store = await openTrialStore(home);
  const sweep = await store.getSweep(reference);
  const trials = await store.listTrials(sweep.id);
  if (trials.every(({ outcome }) => outcome === null))
    throw new DataError(`sweep ${sweep.id}: has no results yet`);
  return resultsCsv(sweep, trials);
}

/**
 * Reads a sweep's results and prints the best learning rate at each batch size, the laws that fit, and what they say at others; writes
 * reports if asked.
 *
 * @throws DataError if the file can't be read or used; ConfigError for an impossible option
 */
export async function fitCommand(file: string | undefined, flags: FitFlags): Promise<number> {
  if ((file === undefined) === (flags.sweep === undefined))
    throw new ConfigError("fit: expected a CSV file or --sweep <sweep>, and not both");
  const text = file === undefined ? await readSweep(flags.sweep!, flags.home) : readText(file);
  const name = file ?? `sweep ${flags.sweep}`;
  const source = readSweepCsv(text, { columns: definedColumns(flags), where: filters(flags.where) });
  const fit = fitSweep(source.rows, {
    confidence: flags.confidence,
    ...(flags.at.length > 0 && { at: flags.at }),
    ...(flags.epsilon !== undefined && { epsilon: flags.epsilon }),
  });
  if (flags.html !== undefined)
    writeFileAtomically(flags.html, sweepReport(fit, source, name, answer(fit, source)));
  if (flags.svg !== undefined) writeFileAtomically(flags.svg, renderPlot(lawPlot(fit)));
  if (flags.json === true) {
    const { warnings, ...rest } = fit;
    process.stdout.write(
      `${JSON.stringify({ columns: source.columns, runs: source.rows.length, ...rest, warnings: [...source.warnings, ...warnings] })}\n`,
    );
    return 0;
  }
  process.stdout.write(`${answer(fit, source)}\n`);
  if (flags.html !== undefined) process.stdout.write(`\nreport: ${flags.html}\n`);
  if (flags.svg !== undefined) process.stdout.write(`\npicture: ${flags.svg}\n`);
  return 0;
}

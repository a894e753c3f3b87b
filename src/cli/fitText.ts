import type {
  BestBatchSize,
  Estimate,
  Exponent,
  GroupKey,
  GroupsFit,
  SweepFit,
  SweepOptimum,
  SweepTable,
} from "../scaling/index.ts";
import { exact, short, table } from "./format.ts";

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
    [
      `${optimum.runs}`,
      ...(optimum.diverged === 0 ? [] : [`${optimum.diverged} diverged`]),
      ...(optimum.saturated === 0 ? [] : [`${optimum.saturated} saturated`]),
    ].join(" + "),
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
  const usable = fit.optima.filter(({ error }) => Number.isFinite(error));
  const leading = fit.laws.filter(({ weight }) => weight >= 0.05);
  if (leading.length === 0)
    return fit.epsilonLaw === null
      ? `Rests on ${usable.length} of ${fit.optima.length} optima.`
      : `Rests on ${usable.length} of ${fit.optima.length} optima and on the law of epsilon alone.`;
  const laws = leading.map(({ name, weight }) => `${name} (${percent(weight)})`).join(", ");
  return `Rests on ${usable.length} of ${fit.optima.length} optima and on the ${leading.length > 1 ? "laws" : "law"} ${laws}.`;
}

function criticalText(critical: Estimate, largest: number, confidence: number): string {
  const meaning = "where training takes twice the least steps and twice the least samples";
  if (critical.low > largest)
    return `Critical batch size (${meaning}): not reached by this sweep, above ${short(critical.low)}. By the learning rates, larger batches still pay.`;
  const upper = Number.isFinite(critical.high) ? short(critical.high) : "no upper bound";
  if (!Number.isFinite(critical.value))
    return `Critical batch size (${meaning}): this sweep can't tell; ${percent(confidence)} interval from ${short(critical.low)}, ${upper}.`;
  return `Critical batch size (${meaning}): about ${short(critical.value)}, ${percent(confidence)} interval ${short(critical.low)} to ${upper}. Beyond it more data parallelism saves little time.`;
}

function bestBatchText(best: BestBatchSize, confidence: number): string {
  const budget = best.budget === null ? "if all runs saw as much data" : `at ${short(best.budget)} per run`;
  const name = `Best batch size (lowest loss, ${budget})`;
  // A batch size that was swept, read back from its logarithm.
  const edge = exact(Number(best.value.toPrecision(9)));
  if (best.kind === "above")
    return `${name}: the largest swept or beyond it; the loss still falls at ${edge}.`;
  if (best.kind === "below")
    return `${name}: the smallest swept or below it; the loss still falls towards ${edge}.`;
  if (best.kind === "unresolved") return `${name}: the losses differ too little to tell.`;
  return `${name}: ${short(best.value)}, ${percent(confidence)} interval ${short(best.low)} to ${short(best.high)}.`;
}

/** Learning rates and losses speak of different things: what a larger batch costs is in the losses. */
function contradictionText({ bestBatchSize: best, criticalBatchSize: critical }: SweepFit): string | null {
  if (best === null || critical === null || best.kind !== "interior") return null;
  if (critical.low <= best.high && best.low <= critical.high) return null;
  return "The two disagree, and the losses win: they measure what a batch size costs, the learning rates only hint at it.";
}

function surgeText(probability: number): string {
  if (probability >= 0.9)
    return `A surge is expected (probability ${percent(probability)}): beyond a peak the best learning rate falls again.`;
  if (probability <= 0.1)
    return `No surge is expected (probability ${percent(probability)}): larger batches don't need smaller learning rates.`;
  return `Whether a surge comes (the best learning rate falling again beyond a peak) is open: probability ${percent(probability)}.`;
}

/** How many runs there are, and where they were read from. */
function sourceText(source: SweepTable): string {
  const read = Object.entries(source.columns).map(
    ([field, column]) =>
      `${field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} from "${column}"`,
  );
  const kept = source.where.length === 0 ? "" : `; only where ${source.where.join(" and ")}`;
  return `${source.runs.length} runs; ${read.join(", ")}${kept}`;
}

/** What a sweep says, as the command prints it. */
export function sweepText(fit: SweepFit, source: SweepTable): string {
  const largest = Math.max(...fit.optima.map(({ batchSize }) => batchSize));
  const parts = [sourceText(source), optimaTable(fit)];
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
  if (fit.bestBatchSize !== null) rest.push(bestBatchText(fit.bestBatchSize, fit.confidence));
  if (fit.criticalBatchSize !== null) rest.push(criticalText(fit.criticalBatchSize, largest, fit.confidence));
  const contradiction = contradictionText(fit);
  if (contradiction !== null) rest.push(contradiction);
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

export const keyText = (key: GroupKey) =>
  Object.entries(key)
    .map(([name, value]) => `${name} ${typeof value === "number" ? exact(value) : value}`)
    .join(", ");

const powers = (exponents: readonly Exponent[], confidence: number) =>
  exponents
    .map(
      ({ name, value, low, high }) =>
        `${name}^${value.toFixed(3)} (${percent(confidence)} interval ${low.toFixed(3)} to ${high.toFixed(3)})`,
    )
    .join(" · ");

function jointText({ joint }: GroupsFit, confidence: number): string | null {
  if (joint === null) return null;
  const lines: string[] = [];
  if (joint.exponents.length > 0)
    lines.push(
      `  best learning rate${joint.alongBestBatch ? " at the best batch size" : " at equal batch size"} ∝ ${powers(joint.exponents, confidence)}`,
    );
  if (joint.bestBatchExponents !== null && joint.bestBatchExponents.length > 0)
    lines.push(`  best batch size ∝ ${powers(joint.bestBatchExponents, confidence)}`);
  lines.push(`  groups differ by a factor of ${short(Math.exp(joint.groupDeviation))} beyond that`);
  return `One law of all groups\n\n${lines.join("\n")}`;
}

/** What groups of sweeps say, as the command prints it. */
export function groupsText(fit: GroupsFit, source: SweepTable): string {
  const [first] = fit.groups;
  const confidence = first!.fit.confidence;
  const parts = [`${sourceText(source)}; ${fit.groups.length} groups by ${fit.by.join(", ")}`];
  const rows = fit.groups.map(({ key, fit: own }) => {
    const best = own.bestBatchSize;
    const optimum = best === null || best.kind !== "interior" ? null : (own.predict(best.value) ?? null);
    return [
      ...fit.by.map((name) => key[name]!),
      own.optima.reduce((sum, { runs }) => sum + runs, 0),
      own.optima.length,
      best === null
        ? "–"
        : best.kind === "interior"
          ? short(best.value)
          : best.kind === "unresolved"
            ? "?"
            : `${best.kind} ${exact(Number(best.value.toPrecision(9)))}`,
      optimum === null ? "–" : short(optimum.value),
      short(Math.min(...own.optima.map(({ loss }) => loss)), 4),
    ];
  });
  parts.push(
    `Groups\n\n${table([[...fit.by, "runs", "batch sizes", "best batch size", "learning rate there", "lowest loss"], ...rows])}`,
  );
  const joint = jointText(fit, confidence);
  if (joint !== null) parts.push(joint);
  if (fit.predictions.length > 0) {
    const lines = fit.predictions.map(
      ({ key, batchSize, value, low, high, known, bestBatchSize }) =>
        `  ${keyText(key)}, batch size ${exact(batchSize)}: learning rate ${short(value)}, ${percent(confidence)} interval ${short(low)} to ${short(high)}${known ? "" : " (a group that wasn't swept)"}${bestBatchSize === null || known ? "" : `; best batch size ${short(bestBatchSize.value)}, ${short(bestBatchSize.low)} to ${short(bestBatchSize.high)}`}`,
    );
    parts.push(`Answer\n\n${lines.join("\n")}`);
  }
  const own = fit.groups.flatMap(({ key, fit: { warnings } }) =>
    warnings.map((warning) => `${keyText(key)}: ${warning}`),
  );
  const notes = [...source.warnings, ...fit.warnings, ...own];
  if (notes.length > 0) parts.push(`Note\n\n${notes.map((note) => `  ${note}`).join("\n")}`);
  return parts.join("\n\n");
}

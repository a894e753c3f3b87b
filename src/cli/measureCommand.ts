import { placementOf } from "../compile/index.ts";
import { writeOutput } from "../data/index.ts";
import { ConfigError, RotorError } from "../errors.ts";
import {
  type CheckpointChoice,
  type CheckpointMeasurement,
  measureRun,
  type RunMeasurement,
  saveMeasurements,
} from "../measure/index.ts";
import type { Assumption, CheckpointOptimum, Estimate } from "../scaling/index.ts";
import { importOwnTask } from "../tasks/index.ts";
import { followingProcess } from "./followingProcess.ts";
import { compactNumber, short, table } from "./format.ts";
import type { PlacementFlags } from "./placementFor.ts";
import { clearLine, out, print, warn, withoutStyle } from "./print.ts";
import { drawRates } from "./rateDrawing.ts";
import { style } from "./style.ts";

export interface MeasureFlags extends PlacementFlags {
  readonly checkpoint: readonly CheckpointChoice[];
  readonly batchSizes?: readonly number[];
  readonly at: readonly number[];
  readonly samples?: number;
  readonly probes?: number;
  readonly secondMoment?: string;
  readonly confidence: number;
  readonly seed: number;
  readonly task?: string;
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
  readonly home: string;
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

const cell = (value: number) => (Number.isFinite(value) ? short(value) : "–");

const ends = ({ value, low, high }: Estimate) => [
  short(value),
  cell(low),
  Number.isFinite(high) ? short(high) : "∞",
];

function sumsTable(own: CheckpointMeasurement): string {
  const rows: [string, Estimate, string][] = [
    ["|g|²", own.gradientSquared.pairs, "all pairs of microbatches"],
    ["|g|²", own.gradientSquared.twoBatchSizes, "two batch sizes"],
    ["tr Σ", own.covarianceTrace.pairs, "of one sequence, all pairs"],
    ["tr Σ", own.covarianceTrace.twoBatchSizes, "of one sequence, two batch sizes"],
    ["B_simple", own.simpleNoiseScale, "tr Σ/|g|²"],
    ["tr H", own.hessianTrace, ""],
    ["gᵀHg", own.gradientCurvature, ""],
    ["tr ΣH", own.noiseCurvature, "of one sequence"],
    ["B_noise", own.noiseScale, "tr ΣH/gᵀHg, of SGD"],
    ["sᵀg", own.gradientAbsoluteSum, "s: signs of half of the sequences' mean gradient"],
    ["sᵀHs", own.signCurvature, ""],
    ["κ²", own.noiseToSignal, "B_simple stands for it"],
    ["β_noise", own.betaNoise, "√(tr H/(sᵀHs − tr H)); below 1: a surge"],
  ];
  return table([
    ["", "value", "from", "to", ""],
    ...rows.map(([name, estimate, note]) => [name, ...ends(estimate), note]),
  ]);
}

/** Where η* can't be given, why. */
function remark({ learningRate: { value }, basis }: CheckpointOptimum): string {
  if (value === 0) return `${basis}; noise hides the descent`;
  return Number.isFinite(value) ? basis : `${basis}; no minimum along φ`;
}

function optimaTable({ optima }: CheckpointMeasurement, length: number): string {
  const approximate = optima.some(({ approximation }) => approximation !== null);
  const rows = optima.map((own) => [
    short(own.batchSize),
    compactNumber(own.batchSize * length),
    ...ends(own.learningRate),
    cell(own.lossDecrease.value),
    ...(approximate ? [own.approximation === null ? "–" : short(own.approximation)] : []),
    remark(own),
  ]);
  const head = ["B", "tokens", "η*", "from", "to", "ΔL*", ...(approximate ? ["law"] : []), ""];
  return table([head, ...rows]);
}

const marks: Record<Assumption["verdict"], string> = { holds: "holds", fails: "fails", open: "open " };

function assumptionLines({ assumptions, trial }: CheckpointMeasurement): string {
  const colour = { holds: style.green, fails: style.red, open: style.yellow };
  const lines = assumptions.map(
    ({ name, verdict, finding }) => `  ${colour[verdict](marks[verdict])}  ${name}: ${finding}`,
  );
  if (trial !== null) {
    const share = trial.actual / trial.predicted;
    const verdict = share > 0.8 && share < 1.25 ? "holds" : "fails";
    lines.push(
      `  ${colour[verdict](marks[verdict])}  quadratic loss: steps of η* with batches of ${short(trial.batchSize)} lower the loss of other sequences by ${short(trial.actual)}, their slopes and curvatures say ${short(trial.predicted)}`,
    );
  }
  return lines.join("\n");
}

/** The comparison that a person wants to read: η* at the run's batch size against what the run uses. */
function answer({ own, learningRate, confidence }: CheckpointMeasurement): string {
  const { value, low, high } = own.learningRate;
  const place = `At the run's batch size ${short(own.batchSize)} (${own.basis})`;
  if (value === 0)
    return `${place}: noise hides the gradient; no learning rate can be given. More samples would help.`;
  if (!Number.isFinite(value))
    return `${place}: no minimum along the update to second order; no learning rate can be given.`;
  const range = `${percent(confidence)} interval ${short(low)} to ${Number.isFinite(high) ? short(high) : "∞"}`;
  const { now, peak } = learningRate;
  const factor = now / value;
  const compared =
    now > 0
      ? `The run used ${short(now)} here (peak ${short(peak)}): ${factor >= 1 ? `${short(factor, 2)} times above` : `${short(1 / factor, 2)} times below`}.`
      : `The run's schedule is at 0 here (peak ${short(peak)}).`;
  return `${place}: η* ${short(value)}, ${range}. ${compared} η* gains most in one step; over many steps another rate may.`;
}

function checkpointText(own: CheckpointMeasurement, { length, sample }: RunMeasurement): string {
  const { cost, microbatches, microbatchSize, confidence } = own;
  const chart = drawRates(
    own.optima[0]!.batchSize,
    own.optima.at(-1)!.batchSize,
    (size) => own.predict(size).learningRate.value,
  );
  const parts = [
    style.bold(`Checkpoint of step ${own.step}`),
    `Noise and curvature, with ${percent(confidence)} intervals: ${microbatches} microbatches of ${microbatchSize} ${sample}\n\n${sumsTable(own)}`,
    `Best learning rate of one step: ${own.direction}\n\n${optimaTable(own, length)}`,
    ...(chart === null ? [] : [chart]),
    `Assumptions\n\n${assumptionLines(own)}`,
    answer(own),
    ...(own.updateRms === null
      ? []
      : [
          `Adam's update has a root mean square of ${short(own.updateRms.measured)} in this checkpoint; means and noise of the gradients say ${short(own.updateRms.predicted)} for parameters that stand still. Training has less where gradients turn within the memory of b1, and where that of b2 still holds larger ones.`,
        ]),
    style.dim(
      `${[...own.notes, `cost: gradients of ${cost.gradientSamples} ${sample}, ${cost.hessianProducts} Hessian-vector products on ${cost.hessianBatchSize}`].join("; ")}.`,
    ),
  ];
  return parts.join("\n\n");
}

/** How the measurement moves from checkpoint to checkpoint. */
function history({ checkpoints, batchSize }: RunMeasurement): string {
  const hasRms = checkpoints.some(({ updateRms }) => updateRms !== null);
  const rows = checkpoints.map((own) => [
    own.step,
    short(own.gradientSquared.pairs.value),
    short(own.covarianceTrace.pairs.value),
    cell(own.simpleNoiseScale.value),
    cell(own.noiseScale.value),
    short(own.hessianTrace.value),
    ...ends(own.own.learningRate),
    short(own.learningRate.now),
    ...(hasRms
      ? [short(own.updateRms?.measured ?? Number.NaN), short(own.updateRms?.predicted ?? Number.NaN)]
      : []),
  ]);
  const head = [
    "step",
    "|g|²",
    "tr Σ",
    "B_simple",
    "B_noise",
    "tr H",
    `η*(${short(batchSize)})`,
    "from",
    "to",
    "used",
    ...(hasRms ? ["update RMS", "predicted"] : []),
  ];
  return `Checkpoints\n\n${table([head, ...rows])}`;
}

function textOf(measured: RunMeasurement): string {
  const { run, optimizer, batchSize, length, sample, checkpoints } = measured;
  const size =
    sample === "sequences"
      ? `${short(batchSize)} sequences of ${length} tokens`
      : `${short(batchSize)} ${sample}`;
  return [
    `${run.name} ${run.id}: ${optimizer}, ${size} a step; B counts ${sample}, η is the configuration's learning rate`,
    ...checkpoints.map((own) => checkpointText(own, measured)),
    ...(checkpoints.length > 1 ? [history(measured)] : []),
  ].join("\n\n");
}

/** For the page: in the run's folder, if that can be written; what was measured is told in any case. */
function keep(measured: RunMeasurement): void {
  try {
    saveMeasurements(measured);
  } catch (error) {
    if (!(error instanceof RotorError)) throw error;
    warn(`the measurement isn't kept for the page: ${error.message}`);
  }
}

/**
 * `rotor measure`: what one or several checkpoints of a run say of its learning rate.
 *
 * @returns the exit code
 * @throws RunStoreError, CheckpointError, DataError, ConfigError for what can't be used
 */
export async function measureCommand(reference: string, flags: MeasureFlags): Promise<number> {
  const { secondMoment } = flags;
  if (secondMoment !== undefined && secondMoment !== "rescaled" && secondMoment !== "stored")
    throw new ConfigError(`--second-moment ${secondMoment}: expected rescaled or stored`);
  const isLive = process.stderr.isTTY === true;
  const follower = followingProcess();
  const measured = await measureRun({
    run: reference,
    home: flags.home,
    ...(flags.checkpoint.length > 0 && { checkpoints: flags.checkpoint }),
    ...(flags.batchSizes !== undefined && { batchSizes: flags.batchSizes }),
    at: flags.at,
    ...(flags.samples !== undefined && { samples: flags.samples }),
    ...(flags.probes !== undefined && { probes: flags.probes }),
    ...(secondMoment !== undefined && { secondMoment }),
    ...(flags.task !== undefined && { task: await importOwnTask(flags.task) }),
    ...placementOf(flags),
    confidence: flags.confidence,
    seed: flags.seed,
    onNote: warn,
    onProgress(step, done, total) {
      follower?.tell({ step, done, total });
      if (isLive)
        print(`${clearLine}step ${step}: ${done} of ${total} gradients and products`, process.stderr);
    },
  });
  if (isLive) print(clearLine, process.stderr);
  keep(measured);
  const text = textOf(measured);
  if (flags.html !== undefined || flags.svg !== undefined) {
    // Loaded only here: the plots' library takes time to load.
    const { renderPlot } = await import("../experiments/index.ts");
    const { measurePlot, measureReport } = await import("./measureReport.ts");
    if (flags.html !== undefined) writeOutput(flags.html, measureReport(measured, withoutStyle(text)));
    if (flags.svg !== undefined) writeOutput(flags.svg, renderPlot(measurePlot(measured)));
  }
  if (flags.json === true) {
    out(JSON.stringify({ version: 1, ...measured }));
    return 0;
  }
  out(text);
  if (flags.html !== undefined) out(`\nreport: ${flags.html}`);
  if (flags.svg !== undefined) out(`\npicture: ${flags.svg}`);
  return 0;
}

import { type LanguageConfig, loadConfig, resolveModel, type TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { openStart } from "../exchange/index.ts";
import { configAtWidth } from "../measure/index.ts";
import { flopsPerToken } from "../nn/index.ts";
import type { Estimate } from "../scaling/index.ts";
import { transferSpread } from "../sweeps/index.ts";
import { commandLine } from "./commandLine.ts";
import { vocabularySize } from "./dryRun.ts";
import { compactNumber, short } from "./format.ts";
import { warn } from "./print.ts";
import { shellWord } from "./shellWord.ts";
import type { TuneAnswer } from "./tuneAnswer.ts";

/** A narrower configuration whose best learning rate is the larger one's. */
export interface TuneProxy {
  /** Of the larger configuration: `path=value` that make it narrower. */
  readonly settings: readonly string[];
  readonly target: LanguageConfig;
}

/** How many times narrower a proxy is where there is no base width. */
const narrower = 4;

/**
 * The proxy of a larger configuration: itself at the base width (mup), or four times narrower (spectral).
 *
 * @throws ConfigError for another task, the standard parametrization, or widths that don't divide
 */
export async function proxyOf(reference: string, set: readonly string[], home: string): Promise<TuneProxy> {
  const target = await loadConfig(reference, set, (start) => openStart(start, home, warn));
  if (target.task !== "language")
    throw new ConfigError(`--for ${reference}: task ${target.task}: expected a language model`);
  const { parametrization = "standard", modelDim, baseDim, baseHeadDim, headDim, numHeads } = target.model;
  if (parametrization === "standard")
    throw new ConfigError(
      `--for ${reference}: model.parametrization standard: its best learning rate goes with the width; expected mup or spectral`,
    );
  const width = parametrization === "mup" ? baseDim! : modelDim / narrower;
  if (!Number.isInteger(width) || width >= modelDim)
    throw new ConfigError(
      `--for ${reference}: model.modelDim ${modelDim}: expected ${parametrization === "mup" ? `more than model.baseDim ${baseDim}` : `a multiple of ${narrower}`}, to have a narrower proxy`,
    );
  const ownHead = headDim ?? modelDim / numHeads;
  const grow = parametrization === "mup" && baseHeadDim !== ownHead ? "head-size" : "heads";
  const { model } = configAtWidth(target, width, grow);
  const names = ["modelDim", "numHeads", "numKvHeads", "headDim", "mlpDim"] as const;
  return {
    target,
    settings: names.flatMap((name) =>
      model[name] === undefined || model[name] === target.model[name] ? [] : [`model.${name}=${model[name]}`],
    ),
  };
}

/** Widths of a proxy's configuration and of its target. */
export function proxyWidths(
  proxy: TrainConfig,
  { target }: TuneProxy,
): readonly [proxy: number, target: number] {
  return [(proxy as LanguageConfig).model.modelDim, target.model.modelDim];
}

/** The learning rate of the larger configuration. */
export interface TargetAnswer {
  readonly learningRate: Estimate;
  /** Share of the target's operations that all runs of the tuning took. */
  readonly costShare: number;
  readonly proxyFlops: number;
  readonly targetFlops: number;
  readonly widths: readonly [proxy: number, target: number];
  readonly command: string;
  readonly note: string;
}

function stepFlops(config: LanguageConfig): number {
  const { batchSize, length, accumulate } = config.training;
  const vocabulary = vocabularySize(config);
  return flopsPerToken(resolveModel(config, vocabulary), length) * batchSize * length * accumulate;
}

/**
 * What the proxy's answer says of the target: the same rate, with an interval of the tuning's and of what transfer missed by in the experiment.
 */
export function targetAnswer(
  answer: TuneAnswer,
  proxy: TrainConfig,
  own: TuneProxy,
  reference: string,
  set: readonly string[],
): TargetAnswer {
  const { target } = own;
  const narrow = proxy as LanguageConfig;
  const { parametrization = "standard" } = target.model;
  const spread = transferSpread(target.optimizer.kind, parametrization);
  const { value, low, high } = answer.learningRate;
  // Both are errors of the logarithm, and independent.
  const carried = 1.645 * spread.deviation;
  const up = Math.hypot(Math.log(high / value), carried);
  const down = Math.hypot(Math.log(value / low), carried);
  const rate = { value, low: value * Math.exp(-down), high: value * Math.exp(up) };
  const proxyFlops = (answer.runs + answer.diverged) * answer.steps * stepFlops(narrow);
  const targetFlops = target.training.steps * stepFlops(target);
  const tuned = `optimizer.learningRate=${Number(value.toPrecision(3))}`;
  const kept = set.filter((one) => !one.startsWith("optimizer.learningRate="));
  const beside = answer.train.find((one) => one.startsWith("optimizer.adamw.learningRate="));
  const settings = [...kept, tuned, ...(beside === undefined ? [] : [beside])];
  return {
    learningRate: rate,
    costShare: proxyFlops / targetFlops,
    proxyFlops,
    targetFlops,
    widths: proxyWidths(proxy, own),
    command: commandLine(
      ["train", reference, ...settings.flatMap((one) => ["--set", one])].map(shellWord).join(" "),
    ),
    note: `${spread.note}${answer.steps < target.training.steps ? `; the proxy's runs had ${answer.steps} of ${target.training.steps} steps, and longer runs want a smaller rate` : ""}`,
  };
}

export function targetText({
  learningRate,
  widths,
  proxyFlops,
  targetFlops,
  costShare,
  command,
  note,
}: TargetAnswer): string {
  const percent = `${short(100 * costShare, 2)} %`;
  return [
    `At width ${widths[1]}, from the proxy of width ${widths[0]}: ${short(learningRate.value)}, 90 % interval ${short(learningRate.low)} to ${short(learningRate.high)} (${note}).`,
    `The proxy's runs took ${compactNumber(proxyFlops)} operations, ${percent} of the ${compactNumber(targetFlops)} of one training of the target.`,
    `train it: ${command}`,
  ].join("\n");
}

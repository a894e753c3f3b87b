import type { Device } from "../compile/index.ts";
import { fineTuning, loadConfig, overridesOf, type TrainConfig } from "../config/index.ts";
import type { Image } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { openStart } from "../exchange/index.ts";
import type { BranchOptions } from "../optim/index.ts";
import { RunStore } from "../runs/index.ts";
import { importOwnTask } from "../tasks/index.ts";
import { continuedConfig, type TrainResult, trainRun } from "../train/index.ts";
import { commandLine } from "./commandLine.ts";
import { consoleReporter, describeEvaluation } from "./consoleReporter.ts";
import { dryRun } from "./dryRun.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { drawCurves } from "./lossCurve.ts";
import { out, warn } from "./print.ts";
import { isColorSupported, style } from "./style.ts";
import { showImage } from "./terminalImage.ts";
import { uiBeside } from "./uiBeside.ts";

export interface TrainFlags {
  readonly set: readonly string[];
  readonly from?: string;
  readonly lora?: number | true;
  readonly adapter?: string;
  readonly continue?: string;
  readonly steps?: number;
  readonly decay?: BranchOptions["shape"];
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly timed?: boolean;
  readonly name?: string;
  readonly noiseScale?: number | true;
  readonly device?: Device;
  readonly home: string;
  readonly ui?: number | true;
  readonly json?: boolean;
  readonly task?: string;
}

/** A measurement costs about as much as the gradient of a step: every 40th is about 2 % of the time. */
const defaultNoiseScaleEvery = 40;

/** PEFT's. */
const defaultRank = 8;

/** `rotor train`. @returns the exit code */
export async function trainCommand(reference: string | undefined, flags: TrainFlags): Promise<number> {
  if (flags.task !== undefined && flags.resume === undefined && flags.continue === undefined)
    throw new ConfigError("--task: is for --resume and --continue; a configuration names its module itself");
  if (flags.continue === undefined && (flags.steps ?? flags.decay) !== undefined)
    throw new ConfigError("--steps, --decay: expected --continue beside them; or --set training.steps=…");
  if (flags.resume !== undefined) {
    const { from, continue: continued } = flags;
    const { set, noiseScale, name, lora, adapter } = flags;
    const others = [reference, set[0], noiseScale, name, flags.dryRun, from, continued, lora, adapter];
    if (others.some((other) => other !== undefined)) {
      throw new ConfigError(
        "--resume: continues a run with its own configuration; expected no config, --set, --noise-scale, --name, --from, --lora, --adapter, --continue or --dry-run",
      );
    }
    const resume = flags.resume === true ? "latest" : flags.resume;
    return report(await runWithReporter({ resume }, flags), flags);
  }
  if (reference === undefined && flags.from === undefined && flags.continue === undefined)
    throw new ConfigError("train: expected a preset or a configuration file, --from, --continue or --resume");
  const noiseScaleEvery = flags.noiseScale === true ? defaultNoiseScaleEvery : flags.noiseScale;
  const overrides = [
    ...flags.set,
    ...(flags.name === undefined ? [] : [`name=${JSON.stringify(flags.name)}`]),
    ...(flags.device === undefined ? [] : [`training.device=${flags.device}`]),
    ...(flags.lora === undefined ? [] : [`lora.rank=${flags.lora === true ? defaultRank : flags.lora}`]),
    ...(flags.adapter === undefined ? [] : [`lora.from=${JSON.stringify(flags.adapter)}`]),
    ...(noiseScaleEvery === undefined ? [] : [`training.noiseScaleEvery=${noiseScaleEvery}`]),
  ];
  const config =
    flags.continue === undefined
      ? await configOf(reference, overrides, flags)
      : continuation(reference, flags.continue, overrides, flags);
  if (flags.timed === true && flags.dryRun !== true)
    throw new ConfigError("--timed: expected --dry-run beside it");
  if (flags.dryRun === true) {
    await dryRun(config, flags.home, flags.timed === true);
    return 0;
  }
  return report(await runWithReporter({ config }, flags), flags);
}

/** The configuration of a training from the beginning, or from a model. @throws ConfigError */
async function configOf(
  reference: string | undefined,
  overrides: readonly string[],
  { from, home }: TrainFlags,
): Promise<TrainConfig> {
  const begun = from === undefined ? overrides : [`from=${JSON.stringify(from)}`, ...overrides];
  if (reference === undefined && !overrides.some((one) => one.startsWith("data.source=")))
    throw new ConfigError(
      "--from: expected what to train on, for example --set data.source=texts.jsonl, or a configuration",
    );
  const isLora = overrides.some((one) => one.startsWith("lora."));
  return loadConfig(reference ?? fineTuning(isLora), begun, (start) => openStart(start, home, warn));
}

/** The configuration of a run that goes on with another. @throws ConfigError */
function continuation(
  reference: string | undefined,
  run: string,
  overrides: readonly string[],
  { steps, decay, home, from }: TrainFlags,
): TrainConfig {
  if (reference !== undefined || from !== undefined)
    throw new ConfigError(
      `--continue ${run}: goes on with the run's own configuration; expected no config and no --from`,
    );
  if (steps === undefined)
    throw new ConfigError(`--continue ${run}: expected --steps as well, how many more to do`);
  const { name, ...others } = overridesOf(overrides);
  return continuedConfig({
    run,
    steps,
    decay: decay ?? null,
    overrides: others,
    home,
    warn,
    ...(name === undefined ? {} : { name: String(name) }),
  });
}

async function runWithReporter(
  what: { config: TrainConfig } | { resume: string },
  flags: TrainFlags,
): Promise<TrainResult> {
  // With --json only the result goes to standard output.
  let logEvery = "config" in what ? what.config.training.logEvery : 10;
  const shown = consoleReporter(flags.json === true ? process.stderr : process.stdout, () => logEvery);
  let last: Image | null = null;
  await using _page = flags.ui === undefined ? null : await uiBeside(flags.home, flags.ui);
  const result = await trainRun({
    ...what,
    ...(flags.task !== undefined && { task: await importOwnTask(flags.task) }),
    home: flags.home,
    ...(flags.device !== undefined && { device: flags.device }),
    signal: interruptSignal("stopping after this step"),
    reporter: {
      ...shown,
      start(info) {
        logEvery = info.config.training.logEvery;
        shown.start?.(info);
      },
      picture(step, image, file) {
        last = image;
        shown.picture?.(step, image, file);
      },
    },
  });
  if (last !== null && flags.json !== true) await showImage(last);
  return result;
}

function report(result: TrainResult, { json, home }: TrainFlags): number {
  const { run, validation, verdict } = result;
  const config = run.config as TrainConfig;
  if (json === true) {
    out(`${JSON.stringify({ ...result, run: { id: run.id, name: run.name, directory: run.directory } })}`);
    return result.status === "finished" ? 0 : 130;
  }
  if (result.status === "interrupted") {
    out(`stopped after step ${result.step}; continue with: ${commandLine(`train --resume ${run.id}`)}`);
    return 130;
  }
  using store = new RunStore(home, { readOnly: true });
  out("");
  out(style.bold("loss"));
  out(drawCurves([store.metric(run.id, "loss")], { colour: isColorSupported }));
  out("");
  if (validation !== null) {
    out(style.bold(`final validation loss ${describeEvaluation(validation)}`));
    const { expectedLoss } = config;
    if (expectedLoss === null) out("expected loss: not measured for this configuration");
    else {
      out(
        `expected ${expectedLoss.mean} ± ${expectedLoss.spread} (${expectedLoss.seeds} seeds): ` +
          (verdict === "inside" ? "inside the band" : `${verdict} the band`),
      );
    }
  }
  out(`run ${run.id} in ${run.directory}`);
  const hint = {
    language: `sample more with: ${commandLine(`sample ${run.id} --prompt "..."`)}`,
    autoencoder: `see how codes are used with: ${commandLine(`codebook ${run.id}`)}`,
    codes: `draw more images with: ${commandLine(`sample ${run.id} --out samples.png`)}`,
    own: `its checkpoints are safetensors: ${result.checkpoint}`,
  };
  out(style.dim(hint[config.task]));
  return 0;
}

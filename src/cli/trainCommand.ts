import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import picocolors from "picocolors";
import { stringify } from "yaml";
import type { Image } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { describePartition, muonScale } from "../optim/index.ts";
import { RunStore } from "../runs/index.ts";
import {
  buildOptimizer,
  loadConfig,
  openTask,
  StepRunner,
  type TrainConfig,
  type TrainResult,
  trainRun,
} from "../train/index.ts";
import { consoleReporter, describeEvaluation } from "./consoleReporter.ts";
import { bytes, compactNumber, duration, table } from "./format.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { drawCurves } from "./lossCurve.ts";
import { showImage } from "./terminalImage.ts";

export interface TrainFlags {
  readonly set: readonly string[];
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly name?: string;
  readonly noiseScale?: number | true;
  readonly home: string;
  readonly json?: boolean;
}

/** A measurement costs about as much as the gradient of a step: every tenth is within a tenth of the time. */
const defaultNoiseScaleEvery = 10;

/** `rotor train`. @returns the exit code */
export async function trainCommand(reference: string | undefined, flags: TrainFlags): Promise<number> {
  if (flags.resume !== undefined) {
    const others = [reference, flags.set[0], flags.noiseScale, flags.name, flags.dryRun];
    if (others.some((other) => other !== undefined)) {
      throw new ConfigError(
        "--resume: continues a run with its own configuration; expected no config, --set, --noise-scale, --name or --dry-run",
      );
    }
    const resume = flags.resume === true ? "latest" : flags.resume;
    return report(await runWithReporter({ resume }, flags), flags);
  }
  if (reference === undefined)
    throw new ConfigError("train: expected a preset or a configuration file, or --resume");
  const noiseScaleEvery = flags.noiseScale === true ? defaultNoiseScaleEvery : flags.noiseScale;
  const overrides = [
    ...flags.set,
    ...(flags.name === undefined ? [] : [`name=${JSON.stringify(flags.name)}`]),
    ...(noiseScaleEvery === undefined ? [] : [`training.noiseScaleEvery=${noiseScaleEvery}`]),
  ];
  const config = await loadConfig(reference, overrides);
  if (flags.dryRun === true) {
    await dryRun(config, flags.home);
    return 0;
  }
  return report(await runWithReporter({ config }, flags), flags);
}

async function runWithReporter(
  what: { config: TrainConfig } | { resume: string },
  flags: TrainFlags,
): Promise<TrainResult> {
  // With --json only the result goes to standard output.
  let logEvery = "config" in what ? what.config.training.logEvery : 10;
  const shown = consoleReporter(flags.json === true ? process.stderr : process.stdout, () => logEvery);
  let last: Image | null = null;
  const result = await trainRun({
    ...what,
    home: flags.home,
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
    process.stdout.write(
      `${JSON.stringify({ ...result, run: { id: run.id, name: run.name, directory: run.directory } })}\n`,
    );
    return result.status === "finished" ? 0 : 130;
  }
  const out = (text: string) => process.stdout.write(`${text}\n`);
  if (result.status === "interrupted") {
    out(`stopped after step ${result.step}; continue with: rotor train --resume ${run.id}`);
    return 130;
  }
  using store = new RunStore(home);
  out("");
  out(picocolors.bold("loss"));
  out(drawCurves([store.metric(run.id, "loss")], { colour: picocolors.isColorSupported }));
  out("");
  if (validation !== null) {
    out(picocolors.bold(`final validation loss ${describeEvaluation(validation)}`));
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
    language: `sample more with: rotor sample ${run.id} --prompt "..."`,
    autoencoder: `see how codes are used with: rotor codebook ${run.id}`,
    codes: `draw more images with: rotor sample ${run.id} --out samples.png`,
  };
  out(picocolors.dim(hint[config.task]));
  return 0;
}

const timedSteps = 3;

/** Prints what a run would be: configuration, sizes, where each parameter goes, time per step. */
async function dryRun(config: TrainConfig, home: string): Promise<void> {
  const out = (text: string) => process.stdout.write(`${text}\n`);
  out(stringify(config).trimEnd());
  // Nothing is kept: the token files go to a temporary folder.
  const scratch = mkdtempSync(path.join(tmpdir(), "rotor-"));
  try {
    // The codes of a run are where the run is.
    using task = await openTask(config, config.task === "codes" ? home : scratch);
    const { facts, itemsPerBatch, flopsPerBatch } = task;
    const optimizer = buildOptimizer(config);
    const { training } = config;
    const { steps, accumulate } = training;
    const { total } = facts.parameters;
    out("");
    if (facts.kind === "language") {
      out(
        `parameters      ${compactNumber(total)} (${total}), without embedding and head ${compactNumber(facts.parameters.nonEmbedding)}`,
      );
      out(`FLOPs per token ${compactNumber(flopsPerBatch / itemsPerBatch)}`);
      out(
        `data            ${compactNumber(facts.trainTokens)} tokens for training, ${compactNumber(facts.validationTokens)} for validation`,
      );
    } else if (facts.kind === "codes") {
      out(
        `parameters      ${compactNumber(total)} (${total}), without embedding and head ${compactNumber(facts.parameters.nonEmbedding)}`,
      );
      out(`FLOPs per code  ${compactNumber(flopsPerBatch / itemsPerBatch)}`);
      out(
        `data            ${facts.trainImages} images of ${facts.codesPerImage} codes for training, ${facts.validationImages} for validation`,
      );
    } else {
      const { latent } = facts.model;
      out(`parameters      ${compactNumber(total)} (${total})`);
      out(`FLOPs per image ${compactNumber(flopsPerBatch / itemsPerBatch)}`);
      out(
        `codes           ${facts.codebookSizes.join(" + ") || "none"}; ${latent.height} × ${latent.width} vectors of ${latent.dim} per image`,
      );
      out(
        `data            ${facts.trainImages} images for training, ${facts.validationImages} for validation`,
      );
    }
    out(`epochs          ${task.epochs(steps * accumulate).toFixed(2)}`);
    const runner = new StepRunner(task, optimizer, training);
    using state = await runner.init();
    const sum = accumulate === 1 ? "" : `, and ${bytes(runner.sumBytes)} for the sum of gradients`;
    const variables = facts.kind === "autoencoder" ? ", codes" : "";
    out(`state           ${bytes(2 * state.byteLength)} (parameters and optimizer${variables}, twice)${sum}`);
    out("");
    const params = state.leaves().params;
    out(
      table([
        ["parameter", "shape", "optimizer", "scale", "decay", "why", "read as"],
        ...describePartition(params, optimizer.rule).map(({ path: name, shape, group, reason, reading }) => [
          name,
          shape.join(" × "),
          group,
          group === "muon" && config.optimizer.kind === "muon"
            ? muonScale(config.optimizer.scale ?? "keller-jordan", shape[0]!, shape[1]!).toPrecision(3)
            : "",
          optimizer.decayOf(name, shape),
          reason,
          reading,
        ]),
      ]),
    );
    out("");
    const start = performance.now();
    await runner.prepare(state);
    out(`compiling       ${((performance.now() - start) / 1000).toFixed(2)} s`);
    const times: number[] = [];
    for (let i = 0; i <= timedSteps; i++) {
      const begin = performance.now();
      await runner.run(state, i);
      if (i > 0) times.push(performance.now() - begin);
    }
    const median = times.sort((a, b) => a - b)[Math.floor(timedSteps / 2)]!;
    out(`time per step   ${median.toFixed(0)} ms (median of ${timedSteps})`);
    out(`time for ${steps} steps  ${duration((median * steps) / 1000)}`);
    out(`memory          ${bytes(process.resourceUsage().maxRSS * 1024)} resident at most so far`);
    await runner.dispose();
    await task.close();
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

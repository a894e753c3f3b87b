import picocolors from "picocolors";
import type { Reporter, StepInfo } from "../train/index.ts";
import { compactNumber, duration } from "./format.ts";

const liveIntervalMs = 100;

/** Shows training to a person: one live line on a terminal, plain lines every so many steps elsewhere. */
export function consoleReporter(output: NodeJS.WriteStream, logEvery: () => number): Reporter {
  const live = output.isTTY === true;
  let isLineOpen = false;
  let lastShown = 0;
  const line = (text: string) => {
    output.write(`${isLineOpen ? "\r\x1b[K" : ""}${text}\n`);
    isLineOpen = false;
  };
  const describe = (info: StepInfo) =>
    [
      `step ${String(info.step).padStart(String(info.numSteps).length)}/${info.numSteps}`,
      `loss ${info.smoothLoss.toFixed(4)}`,
      `lr ${info.learningRate.toPrecision(3)}`,
      ...(info.gradNorm === null ? [] : [`|g| ${info.gradNorm.toPrecision(3)}`]),
      ...(info.noiseScale === null ? [] : [`B_simple ${info.noiseScale.toPrecision(3)}`]),
      `${compactNumber(info.tokensPerSecond)} tokens/s`,
      `${(100 * info.peakShare).toFixed(0)}% of peak`,
      `${duration(info.elapsedSeconds)} < ${duration(info.remainingSeconds)}`,
    ].join("  ");
  return {
    start(info) {
      const { parameters, config } = info;
      const { accumulate } = config.training;
      const batches = accumulate === 1 ? "" : `${accumulate} × `;
      line(picocolors.bold(`${info.run.name}  ${picocolors.dim(info.run.id)}`));
      line(
        `${compactNumber(parameters.total)} parameters (${compactNumber(parameters.nonEmbedding)} without embedding and head), ` +
          `${config.optimizer.kind}, ${batches}${config.training.batchSize} × ${config.training.length} tokens a step`,
      );
      line(
        `${compactNumber(info.trainTokens)} tokens to train on, ${compactNumber(info.validationTokens)} kept for validation, ` +
          `from ${info.numDocuments} documents`,
      );
      line(
        `one step is ${compactNumber(info.flopsPerToken * accumulate * config.training.batchSize * config.training.length)} FLOPs; ` +
          `matrix products reach ${compactNumber(info.matmulPeak)} FLOP/s here; compiled in ${info.compileSeconds.toFixed(1)} s`,
      );
      if (info.fromStep > 0) line(`continuing after step ${info.fromStep}`);
    },
    step(info) {
      const now = performance.now();
      const isLast = info.step === info.numSteps;
      if (live && (now - lastShown > liveIntervalMs || isLast)) {
        output.write(`\r\x1b[K${describe(info)}`);
        isLineOpen = true;
        lastShown = now;
      } else if (!live && (info.step % logEvery() === 0 || isLast || info.step === 1)) {
        line(describe(info));
      }
    },
    evaluation(info) {
      line(
        picocolors.green(
          `step ${info.step}  validation loss ${info.loss.toFixed(4)} nats  ${info.bitsPerByte.toFixed(3)} bits per byte`,
        ),
      );
    },
    sample(step, text) {
      line(picocolors.dim(`step ${step}  sample:`));
      line(text);
    },
    checkpoint(step) {
      if (!live) line(picocolors.dim(`step ${step}  checkpoint saved`));
    },
    note(message) {
      line(picocolors.yellow(`rotor: ${message}`));
    },
  };
}

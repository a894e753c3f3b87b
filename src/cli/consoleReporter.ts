import type { EvaluationInfo, Reporter, StartInfo, StepInfo } from "../train/index.ts";
import { compactNumber, duration } from "./format.ts";
import { clearLine, print } from "./print.ts";
import { style } from "./style.ts";

const liveIntervalMs = 100;

/** Model, optimizer and data of a run, in two lines. */
function describeTask({ task, config, item }: StartInfo): string[] {
  const { optimizer, training } = config;
  const batches = training.accumulate === 1 ? "" : `${training.accumulate} × `;
  if (task.kind === "autoencoder") {
    const { parameters, model, codebookSizes } = task;
    const { latent } = model;
    const sizes = codebookSizes.map((size) => size.toLocaleString("en")).join(" + ");
    const codes = codebookSizes.length === 0 ? "no quantizer" : `${sizes} codes`;
    return [
      `${compactNumber(parameters.total)} parameters, ${codes}, ${latent.height} × ${latent.width} vectors of ${latent.dim} per image, ` +
        `${optimizer.kind}, ${batches}${training.batchSize} images a step`,
      `${compactNumber(task.trainImages)} images to train on, ${compactNumber(task.validationImages)} kept for validation`,
    ];
  }
  if (task.kind === "codes") {
    const { parameters, codesPerImage, numClasses } = task;
    const classes = numClasses === 0 ? "" : `, in ${numClasses} classes`;
    return [
      `${compactNumber(parameters.total)} parameters (${compactNumber(parameters.nonEmbedding)} without embedding and head), ` +
        `${optimizer.kind}, ${batches}${training.batchSize} images of ${codesPerImage} codes a step`,
      `codes of run ${task.run}: ${compactNumber(task.trainImages)} images to train on, ${compactNumber(task.validationImages)} kept for validation${classes}`,
    ];
  }
  if (task.kind === "own") {
    const examples =
      task.trainExamples === null ? "examples without end" : `${compactNumber(task.trainExamples)} examples`;
    return [
      `${compactNumber(task.parameters.total)} parameters, ${optimizer.kind}, ${batches}${training.batchSize} examples a step`,
      `${examples} to train on, ${compactNumber(task.validationExamples)} kept for validation`,
    ];
  }
  const { parameters, trainedParameters: trained } = task;
  const parts =
    trained === parameters.total
      ? `${compactNumber(parameters.nonEmbedding)} without embedding and head`
      : `${compactNumber(trained)} trained, ${((100 * trained) / parameters.total).toPrecision(2)} %`;
  const { length } = { length: 1, ...training };
  return [
    `${compactNumber(parameters.total)} parameters (${parts}), ` +
      `${optimizer.kind}, ${batches}${training.batchSize} × ${length} ${item} a step`,
    `${compactNumber(task.trainTokens)} tokens to train on, ${compactNumber(task.validationTokens)} ${task.hasOwnSplit ? "of its validation split" : "kept for validation"}, ` +
      `from ${task.numDocuments} ${task.numDocuments === 1 ? "document" : "documents"}`,
  ];
}

function describeCodes({ usage, perplexity, deadCodes }: StepInfo["metrics"]): string[] {
  if (usage === undefined || perplexity === undefined) return [];
  return [`perplexity ${perplexity.toFixed(0)}`, `${(100 * usage).toFixed(0)}% used, ${deadCodes} dead`];
}

/** A validation in words; quantities that a task doesn't have are left out. */
export function describeEvaluation({ loss, metrics }: EvaluationInfo): string {
  const {
    bitsPerByte,
    bitsPerCode,
    psnr,
    ssim,
    validationUsage: usage,
    validationPerplexity: perplexity,
  } = metrics;
  if (bitsPerByte !== undefined)
    return `${loss.toFixed(4)} nats per token, ${bitsPerByte.toFixed(3)} bits per byte`;
  if (bitsPerCode !== undefined)
    return `${loss.toFixed(4)} nats per code, ${bitsPerCode.toFixed(3)} bits per code`;
  return [
    `${loss.toFixed(5)} mean squared error`,
    ...(psnr === undefined ? [] : [`${psnr.toFixed(2)} dB PSNR`]),
    ...(ssim === undefined ? [] : [`${ssim.toFixed(3)} SSIM`]),
    ...(usage === undefined ? [] : [`${(100 * usage).toFixed(1)} % of the codes used`]),
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toFixed(1)}`]),
  ].join(", ");
}

/** A line of parts without those, of the highest ranks, that there is no room for. */
function fitted(parts: readonly (readonly [rank: number, text: string])[], width: number): string {
  let kept = parts;
  const joined = () => kept.map(([, text]) => text).join("  ");
  while (kept.length > 1 && joined().length > width) {
    const highest = Math.max(...kept.map(([rank]) => rank));
    kept = kept.filter(([rank]) => rank < highest);
  }
  return joined().slice(0, width);
}

/** Shows training to a person: one live line on a terminal, plain lines every so many steps elsewhere. */
export function consoleReporter(output: NodeJS.WriteStream, logEvery: () => number): Reporter {
  const live = output.isTTY === true;
  let isLineOpen = false;
  let lastShown = 0;
  let item = "";
  const line = (text: string) => {
    print(`${isLineOpen ? clearLine : ""}${text}\n`, output);
    isLineOpen = false;
  };
  const describe = (info: StepInfo, width = Number.POSITIVE_INFINITY) =>
    fitted(
      [
        [0, `step ${String(info.step).padStart(String(info.numSteps).length)}/${info.numSteps}`],
        [1, `loss ${info.smoothLoss.toFixed(4)}`],
        [6, `lr ${info.learningRate.toPrecision(3)}`],
        ...(info.gradNorm === null ? [] : [[5, `|g| ${info.gradNorm.toPrecision(3)}`] as const]),
        ...(info.noiseScale === null ? [] : [[7, `B_simple ${info.noiseScale.toPrecision(3)}`] as const]),
        ...describeCodes(info.metrics).map((text) => [8, text] as const),
        [3, `${compactNumber(info.itemsPerSecond)} ${item}/s`],
        [4, `${(100 * info.peakShare).toFixed(0)}% of peak`],
        [2, `${duration(info.elapsedSeconds)} < ${duration(info.remainingSeconds)}`],
      ],
      width,
    );
  return {
    start(info) {
      item = info.item;
      line(style.bold(`${info.run.name}  ${style.dim(info.run.id)}`));
      for (const text of describeTask(info)) line(text);
      line(
        `one step is ${compactNumber(info.flopsPerStep)} FLOPs; ` +
          `matrix products reach ${compactNumber(info.matmulPeak)} FLOP/s here; compiled in ${info.compileSeconds.toFixed(1)} s`,
      );
      if (info.fromStep > 0) line(`continuing after step ${info.fromStep}`);
    },
    step(info) {
      const now = performance.now();
      const isLast = info.step === info.numSteps;
      if (live && (now - lastShown > liveIntervalMs || isLast)) {
        // A line that wraps could not be written over.
        print(`${clearLine}${describe(info, (output.columns || 80) - 1)}`, output);
        isLineOpen = true;
        lastShown = now;
      } else if (!live && (info.step % logEvery() === 0 || isLast || info.step === 1)) {
        line(describe(info));
      }
    },
    evaluation(info) {
      line(style.green(`step ${info.step}  validation loss ${describeEvaluation(info)}`));
    },
    sample(step, text) {
      line(style.dim(`step ${step}  sample:`));
      line(text);
    },
    picture(step, _image, file) {
      line(style.dim(`step ${step}  drew ${file}`));
    },
    checkpoint(step) {
      if (!live) line(style.dim(`step ${step}  checkpoint saved`));
    },
    note(message) {
      line(style.yellow(`rotor: ${message}`));
    },
  };
}

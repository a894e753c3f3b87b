import { stringify } from "yaml";
import { flattenShapes } from "../checkpoint/index.ts";
import {
  adaptationOf,
  adaptedFlopsPerToken,
  buildOptimizer,
  type LanguageConfig,
  resolveModel,
  type TrainConfig,
  transformerShapes,
} from "../config/index.ts";
import {
  byteTokenizer,
  corpusNames,
  readDocuments,
  readTokenizer,
  scratchFolder,
  sourceFiles,
} from "../data/index.ts";
import { inGigabytes, memoryLimit } from "../memoryBudget.ts";
import { countParameters } from "../nn/index.ts";
import { describePartition } from "../optim/index.ts";
import { leastBytes, type ModelFacts, openTask, StepRunner, trainingMemory } from "../train/index.ts";
import { bytes, compactNumber, duration, table } from "./format.ts";
import { out } from "./print.ts";

const timedSteps = 3;

const parameterLine = (total: number, nonEmbedding?: number) =>
  `parameters      ${compactNumber(total)} (${total})${nonEmbedding === undefined ? "" : `, without embedding and head ${compactNumber(nonEmbedding)}`}`;

/** Ids of a configuration's tokenizer, without the texts that it may be learned from. */
export function vocabularySize({ model, data }: LanguageConfig): number {
  if (model.vocabSize !== undefined) return model.vocabSize;
  if (data.tokenizer === "bytes") return byteTokenizer().vocabSize;
  return typeof data.tokenizer === "string" ? readTokenizer(data.tokenizer).vocabSize : data.tokenizer.bpe;
}

/** What there is to train on; corpora aren't fetched for it, and of files only the first document is read. */
async function describeTexts({ data }: LanguageConfig): Promise<string> {
  const items = [data.source].flat();
  const own = items.filter((item) => !(corpusNames as readonly string[]).includes(item));
  if (own.length === 0) return items.join(", ");
  const files = sourceFiles({ ...data, source: own });
  for await (const _ of readDocuments(files.slice(0, 1), data)) break;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const kept = files.filter(({ split }) => split === "validation").length;
  const split = kept === 0 ? "" : `, ${kept} of them the validation split`;
  return `${items.join(", ")}: ${files.length} file${files.length === 1 ? "" : "s"} of ${bytes(size)}${split}`;
}

/** Sizes of a language model; the texts aren't read. */
async function describeLanguage(config: LanguageConfig): Promise<ModelFacts> {
  const model = resolveModel(config, vocabularySize(config));
  const { total, nonEmbedding } = countParameters(model);
  const texts = await describeTexts(config);
  out(parameterLine(total, nonEmbedding));
  const adaptation = adaptationOf(config, flattenShapes(transformerShapes(model)));
  const flops = adaptedFlopsPerToken(model, config.training.length, adaptation);
  out(`FLOPs per token ${compactNumber(flops)}`);
  out(`data            ${texts}, read with --timed and in training`);
  return { kind: "language", model };
}

/** Sizes of a model of another task, whose data say what it is. */
async function describeTask(config: TrainConfig, home: string): Promise<ModelFacts> {
  using task = await openTask(config, home);
  const { facts, itemsPerBatch, flopsPerBatch } = task;
  const perItem = compactNumber(flopsPerBatch / itemsPerBatch);
  const { steps, accumulate } = config.training;
  if (facts.kind === "autoencoder") {
    const { latent } = facts.model;
    out(parameterLine(facts.parameters.total));
    out(`FLOPs per image ${perItem}`);
    out(
      `codes           ${facts.codebookSizes.join(" + ") || "none"}; ${latent.height} × ${latent.width} vectors of ${latent.dim} per image`,
    );
    out(`data            ${facts.trainImages} images for training, ${facts.validationImages} for validation`);
  } else if (facts.kind === "own") {
    const { trainExamples, validationExamples } = facts;
    out(parameterLine(facts.parameters.total));
    out(
      `data            ${trainExamples ?? "endless"} examples for training, ${validationExamples} for validation`,
    );
  } else {
    out(parameterLine(facts.parameters.total, facts.parameters.nonEmbedding));
    out(`FLOPs per code  ${perItem}`);
    if (facts.kind === "codes")
      out(
        `data            ${facts.trainImages} images of ${facts.codesPerImage} codes for training, ${facts.validationImages} for validation`,
      );
  }
  out(`epochs          ${task.epochs(steps * accumulate).toFixed(2)}`);
  await task.close();
  return facts;
}

/** Prints what a run would be: configuration, sizes, where each parameter goes. Nothing of the model is made, unless steps are timed. */
export async function dryRun(config: TrainConfig, home: string, isTimed: boolean): Promise<void> {
  out(stringify(config).trimEnd());
  out("");
  const facts =
    config.task === "language" ? await describeLanguage(config) : await describeTask(config, home);
  const optimizer = buildOptimizer(config);
  const memory = trainingMemory(config, facts);
  const { accumulate } = config.training;
  const sum = accumulate === 1 ? "" : `, and ${bytes(2 * memory.parameterBytes)} for the sum of gradients`;
  const variables = facts.kind === "autoencoder" ? ", codes" : "";
  if (memory.frozenBytes > 0)
    out(
      `trained         ${compactNumber(memory.parameterBytes / 4)} (${memory.parameterBytes / 4}); ${compactNumber(memory.frozenBytes / 4)} are frozen`,
    );
  out(`state           ${bytes(2 * memory.stateBytes)} (parameters and optimizer${variables}, twice)${sum}`);
  const least = leastBytes(memory);
  const limit = memoryLimit();
  out(
    `memory          ${inGigabytes(least)} or more for state, gradients and logits; ${limit.reason}${least > limit.bytes ? ": it can't be trained here" : ""}`,
  );
  out("");
  const rows = describePartition(memory.params, optimizer.rule);
  out(
    table([
      [
        "parameter",
        "shape",
        "optimizer",
        ...(optimizer.parameterScale === null ? [] : ["rate ×"]),
        "scale",
        "decay",
        "why",
        "read as",
      ],
      ...rows.map(({ path: name, shape, group, reason, reading }) => [
        name,
        shape.join(" × "),
        group,
        ...(optimizer.parameterScale === null
          ? []
          : [String(Number(optimizer.parameterScale(name, shape).learningRate.toPrecision(4)))]),
        optimizer.scaleOf(name, shape)?.toPrecision(3) ?? "",
        optimizer.decayOf(name, shape),
        reason,
        reading,
      ]),
    ]),
  );
  out("");
  if (isTimed) await timeSteps(config, home);
  else out("time per step   measured with --timed, which makes the model");
}

/** Makes the model and times its steps. Nothing is kept: the token files go to a temporary folder. */
async function timeSteps(config: TrainConfig, home: string): Promise<void> {
  const scratch = scratchFolder();
  try {
    // The codes of a run are where the run is.
    using task = await openTask(config, config.task === "codes" ? home : scratch.path);
    const { facts } = task;
    const { steps, accumulate } = config.training;
    if (facts.kind === "language") {
      out(
        `tokens          ${compactNumber(facts.trainTokens)} for training, ${compactNumber(facts.validationTokens)} for validation`,
      );
      out(`epochs          ${task.epochs(steps * accumulate).toFixed(2)}`);
    }
    const runner = new StepRunner(task, buildOptimizer(config), config.training);
    using state = await runner.init();
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
    scratch[Symbol.dispose]();
  }
}

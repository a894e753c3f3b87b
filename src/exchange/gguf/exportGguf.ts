import { existsSync } from "node:fs";
import { AtomicFile, checkOutput } from "../../data/index.ts";
import { ExchangeError, OutputError } from "../../errors.ts";
import type { TransformerConfig } from "../../nn/index.ts";
import { visibleLine } from "../../visibleText.ts";
import { architecturesFor } from "../architectureFor.ts";
import { architectures } from "../architectures.ts";
import { checkDisk } from "../checkDisk.ts";
import type { Exported } from "../exportHuggingFace.ts";
import { type ModelChoice, openModel, parametersOf } from "../openModel.ts";
import { tokenizerFile } from "../tokenizerFile.ts";
import { type BlockTypeName, blockTypes } from "./blockTypes.ts";
import { type GgufArchitecture, ggufFields, ggufProblem } from "./ggufArchitecture.ts";
import { ggufSize, writeGguf } from "./ggufFile.ts";
import { ggufTensors } from "./ggufTensors.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";
import { string, uint32 } from "./ggufValue.ts";

export interface GgufExportOptions extends ModelChoice {
  /** Element type of matrices; vectors and tables of positions are float32. Default float32. */
  readonly type?: BlockTypeName;
}

/** `general.quantization_version`: that of the blocks that there are today. Source: ggml.h, `GGML_QNT_VERSION`. */
const quantizationVersion = 2;

/**
 * Writes a run's model as a GGUF file, which llama.cpp loads: metadata, the tokenizer, and the parameters that the run evaluates.
 *
 * @param file - must not exist; it appears whole or not at all
 * @throws ExchangeError naming the option or the part of the tokenizer that llama.cpp hasn't, and what works; OutputError if the file exists or
 *   can't be written, or if the disk hasn't the room, before anything is written
 */
export async function exportGguf(
  reference: string,
  file: string,
  { type = "float32", ...choice }: GgufExportOptions = {},
): Promise<Exported> {
  const opened = openModel(reference, choice);
  const { run, config, checkpoint, tokenizer, model, origin } = opened;
  const row = ggufFor(model, origin);
  const vocabulary = ggufTokenizer(tokenizerFile(tokenizer), tokenizer, model.vocabSize);
  checkOutput(file);
  if (existsSync(file)) throw new OutputError(`file "${file}": exists; expected a new one`);
  const { tensors, numUnfit } = ggufTensors(row, model, await parametersOf(opened), type);
  const fields = {
    "general.architecture": string(row.name),
    "general.type": string("model"),
    "general.name": string(visibleLine(config.name)),
    "general.file_type": uint32(blockTypes[type].fileType),
    "general.quantization_version": uint32(quantizationVersion),
    ...ggufFields(row, model),
    ...vocabulary.fields,
  };
  checkDisk(file, ggufSize(fields, tensors));
  using output = new AtomicFile(file);
  writeGguf(fields, tensors, (bytes) => output.write(bytes));
  output.commit();
  const unfit = `${numUnfit} matrices have rows of no whole blocks of ${blockTypes[type].blockSize} and are float16`;
  return {
    run,
    step: checkpoint.sidecar.step,
    architecture: row.name,
    output: file,
    notes: [...vocabulary.notes, ...(row.notes?.(model) ?? []), ...(numUnfit > 0 ? [unfit] : [])],
  };
}

/** The first architecture of llama.cpp that has all options. @throws ExchangeError */
export function ggufFor(model: TransformerConfig, preferred: string | null): GgufArchitecture {
  const problems: string[] = [];
  for (const { architecture } of architecturesFor(model, preferred)) {
    const { gguf, modelType } = architecture;
    if (gguf === null) {
      const others = architectures.filter((one) => one.gguf !== null).map((one) => one.modelType);
      problems.push(`${modelType}: llama.cpp has no such architecture; those of ${others.join(", ")} work`);
      continue;
    }
    const problem = ggufProblem(gguf, model);
    if (problem === null) return gguf;
    problems.push(`llama.cpp's ${gguf.name}: ${problem}`);
  }
  throw new ExchangeError(problems.join("; "));
}

import { writeFileSync } from "node:fs";
import path from "node:path";
import type { RunRecord } from "../runs/index.ts";
import { tensorName } from "./architecture.ts";
import { architectureFor, type ExpressedModel } from "./architectureFor.ts";
import { checkDisk } from "./checkDisk.ts";
import { configText } from "./configText.ts";
import { writeGenerationConfig } from "./generationConfig.ts";
import { modelCard } from "./modelCard.ts";
import { type ModelChoice, type OpenedModel, openModel, parametersOf } from "./openModel.ts";
import { checkFolder, writeFolder } from "./outputFolder.ts";
import { optimizerStateWeights } from "./pytorch/optimizerStateWeights.ts";
import { specialIds, templateConfig, tokenizerConfig, tokenizerFile } from "./tokenizerFile.ts";
import { type Weight, type WeightType, weightBytes, writeWeightFile, writeWeights } from "./weightFiles.ts";

export interface Exported {
  readonly run: RunRecord;
  readonly step: number;
  readonly architecture: string;
  /** The file or folder. */
  readonly output: string;
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
}

export interface HuggingFaceExportOptions extends ModelChoice {
  /** Element type of all weights. Default float32. */
  readonly dtype?: WeightType;
  /** Bytes of a file of weights at most. Default 5·10⁹, as of Transformers before its fifth version; a tensor is never divided. */
  readonly shardBytes?: number;
  /** Also what the optimizer remembers, for PyTorch's, as {@link optimizerFile}. Default false. */
  readonly optimizer?: boolean;
}

/** The file of an optimizer's state in an exported folder. */
export const optimizerFile = "optimizer.safetensors";

const usualShard = 5e9;

/**
 * Writes a run's model as a folder that `AutoModelForCausalLM` and `AutoTokenizer` of Transformers load: `config.json`, `model.safetensors`,
 * or shards of it, `tokenizer.json`, `tokenizer_config.json`, `generation_config.json`, a model card, and the run's configuration as `rotor.json`. The
 * parameters are those that the run evaluates. With `optimizer` they are those that it trains, in a run that evaluates others it is refused.
 *
 * @param folder - must not exist, or be empty
 * @throws ExchangeError naming the options that no architecture has, and the nearest ones; OutputError if the folder can't be written; nothing
 *   is left behind then
 */
export async function exportHuggingFace(
  reference: string,
  folder: string,
  { dtype = "float32", shardBytes = usualShard, optimizer = false, ...choice }: HuggingFaceExportOptions = {},
): Promise<Exported> {
  const opened = openModel(reference, choice);
  const { run, config, checkpoint, tokenizer, model, origin } = opened;
  const expressed = architectureFor(model, origin);
  const state = optimizer ? optimizerStateWeights(opened, expressed.architecture) : null;
  checkFolder(folder);
  const weights = await weightsOf(opened, expressed);
  checkDisk(folder, weightBytes(weights, dtype) + weightBytes(state?.weights ?? [], "float32"));
  writeFolder(folder, (temporary) => {
    const write = (name: string, json: object) =>
      writeFileSync(path.join(temporary, name), `${JSON.stringify(json, null, 2)}\n`);
    const described = { ...expressed.config, ...specialIds(tokenizer), dtype };
    writeFileSync(path.join(temporary, "config.json"), configText(described));
    write("generation_config.json", {
      ...specialIds(tokenizer),
      ...writeGenerationConfig(config.imported?.generation ?? {}),
    });
    write("tokenizer.json", tokenizerFile(tokenizer));
    write("tokenizer_config.json", {
      ...tokenizerConfig(tokenizer, model),
      ...templateConfig(checkpoint.sidecar.chatTemplate),
    });
    write("rotor.json", config);
    writeFileSync(
      path.join(temporary, "README.md"),
      modelCard(run, config, checkpoint.sidecar, expressed, dtype),
    );
    writeWeights(temporary, weights, dtype, shardBytes);
    if (state !== null)
      writeWeightFile(path.join(temporary, optimizerFile), state.weights, "float32", state.metadata);
  });
  return {
    run,
    step: checkpoint.sidecar.step,
    architecture: expressed.architecture.modelType,
    output: folder,
    notes: expressed.architecture.replacesTokenizer
      ? [
          `AutoTokenizer splits texts of ${expressed.architecture.modelType} its own way, whatever tokenizer.json says: load the tokenizer with PreTrainedTokenizerFast, as README.md does`,
        ]
      : [],
  };
}

async function weightsOf(opened: OpenedModel, { architecture }: ExpressedModel): Promise<Weight[]> {
  const parameters = await parametersOf(opened);
  return architecture.tensors(opened.model).map((rule): Weight => {
    const own = rule.paths.map((name) => parameters.get(name)!);
    const shapes = own.map(({ shape }) => shape);
    const values = own.map(({ data }) => data as Float32Array);
    return {
      name: tensorName(architecture, rule),
      shape: rule.shape(shapes),
      make: () => rule.join(values, shapes),
    };
  });
}

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseConfig } from "../../config/index.ts";
import { AtomicFile } from "../../data/index.ts";
import type { TransformerConfig } from "../../nn/index.ts";
import { RunStore } from "../../runs/index.ts";
import { architectureFor } from "../architectureFor.ts";
import { checkDisk } from "../checkDisk.ts";
import { configText } from "../configText.ts";
import type { Exported } from "../exportHuggingFace.ts";
import { writeGenerationConfig } from "../generationConfig.ts";
import { type ModelChoice, openModel, parametersOf } from "../openModel.ts";
import { checkFolder, writeFolder } from "../outputFolder.ts";
import { specialIds, tokenizerConfig, tokenizerFile } from "../tokenizerFile.ts";
import { decoderGraph } from "./decoderGraph.ts";
import { exportAutoencoder } from "./exportAutoencoder.ts";

/** Beyond it, constants go into a file of their own: a model of ONNX has at most 2 GiB. */
const mostInside = 1.5e9;

/** Where transformers.js looks for a model of float32. */
const [graphFile, dataFile] = ["onnx/model.onnx", "model.onnx_data"];

/**
 * Writes a run's model as a folder that transformers.js and onnxruntime-genai load: `onnx/model.onnx`, a decoder with past keys and values, with
 * `config.json`, `tokenizer.json`, `tokenizer_config.json`, `generation_config.json`, `genai_config.json` and the run's configuration as
 * `rotor.json`. Weights are float32. Of an autoencoder's run what {@link exportAutoencoder} writes.
 *
 * @param folder - must not exist, or be empty
 * @throws ExchangeError naming the options that no architecture has, and the nearest ones; OutputError if the folder can't be written; nothing
 *   is left behind then
 */
export async function exportOnnx(
  reference: string,
  folder: string,
  choice: ModelChoice = {},
): Promise<Exported> {
  if (taskOf(reference, choice) === "autoencoder") return exportAutoencoder(reference, folder, choice);
  const opened = openModel(reference, choice);
  const { run, config, checkpoint, tokenizer, model, origin } = opened;
  const { architecture, config: described } = architectureFor(model, origin);
  checkFolder(folder);
  const graph = decoderGraph(model, await parametersOf(opened));
  checkDisk(folder, graph.constantBytes);
  const isLarge = graph.constantBytes > mostInside;
  const { bytes, external } = graph.encode(isLarge ? dataFile : null);
  writeFolder(folder, (temporary) => {
    const place = (name: string) => path.join(temporary, name);
    const write = (name: string, json: object) =>
      writeFileSync(place(name), `${JSON.stringify(json, null, 2)}\n`);
    mkdirSync(place("onnx"));
    const large = isLarge ? { "transformers.js_config": { use_external_data_format: true } } : {};
    const special = specialIds(tokenizer);
    writeFileSync(place("config.json"), configText({ ...described, ...special, dtype: "float32", ...large }));
    write("generation_config.json", {
      ...special,
      ...writeGenerationConfig(config.imported?.generation ?? {}),
    });
    write("tokenizer.json", tokenizerFile(tokenizer));
    write("tokenizer_config.json", tokenizerConfig(tokenizer, model));
    write("genai_config.json", genaiConfig(model, architecture.modelType, tokenizer.endOfText));
    write("rotor.json", config);
    writeParts(place(graphFile), [bytes]);
    if (external !== null) writeParts(place(`onnx/${external.file}`), external.parts);
  });
  return {
    run,
    step: checkpoint.sidecar.step,
    architecture: architecture.modelType,
    output: folder,
    notes: [],
  };
}

/** The task of a run. */
function taskOf(reference: string, { home = ".rotor" }: ModelChoice): string {
  using store = new RunStore(home, { readOnly: true });
  return parseConfig(store.getRun(reference).config).task;
}

function writeParts(file: string, parts: readonly Uint8Array[]): void {
  using output = new AtomicFile(file);
  for (const part of parts) output.write(part);
  output.commit();
}

/** Names by which onnxruntime-genai 0.18 takes a decoder with these inputs; of others it says that they aren't supported. */
const genaiTypes = ["llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma3_text"];

/** What onnxruntime-genai reads of a model: the type decides how it feeds a decoder, which is the same for all of ours. */
function genaiConfig(model: TransformerConfig, type: string, endOfText: number): object {
  return {
    model: {
      bos_token_id: endOfText,
      eos_token_id: endOfText,
      pad_token_id: endOfText,
      context_length: model.maxLength,
      vocab_size: model.vocabSize,
      type: genaiTypes.includes(type) ? type : genaiTypes[0],
      decoder: {
        filename: graphFile,
        session_options: { provider_options: [] },
        head_size: model.headDim,
        hidden_size: model.modelDim,
        num_attention_heads: model.numHeads,
        num_key_value_heads: model.numKvHeads,
        num_hidden_layers: model.numLayers,
        inputs: {
          input_ids: "input_ids",
          attention_mask: "attention_mask",
          position_ids: "position_ids",
          past_key_names: "past_key_values.%d.key",
          past_value_names: "past_key_values.%d.value",
        },
        outputs: {
          logits: "logits",
          present_key_names: "present.%d.key",
          present_value_names: "present.%d.value",
        },
      },
    },
    search: { max_length: model.maxLength, past_present_share_buffer: false, do_sample: false },
  };
}

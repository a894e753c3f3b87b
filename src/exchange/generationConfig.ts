import { existsSync } from "node:fs";
import path from "node:path";
import type { ImportedGeneration } from "../config/index.ts";
import { ExchangeError } from "../errors.ts";
import { type Fields, readJsonFile } from "./configKeys.ts";

/** What a `generation_config.json` says of sampling, and what of it isn't done here, one line each. */
export interface GenerationConfig {
  readonly generation: ImportedGeneration;
  readonly notes: readonly string[];
}

/** Keys of Transformers 5.24 that don't change which token is drawn. */
const inertKeys = new Set(
  `bos_token_id eos_token_id pad_token_id decoder_start_token_id transformers_version _from_model_config max_length max_new_tokens
  use_cache cache_implementation return_dict_in_generate output_scores output_logits output_attentions output_hidden_states
  num_return_sequences assistant_early_exit cache_config compile_config disable_compile prefill_chunk_size low_memory
  return_legacy_cache is_assistant num_assistant_tokens num_assistant_tokens_schedule assistant_confidence_threshold
  prompt_lookup_num_tokens max_matching_ngram_size assistant_lookbehind target_lookbehind use_model_defaults`.split(
    /\s+/,
  ),
);

/** Values that change nothing, of keys whose others aren't done here. */
const neutral: Readonly<Record<string, readonly unknown[]>> = {
  repetition_penalty: [1],
  length_penalty: [1],
  diversity_penalty: [0],
  encoder_repetition_penalty: [1],
  no_repeat_ngram_size: [0],
  min_length: [0],
  min_new_tokens: [0],
  min_p: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  num_beams: [1],
  num_beam_groups: [1],
  early_stopping: [false],
  guidance_scale: [1],
  renormalize_logits: [false],
  remove_invalid_values: [false],
  token_healing: [false],
};

/** Other keys of Transformers 5.24 that change which token is drawn. */
const otherKeys = new Set(
  `bad_words_ids begin_suppress_tokens constraints dola_layers encoder_no_repeat_ngram_size exponential_decay_length_penalty
  force_words_ids forced_bos_token_id forced_decoder_ids forced_eos_token_id generation_kwargs max_time penalty_alpha sequence_bias
  stop_strings suppress_tokens top_h watermarking_config`.split(/\s+/),
);

/**
 * Reads `generation_config.json` of a folder: with `do_sample` its `temperature`, `top_k` and `top_p` (absent ones have the defaults of Transformers
 * 5.24), without it the likeliest token. A folder or a file that says nothing of it leaves all to `rotor sample`.
 *
 * @param endOfText - must be one of its `eos_token_id`, if it has any
 * @throws ExchangeError naming a value that is out of range, or a key that isn't Transformers'. What of its keys isn't done here is a note and no
 *   refusal: it says how a text is drawn, and nothing of what the model computes
 */
export function readGenerationConfig(folder: string, endOfText: number): GenerationConfig {
  const file = path.join(folder, "generation_config.json");
  if (!existsSync(file)) return { generation: {}, notes: [] };
  const json = readJsonFile(file);
  const fail = (key: string, expected: string): never => {
    throw new ExchangeError(`${file}: ${key} ${JSON.stringify(json[key])}: expected ${expected}`);
  };
  const eos = [json.eos_token_id ?? []].flat();
  if (eos.length > 0 && !eos.includes(endOfText))
    fail("eos_token_id", `${endOfText}, with which the tokenizer ends texts`);
  const notes: string[] = [];
  const sampling = new Set(["do_sample", "temperature", "top_k", "top_p"]);
  for (const [key, value] of Object.entries(json)) {
    if (inertKeys.has(key) || sampling.has(key) || value === null) continue;
    const known = Object.hasOwn(neutral, key) ? neutral[key] : undefined;
    if (known === undefined && !otherKeys.has(key))
      fail(key, "a key of Transformers' GenerationConfig, of which this is none");
    if (known?.includes(value) !== true)
      notes.push(
        `${file}: ${key} ${JSON.stringify(value).slice(0, 60)} isn't applied: rotor sample has temperature, top-k and top-p`,
      );
  }
  return { generation: samplingOf(json, fail), notes };
}

function samplingOf(json: Fields, fail: (key: string, expected: string) => never): ImportedGeneration {
  const { do_sample: samples, temperature, top_k: topK, top_p: topP } = json;
  if (samples !== undefined && samples !== null && typeof samples !== "boolean")
    fail("do_sample", "true or false");
  if (samples !== true) return samples === false ? { temperature: 0 } : {};
  const isNumber = (value: unknown): value is number => typeof value === "number" && value > 0;
  const given = (value: unknown) => value !== undefined && value !== null;
  if (given(temperature) && !isNumber(temperature)) fail("temperature", "a number above 0");
  if (given(topK) && !(Number.isInteger(topK) && (topK as number) >= 0)) fail("top_k", "an integer ≥ 0");
  if (given(topP) && !(isNumber(topP) && topP <= 1)) fail("top_p", "a number in (0, 1]");
  const most = given(topK) ? (topK as number) : 50;
  return {
    temperature: given(temperature) ? (temperature as number) : 1,
    // 0 keeps all.
    ...(most > 0 ? { topK: most } : {}),
    ...(given(topP) && topP !== 1 ? { topP: topP as number } : {}),
  };
}

/** The keys that {@link readGenerationConfig} reads. */
export function writeGenerationConfig({ temperature, topK, topP }: ImportedGeneration): Fields {
  if (temperature === undefined) return {};
  if (temperature === 0) return { do_sample: false };
  return { do_sample: true, temperature, top_k: topK ?? 0, ...(topP === undefined ? {} : { top_p: topP }) };
}

import { readFileSync } from "node:fs";
import { ExchangeError } from "../errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** @throws ExchangeError if the file is missing or no JSON object */
export function readJsonFile(file: string): Fields {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const problem = isMissing ? "no such file" : "is not JSON";
    throw new ExchangeError(`${file}: ${problem}`, { cause: error });
  }
  if (!isFields(json)) throw new ExchangeError(`${file}: expected a JSON object`);
  return json;
}

/** Keys that say nothing of what a model computes: where it came from, how it was trained, how it is generated with. */
const inertKeys: ReadonlySet<string> = new Set(
  `_name_or_path _attn_implementation _attn_implementation_autoset attn_implementation transformers_version torch_dtype dtype
  use_cache cache_implementation use_bfloat16 torchscript gradient_checkpointing tf_legacy_loss tokenizer_class
  bos_token_id eos_token_id pad_token_id sep_token_id cls_token_id unk_token_id decoder_start_token_id mask_token_id
  attention_dropout resid_pdrop embd_pdrop attn_pdrop hidden_dropout classifier_dropout pretraining_tp n_ctx
  summary_type summary_use_proj summary_activation summary_proj_to_labels summary_first_dropout
  output_hidden_states output_attentions return_dict id2label label2id problem_type task_specific_params finetuning_task
  chunk_size_feed_forward is_decoder tie_encoder_decoder prefix do_sample temperature top_k top_p max_length min_length num_beams
  num_return_sequences repetition_penalty length_penalty no_repeat_ngram_size early_stopping diversity_penalty num_beam_groups
  typical_p bad_words_ids encoder_no_repeat_ngram_size forced_bos_token_id forced_eos_token_id remove_invalid_values
  exponential_decay_length_penalty suppress_tokens begin_suppress_tokens output_scores return_dict_in_generate`.split(
    /\s+/,
  ),
);

/** Short forms of values in messages. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0;
const isPositive = (value: unknown): boolean =>
  typeof value === "number" && value > 0 && Number.isFinite(value);

/**
 * Reads the keys of a `config.json` one by one. What was never asked for is refused at the end by name: a key that isn't known may change what
 * the model computes. Absent keys have the defaults of Transformers 5.24.
 */
export class ConfigKeys {
  readonly #fields: Fields;
  readonly #where: string;
  readonly #read = new Set<string>();

  /** @param where - beginning of messages: the file, and for an inner object its key */
  constructor(fields: Fields, where: string) {
    this.#fields = fields;
    this.#where = where;
  }

  /** @throws ExchangeError */
  fail(key: string, expected: string): never {
    throw new ExchangeError(`${this.#where}${key} ${shown(this.#fields[key])}: expected ${expected}`);
  }

  /** The value of a key as it is; undefined if it is absent. */
  value(key: string): unknown {
    this.#read.add(key);
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  #checked<T>(key: string, fallback: T | undefined, check: (value: unknown) => boolean, what: string): T {
    const value = this.value(key);
    if (value === undefined && fallback !== undefined) return fallback;
    return check(value) ? (value as T) : this.fail(key, what);
  }

  /** A positive integer. */
  count(key: string, fallback?: number): number {
    return this.#checked(key, fallback, isCount, "a positive integer");
  }

  countOrNull(key: string, fallback: number | null): number | null {
    return this.#checked(key, fallback, (x) => x === null || isCount(x), "a positive integer or null");
  }

  /** A count by which the value of another key can be divided. @param of - the other key, and what it is */
  divisor(key: string, of: string, whole: number, fallback?: number): number {
    const count = this.count(key, fallback);
    return whole % count === 0 ? count : this.fail(key, `a divisor of ${of} ${whole}`);
  }

  /** A positive number. */
  positive(key: string, fallback?: number): number {
    return this.#checked(key, fallback, isPositive, "a positive number");
  }

  positiveOrNull(key: string, fallback: number | null): number | null {
    return this.#checked(key, fallback, (x) => x === null || isPositive(x), "a positive number or null");
  }

  flag(key: string, fallback: boolean): boolean {
    return this.#checked(key, fallback, (value) => typeof value === "boolean", "true or false");
  }

  /** One of several names, as what each stands for here. */
  choice<T>(key: string, fallback: string, names: Readonly<Record<string, T>>): T {
    const value = this.value(key) ?? fallback;
    if (typeof value !== "string" || !Object.hasOwn(names, value))
      return this.fail(key, Object.keys(names).join(" or "));
    return names[value]!;
  }

  /** A list of numbers or names, or null if it is absent. */
  list<T extends string | number>(key: string, allowed: readonly T[], length: number): T[] | null {
    const value = this.value(key) ?? null;
    if (value === null) return null;
    const isRight =
      Array.isArray(value) && value.length === length && value.every((x) => allowed.includes(x));
    return isRight ? (value as T[]) : this.fail(key, `${length} of ${allowed.join(" or ")}`);
  }

  /** The keys of an inner object, or null if it is absent. */
  inner(key: string): ConfigKeys | null {
    const value = this.value(key) ?? null;
    if (value === null) return null;
    return isFields(value) ? new ConfigKeys(value, `${this.#where}${key}.`) : this.fail(key, "an object");
  }

  /** What must be so if it is given, as other values have no counterpart. */
  must(key: string, ...allowed: readonly unknown[]): void {
    const value = this.value(key);
    if (value !== undefined && !allowed.some((one) => JSON.stringify(one) === JSON.stringify(value)))
      this.fail(key, `${allowed.map(shown).join(" or ")}; others aren't supported`);
  }

  /** @throws ExchangeError for the first key that was never asked for and isn't known to change nothing */
  finish(): void {
    for (const key of Object.keys(this.#fields)) {
      if (!this.#read.has(key) && !inertKeys.has(key))
        throw new ExchangeError(
          `${this.#where}${key} ${shown(this.#fields[key])}: isn't known, and may change what the model computes`,
        );
    }
  }
}

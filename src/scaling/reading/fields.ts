/** What a column of a sweep can hold. */
export interface FieldDescription {
  /** How the field is called in sentences. */
  readonly spoken: string;
  /** What a cell must hold. */
  readonly allowed: string;
  check(value: number): boolean;
  /** Whether exports keep it with parameters or with metrics. */
  readonly kind: "parameter" | "metric";
  /** Names of columns, in rows of equal right, the preferred row first; compared as `normalizedName` writes them. */
  readonly names: readonly (readonly string[])[];
}

const positive = (value: number) => value > 0 && Number.isFinite(value);
const notNegative = (value: number) => value >= 0 && Number.isFinite(value);

const rate = ["lr", "learning_rate", "learningrate", "step_size", "stepsize"];
const before = (words: readonly string[], names: readonly string[]) =>
  words.flatMap((word) => names.map((name) => `${word}_${name}`));
const after = (words: readonly string[], names: readonly string[]) =>
  words.flatMap((word) => names.map((name) => `${name}_${word}`));

/** Words that say of a rate that it isn't the one that was configured as the peak. */
export const otherRates =
  /(^|_)(min|final|end|last|current|cur|now|decay|factor|scheduler?|scale|multiplier|mult|ratio|warmup|steps?|type|kind|name|se|sem|stderr|std|sd|err|error|low|high|lower|upper)(_|$)/;

const batch = ["batch_size", "batchsize", "bs", "batch", "bsz", "minibatch_size", "mini_batch_size"];

export const fields = {
  learningRate: {
    spoken: "learning rate",
    allowed: "a positive number",
    check: positive,
    kind: "parameter",
    names: [
      [...before(["peak", "max", "maximum"], rate), ...after(["peak", "max"], rate)],
      [
        ...rate,
        ...before(
          ["base", "initial", "init", "start", "optimizer", "optim", "adam", "adamw", "sgd", "muon"],
          rate,
        ),
        ...after(["init", "initial", "base", "0"], rate),
        "lr0",
        "eta",
        "eta0",
        "eta_0",
        "η",
        "学习率",
      ],
      ["rate", "lrate", "alpha_lr"],
    ],
  },
  batchSize: {
    spoken: "batch size",
    allowed: "a positive number",
    check: positive,
    kind: "parameter",
    names: [
      [
        ...before(
          [
            "global",
            "total",
            "effective",
            "full",
            "total_train",
            "global_train",
            "effective_train",
            "combined",
          ],
          batch,
        ),
        "gbs",
        "train_batch_size_total",
        "batch_size_total",
        "batch_size_global",
        "batch_size_effective",
        "sequences_per_batch",
        "samples_per_batch",
        "batch_size_sequences",
        "batch_size_samples",
        "batch_size_seqs",
      ],
      [...batch, ...before(["train", "training"], batch), "b", "批大小", "批次大小", "批量大小"],
      [
        "tokens_per_batch",
        "tokens_per_step",
        "tokens_per_update",
        "batch_tokens",
        "token_batch_size",
        ...after(["tokens", "toks", "in_tokens"], batch),
        ...before(["global", "total", "effective"], after(["tokens"], batch)),
      ],
      [
        ...before(
          [
            "per_device",
            "per_device_train",
            "per_gpu",
            "per_gpu_train",
            "micro",
            "device",
            "local",
            "per_worker",
            "per_replica",
          ],
          batch,
        ),
        ...after(["per_device", "per_gpu"], batch),
        "mbs",
        "train_micro_batch_size_per_gpu",
      ],
    ],
  },
  loss: {
    spoken: "loss",
    allowed: "a number, or nan for a run that diverged",
    check: Number.isFinite,
    kind: "metric",
    names: [],
  },
  epsilon: {
    spoken: "epsilon",
    allowed: "a number ≥ 0",
    check: notNegative,
    kind: "parameter",
    names: [
      [
        "epsilon",
        "eps",
        "adam_epsilon",
        "adam_eps",
        "adamw_epsilon",
        "adamw_eps",
        "optimizer_eps",
        "optimizer_epsilon",
      ],
    ],
  },
  steps: {
    spoken: "steps",
    allowed: "a number ≥ 0",
    check: notNegative,
    kind: "parameter",
    names: [
      [
        "max_steps",
        "num_steps",
        "total_steps",
        "train_steps",
        "training_steps",
        "max_iters",
        "num_iterations",
        "max_iterations",
        "steps",
      ],
      ["global_step", "step", "iterations", "iters", "iteration", "iter", "updates", "num_updates"],
    ],
  },
  tokens: {
    spoken: "tokens",
    allowed: "a number ≥ 0",
    check: notNegative,
    kind: "parameter",
    names: [
      [
        "tokens",
        "total_tokens",
        "num_tokens",
        "train_tokens",
        "training_tokens",
        "max_tokens",
        "token_budget",
        "tokens_seen",
        "n_tokens",
      ],
    ],
  },
  seed: {
    spoken: "seed",
    allowed: "anything",
    check: () => true,
    kind: "parameter",
    names: [
      [
        "seed",
        "random_seed",
        "rng_seed",
        "random_state",
        "manual_seed",
        "seed_everything",
        "global_seed",
        "rand_seed",
      ],
      ["replicate", "repeat", "repetition", "trial_seed", "fold", "随机种子"],
    ],
  },
  weightDecay: {
    spoken: "weight decay",
    allowed: "a number ≥ 0",
    check: notNegative,
    kind: "parameter",
    names: [["weight_decay", "wd", "weightdecay", "adamw_weight_decay", "l2", "decoupled_weight_decay"]],
  },
  standardError: {
    spoken: "standard error of the loss",
    allowed: "a positive number",
    check: positive,
    kind: "metric",
    // Found beside the loss's own name: `val_loss_se`.
    names: [],
  },
} as const satisfies Record<string, FieldDescription>;

/** A field of a sweep's rows that a column can be named for. */
export type SweepField = keyof typeof fields;

export const sweepFields = Object.keys(fields) as SweepField[];

/** Factors by which a batch of one device becomes that of one update. */
export const batchFactors = [
  {
    what: "accumulated steps",
    names: [
      "gradient_accumulation_steps",
      "gradient_accumulation",
      "grad_accumulation_steps",
      "grad_accumulation",
      "grad_accum_steps",
      "grad_accum",
      "accumulate_grad_batches",
      "accumulation_steps",
      "accum_steps",
      "accumulation",
      "accumulate",
      "accum",
      "ga_steps",
      "gas",
      "num_accumulation_steps",
      "iter_size",
      "update_freq",
      "num_micro_batches",
      "num_microbatches",
      "microbatches",
    ],
  },
  {
    what: "devices",
    names: [
      "data_parallel_size",
      "dp_size",
      "dp_degree",
      "num_replicas",
      "num_replicas_in_sync",
      "dp",
      "world_size",
      "num_devices",
      "n_devices",
      "devices",
      "num_gpus",
      "n_gpus",
      "ngpus",
      "n_gpu",
      "gpus",
      "gpu_count",
      "num_workers_dp",
      "num_processes",
      "nproc",
      "num_tpus",
      "num_chips",
      "ddp_world_size",
    ],
  },
  {
    what: "devices of a node",
    names: [
      "gpus_per_node",
      "num_gpus_per_node",
      "n_gpus_per_node",
      "devices_per_node",
      "nproc_per_node",
      "ntasks_per_node",
    ],
  },
  { what: "nodes", names: ["num_nodes", "n_nodes", "nnodes", "nodes", "num_machines"] },
] as const;

/** Ways of parallelism that share one batch: their product divides the world. */
export const modelParallel = [
  "tensor_parallel_size",
  "tensor_model_parallel_size",
  "tp_size",
  "tp",
  "pipeline_parallel_size",
  "pipeline_model_parallel_size",
  "pp_size",
  "pp",
  "context_parallel_size",
  "cp",
];

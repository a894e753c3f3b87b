import { isConfigured, nameForms, normalizedName } from "./columnName.ts";

/** Words of a metric's name, and whether the metric is better the larger it is; null where the word alone doesn't say. */
const words: readonly (readonly [pattern: RegExp, maximized: boolean | null])[] = [
  [/(^|_)neg(ative)?_/, true],
  [
    /(^|_)(loss|losses|nll|xent|cross_entropy|crossentropy|ce|perplexity|ppl|bpb|bpc|bits_per_byte|bits_per_char|bits_per_dim|bpd|error|err|error_rate|mse|rmse|mae|mape|smape|rmsle|logloss|log_loss|brier|ece|wer|cer|fid|kid|fvd|lpips|kl|kl_divergence|regret|cost|rank_loss|损失|损失函数)(_|$|\d)/,
    false,
  ],
  [/(^|_)(log_?likelihood|elbo|ll)(_|$)/, true],
  [
    /(^|_)(accuracy|accuracies|acc|top_?\d+|auc|auroc|auprc|roc_auc|pr_auc|rocauc|f1|f1_score|f_?beta|micro_f1|macro_f1|r2|r_2|r2_score|r_squared|rsquared|reward|rewards|return|returns|episode_return|episode_reward|bleu|sacrebleu|chrf|rouge|rouge_?\w|meteor|comet|precision|recall|map|map50|map_50|m_?ap|iou|miou|m_iou|dice|jaccard|psnr|ssim|em|exact_match|pass_?\d*|win_rate|winrate|success_rate|elo|mcc|kappa|spearman|pearson|kendall|ndcg|mrr|hit_rate|hits|sensitivity|specificity|correct|inception_score|cider|spice|准确率|精度)(_|$)/,
    true,
  ],
  [
    /(^|_)(score|value|values_\d+|objective|metric|hp_metric|result|target|fitness|quality|performance|utility)(_|$)/,
    null,
  ],
];

/**
 * What the name of a metric says of its direction; `undefined` if it's no metric's name.
 */
export function metricDirection(name: string): boolean | null | undefined {
  const plain = normalizedName(name);
  // An error rate of accuracies is an error; "acc_loss" is a loss: the words for losses go first.
  return words.find(([pattern]) => pattern.test(plain))?.[1];
}

const validation =
  /(^|_)(val|valid|validation|eval|evaluation|dev|held_?out|heldout|holdout|test|oos|cv|验证)(_|$)/;
const training = /(^|_)(train|training|trn)(_|$)/;
/** Names of a spread, and of settings that only speak of a metric. */
const noMetric =
  /(^|_)(se|sem|std|stddev|std_dev|stderr|std_err|standard_error|standard_deviation|var|variance|ci|q\d+|p\d+|scale|scaler|weight|fn|function|type|name|coef|coefficient|lambda|alpha|steps|mode|threshold|patience|every|smoothing|reduction)(_|$)/;
/** Names of a bound or a difference of a metric: taken where nothing better is there. */
const derived = /(^|_)(low|high|lower|upper|min|max|delta|best|at|epoch|step)(_|$)/;

/**
 * How well a column serves as the metric, smaller is better; null if its name is no metric's. Losses before what is maximised, validation
 * before training, plain names before those with more words.
 */
export function metricRank(column: string): number | null {
  const forms = nameForms(column, "metric");
  const plain = forms.at(-1)!;
  const direction = metricDirection(plain);
  if (direction === undefined) return null;
  if (noMetric.test(plain) || isConfigured(column)) return null;
  const place = validation.test(plain)
    ? /(^|_)test(_|$)/.test(plain)
      ? 1
      : 0
    : training.test(plain)
      ? 3
      : 2;
  // A loss of validation, then one that doesn't say, then maximised metrics of validation, then losses of training.
  const order =
    direction === false ? [0, 10, 20, 50][place]! : direction === true ? [30, 31, 40, 60][place]! : 70;
  const rest = plain
    .replace(validation, "_")
    .replace(training, "_")
    .split("_")
    .filter((word) => word !== "").length;
  return 100 * order + (derived.test(plain) ? 5 : 0) + 10 * Math.min(rest, 9) + (forms.length - 1);
}

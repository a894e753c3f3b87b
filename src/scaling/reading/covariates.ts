import { isConfigured, isLogged, normalizedName } from "./columnName.ts";
import { isRunName } from "./histories.ts";
import { metricDirection } from "./metric.ts";
import { type DecimalSign, parseQuantity } from "./quantity.ts";
import type { Column } from "./table.ts";

/** A column that varies between runs and is no field. */
export interface Covariate {
  readonly name: string;
  readonly numeric: boolean;
  /** How many different values it has. */
  readonly distinct: number;
}

/** Names of what is noted of a run and wasn't chosen for it: times, places, speeds, norms. */
const notes =
  /(^|_)(time|runtime|duration|walltime|wall_clock|date|datetime|created|updated|timestamp|started|ended|start|end|elapsed|hours|minutes|seconds|secs|eta|speed|throughput|per_sec(ond)?|per_s|s_it|it_s|mfu|memory|mem|vram|util(ization)?|power|energy|grad(ient)?_norm|param_norm|weight_norm|update_norm|user|username|host|hostname|node_ip|pid|url|uri|path|dir|folder|logdir|file_name|git|commit|sha|hash|tags?|notes?|comment|description|version|python|cuda|gpu_name|gpu_type|device_name|job_id|jobid|artifact|checkpoint|ckpt|number|index|unnamed_\d+|rank|should_checkpoint|done|episodes_total|since_restore|sweep|wandb|experiment_id|experiment_tag|system_attrs|message|reason|traceback|exit_code|best_epoch|best_step|total_flos|samples_per_second|steps_per_second)(_|$)/;

/** Settings that searches draw from an interval: their values may all differ and were chosen all the same. */
const settings =
  /(^|_)(decay|wd|momentum|beta\d?|b1|b2|betas|dropout|droprate|drop_path|eps|epsilon|warm_?up|clip|smoothing|alpha|gamma|lambda|temperature|rho|params?|parameters|width|depth|layers|dim|size|heads|hidden|tokens|data|ratio|scale|noise|mixup|cutmix|ema|power|length|seq|context|vocab|flops|compute|n|d|h)(_|$)/;

export type Unused =
  | "the same in all runs"
  | "identifies runs"
  | "noted, not chosen"
  | "measured"
  | "a text for nearly every run";

/** Why a column is no covariate; null if it is one. Of the rows of runs only. */
export function whyUnused(column: Column, rows: readonly number[], sign: DecimalSign): Unused | Covariate {
  const plain = normalizedName(column.name);
  const set = isConfigured(column.name);
  if (!set && rows.length > 1000) {
    // Long columns that their name rules out needn't be looked at.
    if (notes.test(plain)) return "noted, not chosen";
    if (
      metricDirection(plain) !== undefined &&
      rows.slice(0, 20).every((row) => !Number.isNaN(parseQuantity(column.text(row), sign)))
    )
      return "measured";
  }
  const { codes, count, text } = column.coded();
  const seen = new Uint8Array(count);
  let distinct = 0;
  let filled = 0;
  for (const row of rows) {
    const code = codes[row]!;
    if (seen[code] === 0) {
      seen[code] = 1;
      distinct++;
    }
  }
  if (distinct < 2) return "the same in all runs";
  let numbers = 0;
  let words = 0;
  for (let code = 0; code < count; code++) {
    if (seen[code] === 0) continue;
    const value = text(code);
    if (value === "") continue;
    filled++;
    if (Number.isNaN(parseQuantity(value, sign))) words++;
    else numbers++;
    if (filled > 2000) break;
  }
  const numeric = words === 0 && numbers > 0;
  const [name, configured] = [plain, set];
  if (filled === 0) return "the same in all runs";
  if (isRunName(column.name) && 2 * distinct > rows.length) return "identifies runs";
  if (!configured && (notes.test(name) || name === "")) return "noted, not chosen";
  if (!configured && (isLogged(column.name) || (numeric && metricDirection(name) !== undefined)))
    return "measured";
  if (!numeric && distinct > 3 && distinct === rows.length) return "a text for nearly every run";
  if (distinct > 10 && distinct > 0.8 * rows.length) {
    if (!numeric) return "a text for nearly every run";
    if (!configured && !settings.test(name)) return "measured";
  }
  return { name: column.name, numeric, distinct };
}

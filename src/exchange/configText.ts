import type { Fields } from "./configKeys.ts";

/** Keys whose value Transformers 5 refuses as an integer: it checks types of Python, where `20` is no float. */
const floatKeys: ReadonlySet<string> = new Set(
  `rms_norm_eps layer_norm_eps layer_norm_epsilon initializer_range final_logit_softcapping resid_pdrop embd_pdrop attn_pdrop
  rope_theta factor low_freq_factor high_freq_factor beta_fast beta_slow attention_factor mscale mscale_all_dim
  partial_rotary_factor`.split(/\s+/),
);

/** Text that `JSON.stringify` writes as it is; TypeScript's library doesn't have it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A `config.json`, with `20.0` for whole numbers that are floats of Python. */
export function configText(config: Fields): string {
  const json = JSON.stringify(
    config,
    (key, value: unknown) =>
      floatKeys.has(key) && typeof value === "number" && /^\d+$/.test(String(value))
        ? rawJSON(`${value}.0`)
        : value,
    2,
  );
  return `${json}\n`;
}

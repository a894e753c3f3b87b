import type { TransformerConfig, TransformerOptions } from "../nn/index.ts";
import type { RopeScaling } from "../position/index.ts";
import type { ConfigKeys, Fields } from "./configKeys.ts";

type RopeOptions = Pick<TransformerOptions, "ropeBase" | "ropeScaling"> & {
  /** Share of a head that turns. */
  readonly partialRotaryFactor: number;
};

/** What was read, and what a person should know of it. */
export interface ReadRope extends Required<RopeOptions> {
  readonly notes: readonly string[];
}

export interface RopeDefaults {
  readonly theta: number;
  readonly partialRotaryFactor?: number;
  /** Older names of the two, beside `rope_theta` and `partial_rotary_factor`. */
  readonly thetaKey?: string;
  readonly partialKey?: string;
}

/**
 * How heads turn, from `rope_parameters` (Transformers 5) or from `rope_theta`, `rope_scaling` and `partial_rotary_factor` (before).
 *
 * @throws ExchangeError for a kind of scaling or a key that isn't known
 */
export function readRope(
  keys: ConfigKeys,
  maxLength: number,
  { theta, partialRotaryFactor = 1, thetaKey = "rope_theta", partialKey }: RopeDefaults,
): ReadRope {
  const outerTheta = keys.positive(thetaKey, theta);
  const outerPartial = keys.positive(partialKey ?? "partial_rotary_factor", partialRotaryFactor);
  const parameters = keys.inner("rope_parameters");
  const scaling = keys.inner("rope_scaling");
  if (parameters !== null && scaling !== null) keys.fail("rope_scaling", "none beside rope_parameters");
  const inner = parameters ?? scaling;
  if (inner === null)
    return { ropeBase: outerTheta, ropeScaling: null, partialRotaryFactor: outerPartial, notes: [] };
  return readRopeObject(inner, maxLength, outerTheta, outerPartial);
}

/** As {@link readRope}, of one object. */
export function readRopeObject(
  keys: ConfigKeys,
  maxLength: number,
  outerTheta: number,
  outerPartial: number,
): ReadRope {
  const kind = String(keys.value("rope_type") ?? keys.value("type") ?? "default");
  keys.value("type");
  const ropeBase = keys.positive("rope_theta", outerTheta);
  const partialRotaryFactor = keys.positive("partial_rotary_factor", outerPartial);
  const factor = () => keys.positive("factor");
  const original = (fallback?: number) => keys.count("original_max_position_embeddings", fallback);
  const some = <Name extends string, T>(name: Name, value: T | null | undefined) =>
    (value === null || value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: T };
  const notes: string[] = [];
  const read = (): RopeScaling | null => {
    switch (kind) {
      case "default":
        return null;
      case "linear":
        return { kind, factor: factor() };
      case "dynamic":
        notes.push(
          `texts of more than ${maxLength} tokens turn as those of ${maxLength} do: Transformers changes the base with the length of the text ("dynamic")`,
        );
        return { kind, factor: factor(), maxLength, length: maxLength };
      case "yarn":
        return {
          kind,
          factor: factor(),
          originalMaxLength: original(maxLength),
          ...some("betaFast", keys.positiveOrNull("beta_fast", null)),
          ...some("betaSlow", keys.positiveOrNull("beta_slow", null)),
          ...some("attentionFactor", keys.positiveOrNull("attention_factor", null)),
          ...some("mscale", keys.positiveOrNull("mscale", null)),
          ...some("mscaleAllDim", keys.positiveOrNull("mscale_all_dim", null)),
          ...some("truncate", keys.value("truncate") === undefined ? null : keys.flag("truncate", true)),
        };
      case "llama3":
        return {
          kind,
          factor: factor(),
          originalMaxLength: original(),
          lowFreqFactor: keys.positive("low_freq_factor"),
          highFreqFactor: keys.positive("high_freq_factor"),
        };
      default:
        return keys.fail(
          keys.value("rope_type") === undefined ? "type" : "rope_type",
          "default, linear, dynamic, yarn or llama3",
        );
    }
  };
  const ropeScaling = read();
  keys.finish();
  return { ropeBase, ropeScaling, partialRotaryFactor, notes };
}

/** `rope_parameters` of a model; null for a scaling that has no counterpart. */
export function writeRope(
  { ropeBase, ropeScaling, rotaryDim, headDim, maxLength }: TransformerConfig,
  hasPartial = false,
): Fields {
  const common = {
    rope_theta: ropeBase,
    ...(hasPartial ? { partial_rotary_factor: rotaryDim / headDim } : {}),
  };
  if (ropeScaling === null) return { rope_type: "default", ...common };
  const named = { rope_type: ropeScaling.kind, ...common, factor: ropeScaling.factor ?? 1 };
  switch (ropeScaling.kind) {
    case "linear":
      return named;
    case "dynamic":
      // Other lengths have no counterpart, which reading this back shows.
      return ropeScaling.maxLength === maxLength ? named : { ...named, rope_type: "default" };
    case "yarn":
      return {
        ...named,
        original_max_position_embeddings: ropeScaling.originalMaxLength,
        ...given("beta_fast", ropeScaling.betaFast),
        ...given("beta_slow", ropeScaling.betaSlow),
        ...given("attention_factor", ropeScaling.attentionFactor),
        ...given("mscale", ropeScaling.mscale),
        ...given("mscale_all_dim", ropeScaling.mscaleAllDim),
        ...given("truncate", ropeScaling.truncate),
      };
    case "llama3":
      return {
        ...named,
        original_max_position_embeddings: ropeScaling.originalMaxLength,
        low_freq_factor: ropeScaling.lowFreqFactor ?? 1,
        high_freq_factor: ropeScaling.highFreqFactor ?? 4,
      };
    default:
      return { rope_type: "default", ...common };
  }
}

const given = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value });

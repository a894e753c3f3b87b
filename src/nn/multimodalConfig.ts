import { ConfigError } from "../errors.ts";
import { resolveWithAxes, type TransformerConfig, type TransformerOptions } from "./transformerConfig.ts";

/** Images as patches of continuous numbers. */
export interface PatchInputOptions {
  /** Numbers of a patch, `P` (height × width × channels). */
  readonly dim: number;
  /**
   * The token id that stands at the places of patches, below `vocabSize`. Its embedding is added to what the linear map makes of the
   * patch: it is the bias of the map.
   */
  readonly token: number;
  /** Predict the next patch, by a linear map of the hidden state (a mean squared error in the loss). Default false. */
  readonly predict?: boolean;
}

/** A decoder over sequences of text and images. */
export interface MultimodalOptions extends Omit<TransformerOptions, "position"> {
  /** `"rope"`, the default, turns queries and keys by positions of `numAxes` axes; `"none"` leaves order to the causal mask. */
  readonly position?: "rope" | "none";
  /** Coordinates of a position, `A`: the axes of the layout. Default 2. */
  readonly numAxes?: number;
  /** Default null: no patches. */
  readonly patch?: PatchInputOptions | null;
  /** Number of image codes, `C`: ids `vocabSize … vocabSize + C − 1` of a sequence are codes. Default null: none. */
  readonly codeVocabSize?: number | null;
}

/** {@link MultimodalOptions} with every default filled in. */
export interface MultimodalConfig extends TransformerConfig {
  readonly position: "rope" | "none";
  readonly numAxes: number;
  readonly patch: Required<PatchInputOptions> | null;
  readonly codeVocabSize: number | null;
}

/**
 * Fills in the defaults and checks that the sizes fit together.
 *
 * @throws ConfigError naming the option, its value and what is allowed
 */
export function resolveMultimodalConfig(options: MultimodalOptions): MultimodalConfig {
  const { numAxes = 2, patch = null, codeVocabSize = null, ...text } = options;
  const { position = "rope" } = text;
  if (position !== "rope" && position !== "none") {
    throw new ConfigError(`position "${position}": expected rope or none for text with images`);
  }
  const config: MultimodalConfig = {
    ...resolveWithAxes({ ...text, position }, numAxes),
    position,
    numAxes,
    patch: patch === null ? null : { ...patch, predict: patch.predict ?? false },
    codeVocabSize,
  };
  const { vocabSize } = config;
  if (patch !== null) {
    if (!Number.isInteger(patch.dim) || patch.dim < 1) {
      throw new ConfigError(`patch.dim ${patch.dim}: expected a positive integer`);
    }
    if (!Number.isInteger(patch.token) || patch.token < 0 || patch.token >= vocabSize) {
      throw new ConfigError(`patch.token ${patch.token}: expected a token id below vocabSize ${vocabSize}`);
    }
  }
  if (codeVocabSize !== null && (!Number.isInteger(codeVocabSize) || codeVocabSize < 1)) {
    throw new ConfigError(`codeVocabSize ${codeVocabSize}: expected a positive integer, or null for none`);
  }
  return config;
}

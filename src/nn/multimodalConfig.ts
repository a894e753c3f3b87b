import { ConfigError } from "../errors.ts";
import { checkRotary, type RotaryOptions } from "../position/index.ts";
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
  /**
   * How the heads of each layer turn, null where they don't, for models whose layers differ; it takes the place of `ropeBase`, `ropePairing`,
   * `ropeScaling`, `rotaryDim` and `allocation`. Default null: all layers are alike.
   */
  readonly layerRotary?: readonly (LayerRotary | null)[] | null;
  /** Default null: no patches. */
  readonly patch?: PatchInputOptions | null;
  /** Number of image codes, `C`: ids `vocabSize … vocabSize + C − 1` of a sequence are codes. Default null: none. */
  readonly codeVocabSize?: number | null;
}

/** How the heads of a layer turn. */
export type LayerRotary = Pick<RotaryOptions, "base" | "pairing" | "rotaryDim" | "scaling" | "allocation">;

/** Options of language models that sequences of text and images don't have, and what leaves them out. */
const textOnly = {
  slidingWindow: null,
  slidingRopeBase: null,
  logitSoftcap: null,
  embeddingScale: 1,
  embeddingNorm: false,
  nopeLayers: [],
  parametrization: "standard",
} as const;

/** {@link MultimodalOptions} with every default filled in. */
export interface MultimodalConfig extends TransformerConfig {
  readonly position: "rope" | "none";
  readonly numAxes: number;
  readonly layerRotary: readonly (LayerRotary | null)[] | null;
  readonly patch: Required<PatchInputOptions> | null;
  readonly codeVocabSize: number | null;
}

/**
 * Fills in the defaults and checks that the sizes fit together.
 *
 * @throws ConfigError naming the option, its value and what is allowed
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1, codeVocabSize: 5 });
 * [config.numAxes, config.patch]; // => [2, null]
 * ```
 */
export function resolveMultimodalConfig(options: MultimodalOptions): MultimodalConfig {
  const { numAxes = 2, layerRotary = null, patch = null, codeVocabSize = null, ...text } = options;
  const { position = "rope" } = text;
  if (position !== "rope" && position !== "none") {
    throw new ConfigError(`position "${position}": expected rope or none for text with images`);
  }
  const config: MultimodalConfig = {
    ...resolveWithAxes({ ...text, position }, numAxes),
    position,
    numAxes,
    layerRotary,
    patch: patch === null ? null : { ...patch, predict: patch.predict ?? false },
    codeVocabSize,
  };
  for (const [name, absent] of Object.entries(textOnly)) {
    const value = config[name as keyof typeof textOnly];
    if (JSON.stringify(value) !== JSON.stringify(absent))
      throw new ConfigError(`${name} ${JSON.stringify(value)}: expected none for text with images`);
  }
  const { vocabSize, numLayers, headDim, numKvHeads } = config;
  if (layerRotary !== null) {
    if (layerRotary.length !== numLayers) {
      throw new ConfigError(
        `layerRotary: ${layerRotary.length} of them, expected one of each of ${numLayers} layers`,
      );
    }
    if (position === "none")
      throw new ConfigError('layerRotary: expected position "rope" as well, not "none"');
    for (const own of layerRotary) {
      if (own !== null) checkRotary(headDim, { ...own, numAxes, numHeads: numKvHeads });
    }
  }
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

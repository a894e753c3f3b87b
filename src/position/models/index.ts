import { ConfigError } from "../../errors.ts";
import type { Document, Segment } from "../document.ts";
import type { AllocatedFrequencies } from "../frequencyAllocation.ts";
import { type ImageToMake, type Layout, placeDocument } from "../layout.ts";
import { cursorAt, generatedPositions, type PositionCursor } from "../positionCursor.ts";
import { checkRotary, type RotaryOptions } from "../rotary.ts";
import type { TokenPositions } from "../tokenPositions.ts";
import { modelsWithoutRow } from "./modelsWithoutRow.ts";
import { letters, nearNames } from "./nearNames.ts";
import type { ModelRotary, PositionModel, PositionRule } from "./positionModel.ts";
import { glmModels } from "./rows/glm.ts";
import { otherModels } from "./rows/others.ts";
import { qwenModels } from "./rows/qwen.ts";
import { visionModels } from "./rows/vision.ts";
import { canvasLayout } from "./rules/canvasRule.ts";
import { gridLayout } from "./rules/gridRule.ts";
import { mropeLayout } from "./rules/mropeRule.ts";
import { pageLayout } from "./rules/pageRule.ts";
import { xdropeLayout } from "./rules/xdropeRule.ts";

export { modelsWithoutRow } from "./modelsWithoutRow.ts";
export type { FrameTime, ModelRotary, PositionModel, PositionRule } from "./positionModel.ts";

/**
 * The multi-axis rotary encodings of today's models, by the type that Transformers calls a model (`model_type`): what its own code does,
 * read from the version that the row names and held to its functions. A name with `@` is that of another version.
 */
export const positionModels = {
  ...qwenModels,
  ...glmModels,
  ...otherModels,
  ...visionModels,
} as const satisfies Record<string, PositionModel>;

/** Name of a row. */
export type PositionModelName = keyof typeof positionModels;

/** Models of which only the encoder of images has more than one axis, and other names of a row. */
export const positionModelAliases: Readonly<Record<string, PositionModelName>> = {
  gemma4: "gemma4_vision",
  llama4: "llama4_vision_model",
  kimi_k25: "kimi_k25_vision",
  lfm3_vl: "lfm3_vl_vision",
  inkling2: "inkling2_vision",
  step3p7: "step3p5_vision",
  minimax_m3_vl: "minimax_m3_vl_vision",
  exaone4_5: "exaone4_5_vision",
  dots3_note: "dots3_note_vision_encoder",
  glm5_next: "glm5_next_vision",
  muse_glimmer: "muse_glimmer_vision",
  muse_spark: "muse_spark_vision",
  video_llama_3: "video_llama_3_vision",
  mlcd: "mlcd_vision_model",
  sam3: "sam3_vit_model",
  chmv2: "dinov3_vit",
  hyperclovax_vision_v2: "qwen2_5_vl_vision",
  qwen2_5_omni_thinker: "qwen2_5_omni",
  qwen3_omni_moe_thinker: "qwen3_omni_moe",
};

/** What of a released file differs from the row. */
export interface ModelPositionOptions {
  /** Side of the square of patches that become a token, for grids that don't say. Default that of the row; 1: sides are those of tokens. */
  readonly spatialMergeSize?: number;
  /** Positions per second, where time is counted in seconds (`tokens_per_second`, `position_id_per_seconds`). Default that of the row. */
  readonly positionsPerSecond?: number;
}

/**
 * The row of a model.
 *
 * @throws ConfigError naming the rows that are called alike, or why the model has none
 *
 * @example
 * ```ts
 * positionModelNamed("qwen2_vl").spatialMergeSize; // => 2
 * assert.throws(() => positionModelNamed("qwen2"), ConfigError);
 * ```
 */
export function positionModelNamed(name: string): PositionModel {
  return positionModels[rowName(name)];
}

function rowName(name: string): PositionModelName {
  if (Object.hasOwn(positionModels, name)) return name as PositionModelName;
  if (Object.hasOwn(positionModelAliases, name)) return positionModelAliases[name]!;
  const without = Object.entries(modelsWithoutRow).find(([other]) => letters(other) === letters(name));
  if (without !== undefined) throw new ConfigError(`model "${name}": has no row: ${without[1]}`);
  const known = [...Object.keys(positionModels), ...Object.keys(positionModelAliases)];
  const near = nearNames(name, known);
  const decoders = Object.entries(positionModels).flatMap(([row, { part }]) =>
    part === "vision" ? [] : [row],
  );
  const expected =
    near.length > 0
      ? `did you mean ${near.join(", ")}?`
      : `expected one of ${decoders.join(", ")}, or a vision encoder`;
  throw new ConfigError(`model "${name}": has no row; ${expected}`);
}

/**
 * The position rule of a model as a layout.
 *
 * @throws ConfigError for a name without a row, or an option that its rule has no use for
 *
 * @example
 * ```ts
 * modelLayout("qwen2_vl").axes; // => ["t", "h", "w"]
 * ```
 */
export function modelLayout(name: string, { positionsPerSecond }: ModelPositionOptions = {}): Layout {
  const { axes, rule, padding = 0, paddingOfText, deltaCountsPadding = false } = positionModelNamed(name);
  const layout = layoutOf(name, axes, withRate(name, rule, positionsPerSecond));
  const textPadding = paddingOfText ?? padding;
  const onlyText = (documents: readonly Document[]) =>
    documents.every((document) => document.every(({ kind }) => kind === "text"));
  return {
    ...layout,
    padding: (documents) => (onlyText(documents) ? textPadding : padding),
    ...(deltaCountsPadding ? { deltaCountsPadding } : {}),
    ...(paddingOfText === undefined
      ? {}
      : {
          // There the largest coordinate of a row of text is looked for among its padding too.
          rowDelta: ({ delta, tokens, largest }, places, documents) =>
            onlyText(documents) && tokens < places ? Math.max(largest, textPadding) + 1 - tokens : delta,
        }),
  };
}

function withRate(name: string, rule: PositionRule, perSecond: number | undefined): PositionRule {
  if (perSecond === undefined) return rule;
  if (rule.kind !== "mrope" || rule.time.kind !== "seconds") {
    throw new ConfigError(
      `model ${name}: positionsPerSecond ${perSecond}: has no effect, as time isn't counted in seconds`,
    );
  }
  if (!(perSecond > 0 && Number.isFinite(perSecond))) {
    throw new ConfigError(`model ${name}: positionsPerSecond ${perSecond}: expected a positive number`);
  }
  return { ...rule, time: { ...rule.time, perSecond } };
}

function layoutOf(name: string, axes: readonly string[], rule: PositionRule): Layout {
  switch (rule.kind) {
    case "mrope":
      return mropeLayout(name, axes, rule);
    case "xdrope":
      return xdropeLayout(name, axes);
    case "canvas":
      return canvasLayout(name, axes);
    case "page":
      return pageLayout(name, axes);
    case "grid":
      return gridLayout(name, axes, rule);
  }
}

/**
 * A document with the sizes that a model merges by, for grids that don't have their own: sides are those of patches then, as in
 * `image_grid_thw`.
 *
 * @example
 * ```ts
 * const document = modelDocument("qwen2_vl", parseDocument("text:2 image:4x6"));
 * documentLength(document); // => 8
 * ```
 */
export function modelDocument(
  name: string,
  document: Document,
  { spatialMergeSize }: ModelPositionOptions = {},
): Segment[] {
  const row = positionModelNamed(name);
  const merge = spatialMergeSize ?? row.spatialMergeSize;
  return document.map((segment) => {
    if (segment.kind === "text") return segment;
    const own = segment.spatialMergeSize === undefined ? { ...segment, spatialMergeSize: merge } : segment;
    if (own.kind === "image" || row.temporalMergeSize === undefined || own.temporalMergeSize !== undefined) {
      return own;
    }
    return { ...own, temporalMergeSize: row.temporalMergeSize };
  });
}

/** What a model's own code makes of a document. */
export interface ModelPositions {
  readonly axes: readonly string[];
  /** `[tokens, axes]` */
  readonly positions: TokenPositions;
  /** What is added to the number of a token that is made (`rope_deltas`). */
  readonly delta: number;
  /** Where the document stands, for what follows. */
  readonly cursor: PositionCursor;
  readonly layout: Layout;
}

/**
 * Position ids of a document as a model's own code makes them.
 *
 * @param name - as Transformers calls the model, `"qwen3_vl"`
 * @param document - sides of grids in patches, as in `image_grid_thw`, merged as the model does unless a grid says otherwise
 * @throws ConfigError for a name without a row (naming those alike), a grid that merging doesn't divide, a video without seconds where time is
 *   counted in them, or a segment that the rule has no place for
 *
 * @example
 * ```ts
 * const { positions, delta } = modelPositions("qwen3_vl", parseDocument("text:1 image:4x4 text:1"));
 * positionIds(positions); // => [[0, 1, 1, 1, 1, 3], [0, 1, 1, 2, 2, 3], [0, 1, 2, 1, 2, 3]]
 * delta; // => -2
 * ```
 */
export function modelPositions(
  name: string,
  document: Document,
  options: ModelPositionOptions = {},
): ModelPositions {
  const layout = modelLayout(name, options);
  const placed = placeDocument(layout, modelDocument(name, document, options), 0);
  const { positions } = placed;
  const cursor = cursorAt(layout, positions.values.length / positions.numAxes, placed);
  return { axes: layout.axes, positions, delta: cursor.delta, cursor, layout };
}

/**
 * Positions of the tokens that a model makes after a document.
 *
 * @param images - images that are to be made, in their order in the document: GLM-Image has places for no others
 * @throws ConfigError as {@link generatedPositions}
 *
 * @example
 * ```ts
 * const made = modelGeneration(modelPositions("qwen2_vl", parseDocument("text:1 image:4x4")), 2);
 * positionIds(made); // => [[3, 4], [3, 4], [3, 4]]
 * ```
 */
export function modelGeneration(
  { layout, cursor }: ModelPositions,
  count: number,
  images: readonly ImageToMake[] = [],
): TokenPositions {
  return generatedPositions(layout, cursor, count, images);
}

/**
 * Kinds of layers of a model; `"all"` where they are alike.
 *
 * @example
 * ```ts
 * layerKinds("qwen3_vl"); // => ["all"]
 * ```
 */
export function layerKinds(name: string): string[] {
  const { rotary } = positionModelNamed(name);
  return isOne(rotary) ? ["all"] : Object.keys(rotary);
}

const isOne = (rotary: PositionModel["rotary"]): rotary is ModelRotary =>
  typeof (rotary as { headDim?: unknown }).headDim === "number";

/** What of the heads of a released file differs from the row. */
export interface ModelRotaryOptions {
  readonly layerKind?: string;
  readonly headDim?: number;
  /** Share of the components that turn (`partial_rotary_factor`). */
  readonly partialRotaryFactor?: number;
  readonly base?: number;
  /** `mrope_section` */
  readonly sections?: readonly number[];
}

/**
 * How heads of a model turn, as options of `rotaryTables`; null for a kind of layer that doesn't turn.
 *
 * @throws ConfigError for a kind of layer that isn't there, or sizes that don't fit together
 *
 * @example
 * ```ts
 * const { headDim, base, numAxes } = modelRotary("qwen2_vl")!;
 * [headDim, base, numAxes]; // => [128, 1000000, 3]
 * ```
 */
export function modelRotary(
  name: string,
  { layerKind, headDim, partialRotaryFactor, base, sections }: ModelRotaryOptions = {},
): (RotaryOptions & { readonly headDim: number; readonly numAxes: number }) | null {
  const { rotary, axes } = positionModelNamed(name);
  let own: ModelRotary | null;
  if (isOne(rotary)) {
    if (layerKind !== undefined && layerKind !== "all") {
      throw new ConfigError(`model ${name}: layer kind "${layerKind}": all its layers are alike`);
    }
    own = rotary;
  } else {
    const kind = layerKind ?? Object.keys(rotary).find((key) => rotary[key] !== null)!;
    if (!Object.hasOwn(rotary, kind)) {
      throw new ConfigError(
        `model ${name}: layer kind "${kind}": expected ${Object.keys(rotary).join(", ")}`,
      );
    }
    own = rotary[kind]!;
  }
  if (own === null) return null;
  const { pairing, allocation, scaling } = own;
  const whole = headDim ?? own.headDim;
  const share = partialRotaryFactor ?? (own.rotaryDim ?? own.headDim) / own.headDim;
  if (sections !== undefined && !("sections" in allocation)) {
    throw new ConfigError(
      `model ${name}: sections ${sections.join()}: has no effect, as its axes don't share by sections`,
    );
  }
  const options = {
    headDim: whole,
    numAxes: axes.length,
    rotaryDim:
      headDim === undefined && partialRotaryFactor === undefined
        ? (own.rotaryDim ?? whole)
        : Math.trunc(whole * share),
    base: base ?? own.base,
    pairing,
    allocation: sections === undefined ? allocation : ({ ...allocation, sections } as typeof allocation),
    ...(scaling === undefined ? {} : { scaling }),
  };
  checkRotary(whole, options);
  return options;
}

/**
 * Which axis of a model drives which frequency; null for a kind of layer that doesn't turn.
 *
 * @example
 * ```ts
 * const { axisOfFrequency } = modelAllocation("qwen2_vl")!;
 * // Qwen2-VL gives 16 frequencies to time and 24 each to rows and columns.
 * [0, 1, 2].map((axis) => axisOfFrequency[0]!.filter((each) => each === axis).length); // => [16, 24, 24]
 * ```
 */
export function modelAllocation(name: string, options: ModelRotaryOptions = {}): AllocatedFrequencies | null {
  const rotary = modelRotary(name, options);
  return rotary === null ? null : checkRotary(rotary.headDim, rotary);
}

import { ConfigError } from "../errors.ts";

/** Names of {@link Parametrization}. */
export const parametrizations = ["standard", "mup", "spectral"] as const;

/**
 * How initial sizes and learning rates go with the width:
 * - `"standard"`: one standard deviation, one learning rate;
 * - `"mup"`: those of the standard one at a base width, and from there as features need it to move by as much at any width (Yang et al.,
 *   arXiv 2203.03466);
 * - `"spectral"`: the same proportions from the sides of each matrix alone, without a base: `‖W‖₂` and `‖ΔW‖₂` of size
 *   `√(fanOut/fanIn)` (Yang, Simon and Bernstein, arXiv 2310.17813).
 */
export type Parametrization = (typeof parametrizations)[number];

/** What a parametrization has to know of a model. */
export interface ParametrizedModel {
  readonly parametrization: Parametrization;
  readonly modelDim: number;
  readonly headDim: number;
  readonly numLayers: number;
  /** Width at which `"mup"` is the standard one; null for others. */
  readonly baseDim: number | null;
  /** Size of a head there. */
  readonly baseHeadDim: number | null;
  /** Layers from which residual branches shrink by `1/√L`; null for none of it. */
  readonly baseLayers: number | null;
  readonly tiedHead: boolean;
}

/** Size of a head at which the scores of the spectral parametrization, `8/headDim`, are the usual ones. */
const spectralHeadDim = 64;

/**
 * Sizes as the parametrization counts them: as shares of the base model's with `"mup"`, as they are with `"spectral"`, 1 with `"standard"`.
 *
 * @example
 * ```ts
 * const model = resolveTransformerConfig({
 *   vocabSize: 8, numLayers: 2, modelDim: 256, numHeads: 4, parametrization: "mup", baseDim: 64, baseHeadDim: 64,
 * });
 * relativeSize(model, 1024); // => 4
 * ```
 */
export function relativeSize(
  { parametrization, modelDim, baseDim }: Pick<ParametrizedModel, "parametrization" | "modelDim" | "baseDim">,
  size: number,
): number {
  if (parametrization === "standard") return 1;
  // All widths grow together: that of the base model is not asked for.
  return parametrization === "mup" ? modelDim / baseDim! : size;
}

/** What a matrix is for its initial size: a map between hidden states, a table of rows that are looked up, or the output matrix. */
export type InitialRole = "hidden" | "embedding" | "head";

/**
 * Factor on `initStd` of a matrix:
 *
 * ```
 * hidden      1/√fanIn · min(1, √(fanOut/fanIn))
 * embedding   1, and 1/modelDim where it is the head as well, whose output is multiplied by modelDim then
 * head        1/fanIn
 * ```
 *
 * as ratios to the same at the base width with `"mup"`, as they stand with `"spectral"`; 1 with `"standard"`. Matrices that write into the
 * residual stream are divided by `√(2·numLayers)` besides, under every parametrization (GPT-2).
 *
 * Source: Yang, Simon and Bernstein, arXiv 2310.17813, parametrization 1; Yang et al., arXiv 2203.03466, table 8.
 *
 * @example
 * ```ts
 * const model = resolveTransformerConfig({
 *   vocabSize: 8, numLayers: 2, modelDim: 256, numHeads: 4, parametrization: "mup", baseDim: 64, baseHeadDim: 64,
 * });
 * initialFactor(model, "hidden", 256, 1024); // => 0.5
 * initialFactor(model, "head", 256, 8); // => 0.25
 * initialFactor(model, "embedding", 8, 256); // => 1
 * ```
 */
export function initialFactor(
  model: ParametrizedModel,
  role: InitialRole,
  fanIn: number,
  fanOut: number,
): number {
  if (model.parametrization === "standard") return 1;
  switch (role) {
    case "hidden": {
      const ratio = relativeSize(model, fanOut) / relativeSize(model, fanIn);
      return Math.sqrt(1 / relativeSize(model, fanIn)) * Math.min(1, Math.sqrt(ratio));
    }
    case "embedding":
      return model.tiedHead ? 1 / relativeSize(model, model.modelDim) : 1;
    case "head":
      return 1 / relativeSize(model, fanIn);
  }
}

/**
 * What scores of attention are multiplied by where nothing else is asked for, null for `1/√headDim`: as `1/headDim` where heads grow, the
 * usual scale at the base model's head (`"mup"`) or at heads of 64 (`"spectral"`).
 *
 * Source: Yang et al., arXiv 2203.03466, definition 4.1.
 */
export function parametrizedAttentionScale({
  parametrization,
  headDim,
  baseHeadDim,
}: Pick<ParametrizedModel, "parametrization" | "headDim" | "baseHeadDim">): number | null {
  if (parametrization === "standard") return null;
  const base = parametrization === "mup" ? baseHeadDim! : spectralHeadDim;
  return headDim === base ? null : Math.sqrt(base) / headDim;
}

/** What embeddings are multiplied by where they are the head as well, which is smaller by as much. */
export function parametrizedEmbeddingScale(model: ParametrizedModel): number {
  return model.tiedHead ? relativeSize(model, model.modelDim) : 1;
}

/**
 * @param widths - other widths of the model, which grow in proportion
 * @throws ConfigError for an unknown name, a base that is missing, has no effect, or whose widths aren't whole
 */
export function checkParametrization(
  model: ParametrizedModel,
  widths: Readonly<Record<string, number>>,
): void {
  const { parametrization, modelDim, baseDim, baseHeadDim, baseLayers } = model;
  if (!parametrizations.includes(parametrization))
    throw new ConfigError(`parametrization "${parametrization}": expected ${parametrizations.join(", ")}`);
  for (const [name, value] of Object.entries({ baseDim, baseHeadDim, baseLayers })) {
    if (value !== null && (!Number.isInteger(value) || value < 1))
      throw new ConfigError(`${name} ${value}: expected a positive integer`);
  }
  if (parametrization === "standard" && baseLayers !== null)
    throw new ConfigError(
      `baseLayers ${baseLayers}: has no effect with parametrization "standard"; expected "mup" or "spectral"`,
    );
  if (parametrization !== "mup") {
    for (const [name, value] of Object.entries({ baseDim, baseHeadDim })) {
      if (value !== null)
        throw new ConfigError(
          `${name} ${value}: has no effect with parametrization "${parametrization}"; expected "mup"`,
        );
    }
    return;
  }
  if (baseDim === null)
    throw new ConfigError(
      'parametrization "mup": expected baseDim, the width at which learning rates and initial sizes are the standard ones',
    );
  if (baseHeadDim === null)
    throw new ConfigError(
      'parametrization "mup": expected baseHeadDim, the size of a head at the base width; the same as headDim if the number of heads grows',
    );
  for (const [name, width] of Object.entries(widths)) {
    if (!Number.isInteger((width * baseDim) / modelDim))
      throw new ConfigError(
        `baseDim ${baseDim}: ${name} ${width} would be ${Number(((width * baseDim) / modelDim).toFixed(2))} at modelDim ${baseDim} instead of ${modelDim}; expected widths in whole proportions`,
      );
  }
}

import { initialFactor, type ParametrizedModel, relativeSize } from "../nn/index.ts";
import { parameterKind } from "./parameterKind.ts";
import type { UpdateSize } from "./updateSize.ts";

/** What a parametrization makes of a parameter's updates. */
export interface ParameterScale {
  /** Factor on the learning rate. */
  readonly learningRate: number;
  /** Factor on λ, so that a step's decay, `η·λ`, is the same for all. */
  readonly weightDecay: number;
  /** Factor on the gradient that an adaptive update sees: the same as dividing its ε by it. */
  readonly gradient: number;
}

/** Matrices that write into the residual stream. */
const writers = /(^|\.)(attention\.wo|mlp\.down)$/;

/**
 * Learning rate, decay and ε of a parameter by the spectral condition: features move by as much at any width if `‖ΔW‖₂` is of size
 * `√(fanOut/fanIn)`. With `n` the sizes that {@link relativeSize} counts and `d` the degree of {@link UpdateSize},
 *
 * ```
 * hidden      |g|^d elements: fanOut^d/fanIn     spectral: √(fanOut/fanIn)/norm(fanIn, fanOut)     ε/fanOut
 * embedding   fanOut^d, and 1/modelDim where it is the head as well                                ε/modelDim, and ε
 * head        1/fanIn                                                                              ε
 * vectors     n^d                                                                                  ε/n
 * ```
 *
 * With `baseLayers` and `r = numLayers/baseLayers`, rates in the blocks shrink by `r^(−(1 − d)/2)` and those of the matrices that write into
 * the residual stream by `1/r`: branches multiplied by `1/√r` and rates of Adam by as much, with the multiplier in the matrix.
 *
 * @param size - of the optimizer that the parameter belongs to
 *
 * Source: Yang, Simon and Bernstein, arXiv 2310.17813; Yang et al., arXiv 2203.03466, tables 3 and 8, and 2310.02244 for the depth; other
 * optimizers worked out from their updates.
 *
 * @example
 * ```ts
 * const model = resolveTransformerConfig({
 *   vocabSize: 8, numLayers: 2, modelDim: 256, numHeads: 4, parametrization: "mup", baseDim: 64, baseHeadDim: 64,
 * });
 * const adam: UpdateSize = { kind: "elements", degree: 0 };
 * parameterScale(model, adam, "blocks.0.mlp.up", [256, 1024]); // => { learningRate: 0.25, weightDecay: 4, gradient: 4 }
 * parameterScale(model, adam, "embedding", [8, 256]).learningRate; // => 1
 * ```
 */
export function parameterScale(
  model: ParametrizedModel,
  size: UpdateSize,
  path: string,
  shape: readonly number[],
): ParameterScale {
  if (model.parametrization === "standard") return { learningRate: 1, weightDecay: 1, gradient: 1 };
  const width = widthScale(model, size, path, shape);
  const depth = depthScale(model, size, path);
  const learningRate = width.learningRate * depth.learningRate;
  const isAdaptive = size.kind === "elements" && size.degree === 0;
  return {
    learningRate,
    weightDecay: 1 / learningRate,
    gradient: isAdaptive ? width.gradient * depth.gradient : 1,
  };
}

function widthScale(
  model: ParametrizedModel,
  size: UpdateSize,
  path: string,
  shape: readonly number[],
): { learningRate: number; gradient: number } {
  const relative = (own: number) => relativeSize(model, own);
  const degree = size.kind === "elements" ? size.degree : 0;
  const [fanIn = 1, fanOut = 1] = shape;
  switch (parameterKind(path, shape)) {
    case "matrix": {
      const [rows, columns] = [relative(fanIn), relative(fanOut)];
      if (size.kind === "parameter") {
        return { learningRate: 1 / rows / initialFactor(model, "hidden", fanIn, fanOut), gradient: columns };
      }
      if (size.kind === "spectral") {
        // The base model's matrix has sides smaller by the same ratio.
        const base = model.parametrization === "mup" ? size.norm(fanIn / rows, fanOut / columns) : 1;
        return {
          learningRate: (Math.sqrt(columns / rows) * base) / size.norm(fanIn, fanOut),
          gradient: columns,
        };
      }
      return { learningRate: columns ** degree / rows, gradient: columns };
    }
    case "embedding": {
      const dim = relative(model.modelDim);
      if (size.kind === "parameter") return { learningRate: 1, gradient: dim };
      // Of T5's bias there is a column for each head, as large at any width.
      if (shape[1] !== model.modelDim) return { learningRate: 1, gradient: 1 };
      const isHead = model.tiedHead && path === "embedding";
      return isHead ? { learningRate: 1 / dim, gradient: 1 } : { learningRate: dim ** degree, gradient: dim };
    }
    case "head":
      return {
        learningRate: size.kind === "parameter" ? 1 : 1 / relative(fanIn),
        gradient: 1,
      };
    case "vector":
    case "stack": {
      const isOfHead = /\.[qk]Norm\./.test(path) && fanIn === model.headDim;
      const length =
        isOfHead && model.parametrization === "mup" ? model.headDim / model.baseHeadDim! : relative(fanIn);
      return { learningRate: length ** degree, gradient: length };
    }
  }
}

function depthScale({ baseLayers, numLayers }: ParametrizedModel, size: UpdateSize, path: string) {
  if (baseLayers === null || !path.startsWith("blocks.")) return { learningRate: 1, gradient: 1 };
  const ratio = numLayers / baseLayers;
  const root = 1 / Math.sqrt(ratio);
  const isWriter = writers.test(path);
  if (size.kind === "parameter") return { learningRate: root, gradient: 1 };
  const degree = size.kind === "elements" ? size.degree : 0;
  return {
    learningRate: isWriter ? 1 / ratio : root ** (1 - degree),
    gradient: isWriter ? 1 : 1 / root,
  };
}

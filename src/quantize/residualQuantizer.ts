import { lax, numpy as np, random, tree } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { choice, computed, nonNegative, type OptionTable, positive, withDefaults } from "../options/index.ts";
import { checkIndices, checkValues, checkVectors } from "./checks.ts";
import {
  checkKey,
  type GradientEstimator,
  type GradientOptions,
  gradientEstimators,
  quantizeThrough,
  resolveGradient,
} from "./gradientEstimator.ts";
import { dispose, type Quantizer, type QuantizerTree } from "./quantizer.ts";
import { quantizerCombination } from "./quantizerMethod.ts";

export interface ResidualOptions extends Omit<GradientOptions, "gradient"> {
  /**
   * Where derivatives pass: an estimator's name, from `z` to the sum of codes at once (audiocraft; vector-quantize-pytorch for DiVeQ);
   * or `"per-layer"`, each layer its own way (vector-quantize-pytorch), by which straight-through derivatives of Q layers add up to
   * Q times the gradient; options of the estimator are then the layers'. Default `"straight-through"`.
   */
  readonly gradient?: GradientEstimator | "per-layer";
}

/** Splits a key into `count` of them; without a key into none. */
export function splitKey(key: np.Array | undefined, count: number): (np.Array | undefined)[] {
  return key === undefined ? Array(count).fill(undefined) : [...random.split(key, count)];
}

/** @throws ConfigError if there are fewer than two quantizers, or one of them gives several indices itself */
export function checkParts(what: string, quantizers: readonly Quantizer[]): void {
  if (quantizers.length < 2)
    throw new ConfigError(`${what}: ${quantizers.length} quantizers: expected at least two`);
  for (const { codebookSizes } of quantizers) {
    if (codebookSizes.length !== 1)
      throw new ConfigError(
        `${what}: a part with ${codebookSizes.length} indices per vector: expected one index`,
      );
  }
}

/** Variables of several quantizers: `params.layers[i]`, `state.layers[i]`. */
export function initParts(what: string, quantizers: readonly Quantizer[], key: np.Array) {
  checkKeys(what, key);
  const each = splitKey(key, quantizers.length).map((part, i) => quantizers[i]!.init(part!));
  return {
    params: { layers: each.map(({ params }) => params) },
    state: { layers: each.map(({ state }) => state) },
  };
}

export function updateParts(quantizers: readonly Quantizer[], state: QuantizerTree, batch: QuantizerTree) {
  return { layers: quantizers.map((quantizer, i) => quantizer.update(state.layers[i], batch.layers[i])) };
}

/** What each of several quantizers makes of its column of `int32[.., Q]`. */
export function decodeParts(
  quantizers: readonly Quantizer[],
  params: QuantizerTree,
  state: QuantizerTree,
  indices: np.Array,
): np.Array[] {
  const before = indices.shape.slice(1).map(() => [] as []);
  const codes = quantizers.map((quantizer, i) =>
    quantizer.decode(params.layers[i], state.layers[i], indices.ref.slice(...before, i)),
  );
  indices.dispose();
  return codes;
}

const residualTable = {
  gradient: choice([...gradientEstimators, "per-layer"] as const, "straight-through", "audiocraft"),
  noiseStd: computed(nonNegative, "1e-3", "DiVeQ's code"),
  maxRatio: computed(positive, "∞", "the rotation trick"),
} satisfies OptionTable;

/**
 * Residual quantization: layer `l` quantizes what the layers before left over, `r_{l+1} = r_l − sg[q_l]`, and the codes add up.
 *
 * Indices `int32[.., Q]`; losses are summed over layers (vector-quantize-pytorch returns one per layer); `error` is that of the sum.
 * Variables: `layers`, a list.
 *
 * @param quantizers - at least two, of one dim, each with one index per vector
 * With parts of cosine distance, a zero vector that is only found on the way (outside a trace) is a DataError after the arguments are
 * consumed.
 *
 * @throws ConfigError for other quantizers or an unknown estimator
 *
 * Source: SoundStream, arXiv 2107.03312, algorithm 1.
 *
 * @example
 * ```ts
 * const quantizer = residualQuantizer([1, 2].map(() => vectorQuantizer({ numCodes: 8, dim: 2 })));
 * const { params, state } = quantizer.init(random.key(0));
 * const indices = quantizer.encode(params, state, np.array([[0.3, -0.2]]));
 * indices.shape; // => [1, 2]
 * ```
 */
export function residualQuantizer(
  quantizers: readonly Quantizer[],
  options: ResidualOptions = {},
): Quantizer {
  const { gradient: _, ...ofEstimator } = options;
  checkParts("residualQuantizer", quantizers);
  const { dim } = quantizers[0]!;
  const other = quantizers.find((quantizer) => quantizer.dim !== dim);
  if (other !== undefined)
    throw new ConfigError(`residualQuantizer: layers of dim ${dim} and ${other.dim}: expected one dim`);
  const { gradient } = withDefaults(residualTable, options, "residualQuantizer");
  const estimator = gradient === "per-layer" ? null : resolveGradient({ gradient, ...ofEstimator });
  if (estimator === null && Object.keys(ofEstimator).length > 0)
    throw new ConfigError(`${Object.keys(ofEstimator)[0]}: expected without gradient "per-layer"`);
  const codebookSizes = quantizers.map((quantizer) => quantizer.codebookSizes[0]!);
  const check = (z: np.Array) => {
    checkVectors("residualQuantizer", z, dim);
    checkValues("residualQuantizer z", z, false);
  };
  const sum = (arrays: readonly np.Array[]) => arrays.reduce((a, b) => a.add(b));

  return {
    dim,
    codebookSizes,
    init: (key) => initParts("residualQuantizer init", quantizers, key),
    apply(params, state, z, key) {
      check(z);
      checkKeys("residualQuantizer", key);
      if (estimator !== null) checkKey("residualQuantizer", estimator.gradient, key);
      const keys = splitKey(key, quantizers.length + 1);
      let residual = z.ref;
      const outputs: np.Array[] = [];
      const codes: np.Array[] = [];
      const indices: np.Array[] = [];
      const losses: np.Array[] = [];
      const batches: QuantizerTree[] = [];
      quantizers.forEach((quantizer, i) => {
        const [own, ownState] = [params.layers[i], state.layers[i]];
        const [forCodes, forState] = [tree.ref(own), tree.ref(ownState)];
        const result = quantizer.apply(own, ownState, residual.ref, keys[i]);
        const code = quantizer.decode(forCodes, forState, result.indices.ref);
        residual = residual.sub(lax.stopGradient(code.ref));
        codes.push(code);
        outputs.push(result.quantized);
        indices.push(result.indices);
        losses.push(result.loss);
        batches.push(result.batch);
        result.error.dispose();
      });
      const error = np.mean(np.square(lax.stopGradient(residual)));
      let quantized: np.Array;
      if (estimator === null) {
        dispose(codes, z, keys.at(-1));
        quantized = sum(outputs);
      } else {
        dispose(outputs);
        quantized = quantizeThrough(z, sum(codes), estimator, keys.at(-1));
      }
      return {
        quantized,
        indices: np.stack(indices, -1),
        loss: sum(losses),
        error,
        batch: { layers: batches },
      };
    },
    update: (state, batch) => updateParts(quantizers, state, batch),
    encode(params, state, z) {
      check(z);
      let residual = lax.stopGradient(z);
      const indices = quantizers.map((quantizer, i) => {
        const [own, ownState] = [params.layers[i], state.layers[i]];
        const found = quantizer.encode(tree.ref(own), tree.ref(ownState), residual.ref);
        residual = residual.sub(quantizer.decode(own, ownState, found.ref));
        return found;
      });
      residual.dispose();
      return np.stack(indices, -1);
    },
    decode(params, state, indices) {
      checkIndices("residualQuantizer decode", indices, codebookSizes);
      return sum(decodeParts(quantizers, params, state, indices));
    },
  };
}

export const residualCombination = quantizerCombination({
  options: residualTable,
  list: "layers",
  make: residualQuantizer,
  divides: false,
  name: "residualQuantizer",
  codes: "sums of codes of residuals",
  trained: "as its layers",
});

import { numpy as np } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { checkIndices, checkValues, checkVectors } from "./checks.ts";
import type { Quantizer } from "./quantizer.ts";
import { quantizerCombination } from "./quantizerMethod.ts";
import { checkParts, decodeParts, initParts, splitKey, updateParts } from "./residualQuantizer.ts";

/**
 * Product (grouped) quantization: the components of a vector are divided among several quantizers, in order.
 *
 * Indices `int32[.., G]`; loss and error are means over all components, that is of the parts weighted by their dims. Variables:
 * `layers`, a list.
 *
 * @param quantizers - at least two, each with one index per vector
 * With parts of cosine distance, a zero vector that is only found on the way (outside a trace) is a DataError after the arguments are
 * consumed.
 *
 * @throws ConfigError for other quantizers
 *
 * Source: Jégou et al., Product Quantization for Nearest Neighbor Search, 2011; `heads` with separate codebooks in
 * vector-quantize-pytorch.
 *
 * @example
 * ```ts
 * const half = () => vectorQuantizer({ numCodes: 4, dim: 2 });
 * const quantizer = productQuantizer([half(), half()]);
 * [quantizer.dim, ...quantizer.codebookSizes]; // => [4, 4, 4]
 * const { params, state } = quantizer.init(random.key(0));
 * quantizer.encode(params, state, np.zeros([3, 4])).shape; // => [3, 2]
 * ```
 */
export function productQuantizer(quantizers: readonly Quantizer[]): Quantizer {
  checkParts("productQuantizer", quantizers);
  const dims = quantizers.map(({ dim }) => dim);
  const dim = dims.reduce((a, b) => a + b);
  const borders = dims.slice(0, -1).map((_, i) => dims.slice(0, i + 1).reduce((a, b) => a + b));
  const codebookSizes = quantizers.map((quantizer) => quantizer.codebookSizes[0]!);
  const check = (z: np.Array) => {
    checkVectors("productQuantizer", z, dim);
    checkValues("productQuantizer z", z, false);
  };
  return {
    dim,
    codebookSizes,
    init: (key) => initParts("productQuantizer init", quantizers, key),
    apply(params, state, z, key) {
      check(z);
      checkKeys("productQuantizer", key);
      const keys = splitKey(key, quantizers.length);
      const results = np
        .split(z, borders, -1)
        .map((part, i) => quantizers[i]!.apply(params.layers[i], state.layers[i], part, keys[i]));
      const weighted = (values: readonly np.Array[]) =>
        values.map((value, i) => value.mul(dims[i]! / dim)).reduce((a, b) => a.add(b));
      return {
        quantized: np.concatenate(
          results.map(({ quantized }) => quantized),
          -1,
        ),
        indices: np.stack(
          results.map(({ indices }) => indices),
          -1,
        ),
        loss: weighted(results.map(({ loss }) => loss)),
        error: weighted(results.map(({ error }) => error)),
        batch: { layers: results.map(({ batch }) => batch) },
      };
    },
    update: (state, batch) => updateParts(quantizers, state, batch),
    encode(params, state, z) {
      check(z);
      const indices = np
        .split(z, borders, -1)
        .map((part, i) => quantizers[i]!.encode(params.layers[i], state.layers[i], part));
      return np.stack(indices, -1);
    },
    decode(params, state, indices) {
      checkIndices("productQuantizer decode", indices, codebookSizes);
      return np.concatenate(decodeParts(quantizers, params, state, indices), -1);
    },
  };
}

export const productCombination = quantizerCombination({
  options: {},
  list: "parts",
  make: productQuantizer,
  divides: true,
  name: "productQuantizer",
  codes: "codes of parts of a vector side by side",
  trained: "as its parts",
});

import assert from "node:assert/strict";
import { numpy as np, random, tree } from "@jax-js/jax";
import type { Quantizer, QuantizerTree as Tree } from "../index.ts";

/** Indices within their codebooks, and the same vectors from `apply` and from `decode(encode(z))`, bit for bit. */
export function checkCodebook(
  quantizer: Quantizer,
  elements: Float32Array<ArrayBuffer>,
  scale: number,
): void {
  const whole = elements.length - (elements.length % quantizer.dim);
  if (whole === 0) return;
  const z = np.array(elements.slice(0, whole), { shape: [whole / quantizer.dim, quantizer.dim] });
  const initial = quantizer.init(random.key(7));
  const scaled = (root: Tree) => tree.map((array: np.Array) => array.mul(scale), root);
  // Where codes are a product of both, one of them is scaled.
  const { params, state } =
    tree.leaves(initial.params).length > 0
      ? { params: scaled(initial.params), state: initial.state }
      : { params: initial.params, state: scaled(initial.state) };
  const kept = () => [tree.ref(params), tree.ref(state)] as const;
  const { quantized, indices, loss, error, batch } = quantizer.apply(...kept(), z.ref);
  tree.dispose([loss, error, batch]);
  const found = quantizer.encode(...kept(), z);
  const numbers = [...(found.ref.dataSync() as Int32Array)];
  const sizes = quantizer.codebookSizes;
  for (const [i, index] of numbers.entries())
    assert.ok(index >= 0 && index < sizes[i % sizes.length]!, `index ${index} of ${sizes}`);
  assert.deepEqual([...(indices.dataSync() as Int32Array)], numbers);
  const decoded = quantizer.decode(params, state, found).dataSync() as Float32Array;
  // + 0: a code −0 is a code 0.
  const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);
  assert.deepEqual(plain(decoded), plain(quantized.dataSync() as Float32Array));
}

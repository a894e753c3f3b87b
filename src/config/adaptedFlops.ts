import { flopsPerToken, type TransformerConfig } from "../nn/index.ts";
import { type Adaptation, loraPrefix } from "./adaptation.ts";

const inBlock = /^blocks\.(\d+)\./;

/**
 * Floating-point operations of a training step per token where not all of a model is trained: of `flopsPerToken`, a frozen matrix has 2 forward and 2 for the
 * gradient of its inputs, and none for its own; LoRA's matrices have 6 per element, as other trained ones. Blocks below the lowest of which
 * something is trained have no backward pass at all.
 *
 * @param adaptation - null if all is trained
 */
export function adaptedFlopsPerToken(
  model: TransformerConfig,
  length: number,
  adaptation: Adaptation | null,
): number {
  const whole = flopsPerToken(model, length);
  if (adaptation === null) return whole;
  const { trained, frozen } = adaptation;
  const lowest = Math.min(
    ...[...trained.keys()].map((path) => {
      const own = path.startsWith(loraPrefix) ? path.slice(loraPrefix.length) : path;
      const layer = inBlock.exec(own)?.[1];
      // Norm and head come after all blocks, what else there is before them.
      return layer !== undefined ? Number(layer) : /^(norm\.|head$)/.test(own) ? model.numLayers : 0;
    }),
  );
  let saved = lowest * 8 * length * model.numHeads * model.headDim;
  for (const [path, { shape }] of frozen) {
    const layer = inBlock.exec(path)?.[1];
    const isHead = path === (model.tiedHead ? "embedding" : "head");
    if (shape.length !== 2 || (layer === undefined && !isHead)) continue;
    const elements = shape[0]! * shape[1]!;
    saved += (layer !== undefined && Number(layer) < lowest ? 4 : 2) * elements;
  }
  let added = 0;
  for (const [path, { shape }] of trained)
    if (path.startsWith(loraPrefix)) added += 6 * shape.reduce((a, b) => a * b, 1);
  return whole - saved + added;
}

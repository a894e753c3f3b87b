import { type numpy as np, tree } from "@jax-js/jax";
import { placedDevice } from "./chooseDevice.ts";
import { compile } from "./compile.ts";
import { DeviceBuffer } from "./elements.ts";
import type { EngineArray } from "./engineArray.ts";
import type { EnginePlacement } from "./runtime/runtime.ts";

/**
 * Arrays of the engine in the memory of the device where functions are run, so that calls which share them copy them once.
 *
 * @param arrays - a tree of {@link EngineArray}s, left alone; those that are on a device already are given back as they are
 *
 * @example
 * ```ts
 * const weights = await toEngine({ w: np.array([1, 2]) });
 * const placed = await toDevice(weights, { device: "cpu" }); // "gpu" where there is one
 * placed.w.data; // => [1, 2]
 * ```
 */
export async function toDevice<T>(arrays: T, placement: EnginePlacement): Promise<T> {
  if ((await placedDevice(placement.device)) === "cpu") return arrays;
  const [leaves, structure] = tree.flatten(arrays) as [EngineArray[], tree.JsTreeDef];
  const host = leaves.filter(({ elements }) => !(elements instanceof DeviceBuffer));
  if (host.length === 0) return arrays;
  await using move = compile((values: np.Array[]) => values, {
    ...placement,
    outputs: "engine",
    name: "move",
  });
  const moved = await move(host);
  const places = new Map(host.map((leaf, i) => [leaf, moved[i]!]));
  const all = leaves.map((leaf) => places.get(leaf) ?? leaf);
  return tree.unflatten(structure, all) as T;
}

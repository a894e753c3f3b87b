import { EngineArray } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";
import { isReservedName } from "../reservedNames.ts";
import type { StoredTensor } from "./safetensorsHeader.ts";

/** The leaves of a tree of engine arrays by their dotted paths. */
export function flattenState(root: unknown, prefix = ""): Map<string, EngineArray> {
  const leaves = new Map<string, EngineArray>();
  if (root instanceof EngineArray) return leaves.set(prefix, root);
  for (const [key, value] of Object.entries(root as Record<string, unknown>)) {
    for (const [name, leaf] of flattenState(value, prefix === "" ? key : `${prefix}.${key}`))
      leaves.set(name, leaf);
  }
  return leaves;
}

/** Parts of a list in a tree: a name alone mustn't make one that takes long to go through. */
const mostParts = 0x10000;

/**
 * The tree under a prefix of dotted paths, made of arrays of the engine without a copy. Parts without arrays are missing.
 *
 * @throws CheckpointError if there is no tensor under the prefix, or names make no tree
 */
export function treeOfTensors(tensors: ReadonlyMap<string, StoredTensor>, prefix: string): unknown {
  const root: Record<string, unknown> = {};
  for (const [name, { data, shape }] of tensors) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const fail = (problem: string): never => {
      throw new CheckpointError(`checkpoint: tensor "${name}": ${problem}`);
    };
    const keys = name.slice(prefix.length + 1).split(".");
    let node: Record<string, unknown> = root;
    keys.forEach((key, i) => {
      if (isReservedName(key)) fail(`expected another name than ${key}`);
      // A list is as long as its largest place says; parts without arrays have no tensors.
      if (Array.isArray(node) && !(/^\d+$/.test(key) && Number(key) < mostParts))
        fail(`place ${key} of a list: expected less than ${mostParts}`);
      const known = Object.hasOwn(node, key) ? node[key] : undefined;
      if (i === keys.length - 1) {
        if (known !== undefined) fail("is a tensor and a folder of tensors at once");
        node[key] = EngineArray.from(data, shape);
        return;
      }
      if (known instanceof EngineArray) fail("lies inside of another tensor");
      if (known === undefined) node[key] = /^\d+$/.test(keys[i + 1]!) ? [] : {};
      node = node[key] as Record<string, unknown>;
    });
  }
  if (Object.keys(root).length === 0)
    throw new CheckpointError(`checkpoint: has no tensors under "${prefix}"`);
  return root;
}

/** Arrays of the engine in host memory as they are stored, by their paths under a prefix, by default none. */
export function storedTensors(arrays: unknown, prefix = ""): Map<string, StoredTensor> {
  return new Map(
    [...flattenState(arrays, prefix)].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype: dtype as StoredTensor["dtype"], shape, data },
    ]),
  );
}

/**
 * Checks that the tensors of a checkpoint are those of a state, and finite.
 *
 * @param template - arrays of the expected shapes, or their types, by path
 * @throws CheckpointError naming the first tensor that is missing, unknown, of another shape, or holds NaN or an infinity
 */
export function matchTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  template: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: string }>,
  file: string,
): void {
  for (const [name, { shape, dtype }] of template) {
    const stored = tensors.get(name);
    if (stored === undefined) throw new CheckpointError(`checkpoint ${file}: tensor "${name}" is missing`);
    if (stored.dtype !== dtype || stored.shape.join() !== shape.join()) {
      throw new CheckpointError(
        `checkpoint ${file}: tensor "${name}" is ${stored.dtype}[${stored.shape.join()}], expected ${dtype}[${shape.join()}]`,
      );
    }
  }
  for (const [name, { data }] of tensors) {
    if (!template.has(name))
      throw new CheckpointError(`checkpoint ${file}: tensor "${name}" is not part of this model`);
    // A plain loop: this goes through all of a state.
    for (let place = 0; place < data.length; place++) {
      if (!Number.isFinite(data[place]))
        throw new CheckpointError(
          `checkpoint ${file}: tensor "${name}"[${place}] is ${data[place]}: nothing can be made of it`,
        );
    }
  }
}

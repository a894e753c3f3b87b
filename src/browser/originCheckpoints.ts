import { EngineArray, type EngineState, type EngineTree } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";
import {
  decodeTensorFile,
  encodeTensorFile,
  flattenState,
  matchTensors,
  type StoredTensor,
  storedTensors,
} from "../tensors/index.ts";

const format = "rotor-page-checkpoint";
const folderName = "rotor";
const prefix = "state";

/** A checkpoint of a page: a state as it was, and what was said with it. */
export interface OriginCheckpoint {
  readonly step: number;
  readonly about: unknown;
  /**
   * Makes a state what it was.
   *
   * @throws CheckpointError naming the first tensor that is missing, unknown, of another shape or not finite; the state is left alone then
   */
  restore<S>(state: EngineState<S>): Promise<void>;
}

export interface OriginCheckpointOptions {
  /** Newest checkpoints that are kept. Default 2. */
  readonly keep?: number;
  /** Is told of damaged checkpoints that are passed over. */
  readonly warn?: (message: string) => void;
}

const fileOf = (step: number) => `step-${String(step).padStart(8, "0")}.safetensors`;

/** What the browser says when there is no room is no sentence for a person. */
function written(step: number, error: unknown): CheckpointError {
  const { name, message } = error as Error;
  const problem =
    name === "QuotaExceededError"
      ? "the browser gives this page no more room: remove other checkpoints, or free space on the disk"
      : message;
  return new CheckpointError(`checkpoint of step ${step}: ${problem}`, { cause: error });
}

/**
 * Checkpoints of a training in a page, in the origin's private file system: they outlive a reload, and no other origin sees them. A file
 * is put in the place of another only when it is whole, and is used only if its checksum fits. While one page has a training open, no other
 * page of the origin can.
 *
 * @example
 * ```js
 * const checkpoints = await OriginCheckpoints.open("my-training");
 * const state = await step.init(initialState());
 * const last = await checkpoints.latest(); // null the first time
 * await last?.restore(state);
 * await checkpoints.save(100, await state.load(), { losses });
 * ```
 */
export class OriginCheckpoints implements Disposable {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #parent: FileSystemDirectoryHandle;
  readonly #name: string;
  readonly #keep: number;
  readonly #warn: (message: string) => void;
  readonly #release: () => void;

  private constructor(
    folder: FileSystemDirectoryHandle,
    parent: FileSystemDirectoryHandle,
    name: string,
    { keep = 2, warn = () => {} }: OriginCheckpointOptions,
    release: () => void,
  ) {
    this.#folder = folder;
    this.#parent = parent;
    this.#name = name;
    this.#keep = keep;
    this.#warn = warn;
    this.#release = release;
  }

  /**
   * Opens the checkpoints of a training.
   *
   * @param name - letters, digits, `-` and `_`
   * @throws CheckpointError for another name, where the browser has no such file system, or where another page has them open
   */
  static async open(name: string, options: OriginCheckpointOptions = {}): Promise<OriginCheckpoints> {
    if (!/^[\w-]{1,100}$/.test(name))
      throw new CheckpointError(
        `checkpoints ${JSON.stringify(name)}: expected a name of letters, digits, - and _`,
      );
    const { keep = 2 } = options;
    if (!Number.isInteger(keep) || keep < 1)
      throw new CheckpointError(`keep ${keep}: expected an integer ≥ 1`);
    if (globalThis.navigator?.storage?.getDirectory === undefined)
      throw new CheckpointError("checkpoints: need a browser, and https or localhost");
    const release = await hold(`${folderName}/${name}`);
    try {
      const root = await navigator.storage.getDirectory();
      const parent = await root.getDirectoryHandle(folderName, { create: true });
      const folder = await parent.getDirectoryHandle(name, { create: true });
      return new OriginCheckpoints(folder, parent, name, options, release);
    } catch (error) {
      release();
      throw new CheckpointError(`checkpoints "${name}": ${(error as Error).message}`, { cause: error });
    }
  }

  /** Steps of which there is a checkpoint, ascending. */
  async steps(): Promise<number[]> {
    const steps: number[] = [];
    for await (const name of this.#folder.keys()) {
      const match = /^step-(\d+)\.safetensors$/.exec(name);
      if (match !== null) steps.push(Number(match[1]));
    }
    return steps.sort((a, b) => a - b);
  }

  /**
   * Saves a state and removes older checkpoints.
   *
   * @param state - a tree of arrays of the engine in host memory: `await state.load()`
   * @param about - what else a resumed training needs, as JSON can hold it
   * @throws CheckpointError if there is no room; the checkpoints before it are left then
   */
  async save(step: number, state: object, about: unknown = null): Promise<void> {
    if (!Number.isSafeInteger(step) || step < 0)
      throw new CheckpointError(`checkpoint of step ${step}: expected an integer ≥ 0`);
    const parts = await encodeTensorFile(format, { step, about }, storedTensors(state, prefix));
    try {
      const file = await this.#folder.getFileHandle(fileOf(step), { create: true });
      const target = await file.createWritable();
      try {
        for (const part of parts) await target.write(part);
      } catch (error) {
        await target.abort();
        throw error;
      }
      // Only now the file is put in its place.
      await target.close();
    } catch (error) {
      throw written(step, error);
    }
    for (const old of (await this.steps()).slice(0, -this.#keep)) await this.#folder.removeEntry(fileOf(old));
  }

  /** The newest checkpoint that is whole, or null if there is none. */
  async latest(): Promise<OriginCheckpoint | null> {
    for (const step of (await this.steps()).reverse()) {
      const name = `${this.#name}/${fileOf(step)}`;
      try {
        const file = await (await this.#folder.getFileHandle(fileOf(step))).getFile();
        const bytes = new Uint8Array(await file.arrayBuffer());
        const { about, tensors } = await decodeTensorFile(format, bytes, name);
        const said = about as { readonly step: number; readonly about: unknown };
        return { ...said, restore: (state) => restore(state, tensors, name) };
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        this.#warn(`${error.message}; using the one before`);
      }
    }
    return null;
  }

  /** Removes all of them, and closes. */
  async remove(): Promise<void> {
    await this.#parent.removeEntry(this.#name, { recursive: true });
    this.close();
  }

  /** Lets other pages open them. */
  close(): void {
    this.#release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A tree with other arrays in the places of its own. */
function withArrays(node: unknown, arrays: ReadonlyMap<unknown, EngineArray>): unknown {
  if (node instanceof EngineArray) return arrays.get(node);
  if (Array.isArray(node)) return node.map((child) => withArrays(child, arrays));
  return Object.fromEntries(
    Object.entries(node as object).map(([key, child]) => [key, withArrays(child, arrays)]),
  );
}

async function restore<S>(
  state: EngineState<S>,
  tensors: ReadonlyMap<string, StoredTensor>,
  file: string,
): Promise<void> {
  const leaves = state.leaves();
  const own = flattenState(leaves, prefix);
  matchTensors(tensors, own, file);
  const arrays = new Map(
    [...own].map(([name, leaf]) => {
      const { data, shape } = tensors.get(name)!;
      return [leaf, EngineArray.from(data, shape)];
    }),
  );
  await state.write(withArrays(leaves, arrays) as EngineTree<S>);
}

/** @returns what gives the lock back @throws CheckpointError if another page, or this one, has it */
async function hold(name: string): Promise<() => void> {
  return await new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, async (lock) => {
        if (lock === null) throw new CheckpointError(`checkpoints "${name}": another page has them open`);
        await new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

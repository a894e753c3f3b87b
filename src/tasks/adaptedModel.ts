import type { numpy as np } from "@jax-js/jax";
import { mergedParameters, type StoredTensor, storedTensors } from "../checkpoint/index.ts";
import {
  EngineArray,
  type EngineLeaves,
  type EnginePlacement,
  toDevice,
  toEngine,
} from "../compile/index.ts";
import type { Adaptation, FlatArrays } from "../config/index.ts";
import { mix } from "../data/index.ts";
import type { TransformerParams } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { StepTask } from "./task.ts";

type FlatEngine = Readonly<Record<string, EngineArray>>;

/** Salt of the random numbers that leave inputs out. */
const dropoutSalt = 0x64726f70;

/** A batch of an adapted model: what the task draws, and what isn't trained beside it. */
interface AdaptedBatch {
  readonly batch: Tree;
  readonly frozen: Tree;
  readonly key?: np.Array;
}

const arraysOf = (tensors: ReadonlyMap<string, StoredTensor>): FlatEngine =>
  Object.fromEntries([...tensors].map(([path, { data, shape }]) => [path, EngineArray.from(data, shape)]));

/** The parameters of a model of which some are trained, LoRA's matrices among them, and the others frozen. */
export class AdaptedModel {
  readonly adaptation: Adaptation;
  readonly #placement: EnginePlacement;
  #frozen: FlatEngine | null = null;

  constructor(adaptation: Adaptation, placement: EnginePlacement) {
    this.adaptation = adaptation;
    this.#placement = placement;
  }

  /** Of a checkpoint, to be measured. */
  static async of(
    { adaptation, frozen }: { readonly adaptation: Adaptation; readonly frozen: FlatEngine },
    placement: EnginePlacement,
  ): Promise<AdaptedModel> {
    const model = new AdaptedModel(adaptation, placement);
    await model.#place(frozen);
    return model;
  }

  /** What is frozen, by path; known once training begins. */
  get frozen(): FlatEngine {
    if (this.#frozen === null) throw new Error("AdaptedModel: begins with begin or resume");
    return this.#frozen;
  }

  /** What is frozen, as a checkpoint has it. */
  get storedFrozen(): ReadonlyMap<string, StoredTensor> {
    return storedTensors(this.frozen);
  }

  /**
   * Takes the parameters of a model.
   *
   * @param base - by path
   * @param given - LoRA's matrices by path; absent for those that the seed decides
   * @returns what is trained, by path, at step 0
   */
  async begin(
    base: ReadonlyMap<string, EngineArray>,
    seed: number,
    given?: ReadonlyMap<string, StoredTensor>,
  ): Promise<FlatEngine> {
    const { adaptation } = this;
    const ofBase = (types: Iterable<string>) =>
      Object.fromEntries([...types].filter((path) => base.has(path)).map((path) => [path, base.get(path)!]));
    await this.#place(ofBase(adaptation.frozen.keys()));
    const changes =
      given === undefined
        ? ((await toEngine(adaptation.initial(seed))) as unknown as FlatEngine)
        : arraysOf(given);
    return { ...ofBase(adaptation.trained.keys()), ...changes };
  }

  /** Takes what a checkpoint has. @returns zeros in place of what is trained, for the checkpoint to overwrite */
  async resume(frozen: ReadonlyMap<string, StoredTensor>): Promise<FlatEngine> {
    await this.#place(arraysOf(frozen));
    const zeros = [...this.adaptation.trained].map(([path, { shape }]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [path, EngineArray.from(new Float32Array(size), [...shape])] as const;
    });
    return Object.fromEntries(zeros);
  }

  async #place(frozen: FlatEngine): Promise<void> {
    this.#frozen = await toDevice(frozen, this.#placement);
  }

  /** Steps of a task whose loss takes all parameters, as steps of what is trained. */
  steps(task: StepTask, seed: number): Pick<StepTask, "batch" | "loss"> {
    const { hasDropout } = this.adaptation;
    return {
      batch: (index) => ({
        batch: task.batch(index),
        frozen: this.frozen,
        ...(hasDropout ? { key: EngineArray.from(Uint32Array.of(mix(seed, dropoutSalt), index), [2]) } : {}),
      }),
      loss: (params, variables, { batch, frozen, key }: AdaptedBatch, observes) =>
        task.loss(this.adaptation.assemble(params, frozen, key ?? null), variables, batch, observes),
    };
  }

  /** A loss of all parameters as one of what is trained, on batches that {@link withFrozen} gives. */
  loss(loss: (params: TransformerParams, batch: Tree) => np.Array): (params: Tree, batch: Tree) => np.Array {
    return (params: FlatArrays, { batch, frozen }: AdaptedBatch) =>
      loss(this.adaptation.assemble(params, frozen), batch);
  }

  withFrozen<T>(batch: T): { readonly batch: T; readonly frozen: FlatEngine } {
    return { batch, frozen: this.frozen };
  }

  /** Plain parameters of the model, in the engine. */
  merged(params: Tree): Promise<EngineLeaves<TransformerParams>> {
    return mergedParameters(this.adaptation, params as FlatEngine, this.frozen, this.#placement);
  }
}

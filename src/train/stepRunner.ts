import { compile, EngineArray, type EngineState } from "../compile/index.ts";
import { mapArrays, type Tree } from "../optim/index.ts";
import type { BuiltOptimizer } from "./buildOptimizer.ts";
import type { StepTask } from "./task.ts";
import { gradientStep, initialState, type TrainHandle, trainingStep } from "./trainingStep.ts";

/** Options of training that decide what a step is. */
export interface StepOptions {
  readonly clipNorm: number | null;
  readonly seed: number;
  readonly threads?: number | undefined;
  /** Batches per step. Default 1. */
  readonly accumulate?: number;
}

export interface StepResult {
  /** Mean over the batches of the step. */
  readonly loss: number;
  /** Of the mean gradient, before clipping; null without clipping. */
  readonly gradNorm: number | null;
  /** What the task watches. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Runs training steps of `training.accumulate` batches each. All but the last batch of a step only add to a sum of gradients, so
 * that the optimizer runs once per step, and checkpoints, which lie between steps, need no sum. What a task with variables keeps of
 * them waits for the last one.
 */
export class StepRunner {
  readonly #task: StepTask;
  readonly #optimizer: BuiltOptimizer;
  readonly #seed: number;
  readonly #numBatches: number;
  readonly #step;
  readonly #accumulate;
  #sum: EngineState<Tree> | null = null;

  constructor(task: StepTask, optimizer: BuiltOptimizer, options: StepOptions) {
    this.#task = task;
    this.#optimizer = optimizer;
    const { clipNorm, seed, threads, accumulate = 1 } = options;
    this.#seed = seed;
    this.#numBatches = accumulate;
    this.#step = trainingStep(task, optimizer, clipNorm, threads, accumulate);
    this.#accumulate = accumulate === 1 ? null : gradientStep(task, threads);
  }

  /** The state at step 0. */
  async init(): Promise<TrainHandle> {
    const state = await this.#step.init(
      (await initialState(this.#task, this.#optimizer, this.#seed)) as never,
    );
    if (this.#accumulate !== null) {
      await using zeros = compile((params: Tree) => mapArrays((p) => p.mul(0), params), {
        outputs: "engine",
      });
      this.#sum = await this.#accumulate.init((await zeros(state.leaves().params as never)) as never);
    }
    return state;
  }

  /** Inputs of the program that ends a step, besides the state. */
  #inputs(index: number, earlier: readonly unknown[]): [never] {
    const batch = this.#task.batch(index);
    if (this.#sum === null) return [batch] as never;
    const sum = this.#sum.leaves();
    return (this.#task.advance === undefined ? [batch, sum] : [batch, sum, earlier]) as never;
  }

  /** Adds the gradients of one of the batches before the last to the sum. */
  async #add(state: TrainHandle, index: number, isFirst: boolean) {
    const { params, variables } = state.leaves();
    const inputs = [params, variables ?? {}, this.#task.batch(index), keep(isFirst ? 0 : 1)];
    const { loss, aux } = await this.#accumulate!(this.#sum!, ...(inputs as [never, never, never, never]));
    return { loss: (loss as EngineArray).data[0]!, aux };
  }

  /** Traces, lowers and loads the programs. */
  async prepare(state: TrainHandle): Promise<void> {
    const earlier: unknown[] = [];
    if (this.#accumulate !== null) {
      // Run, not only loaded: only that says what a task keeps. The next step begins its sum anew.
      const { aux } = await this.#add(state, 0, true);
      for (let i = 0; i < this.#numBatches - 1; i++) earlier.push(aux);
    }
    await this.#step.prepare(state, ...this.#inputs(0, earlier));
  }

  /** One step: its batches are those from `index·accumulate` on. */
  async run(state: TrainHandle, index: number): Promise<StepResult> {
    const accumulate = this.#numBatches;
    let total = 0;
    const earlier: unknown[] = [];
    for (let i = 0; i < accumulate - 1; i++) {
      const { loss, aux } = await this.#add(state, index * accumulate + i, i === 0);
      total += loss;
      earlier.push(aux);
    }
    const outputs = await this.#step(state, ...this.#inputs((index + 1) * accumulate - 1, earlier));
    const loss = (total + (await outputs.loss.data())[0]!) / accumulate;
    const metrics: Record<string, number> = {};
    for (const [name, value] of Object.entries(outputs.metrics ?? {}))
      metrics[name] = (await value.data())[0]!;
    return {
      loss,
      gradNorm: outputs.gradNorm === undefined ? null : (await outputs.gradNorm.data())[0]!,
      metrics,
    };
  }

  /** Bytes of the sum of gradients, twice; 0 without accumulation. */
  get sumBytes(): number {
    return 2 * (this.#sum?.byteLength ?? 0);
  }

  async dispose(): Promise<void> {
    this.#sum?.dispose();
    await this.#step.dispose();
    await this.#accumulate?.dispose();
  }
}

/** Whether the sum so far counts: not at the first batch of a step. */
const keep = (value: 0 | 1) => EngineArray.from(Float32Array.of(value), []);

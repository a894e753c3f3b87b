import {
  compile,
  type Device,
  EngineArray,
  type EnginePlacement,
  type EngineState,
  type Precision,
  placementOf,
} from "../compile/index.ts";
import type { BuiltOptimizer } from "../config/index.ts";
import { type LossScaleOptions, mapArrays, type Tree } from "../optim/index.ts";
import type { StepTask } from "../tasks/index.ts";
import { gradientStep, initialState, type TrainHandle, trainingStep } from "./trainingStep.ts";

/** Options of training that decide what a step is. */
export interface StepOptions {
  readonly clipNorm: number | null;
  readonly seed: number;
  readonly threads?: number | undefined;
  readonly device?: Device | undefined;
  readonly precision?: Precision | undefined;
  /** Whether activations are made again for the backward pass. Default false. */
  readonly recompute?: boolean | undefined;
  /** Of mixed precision. */
  readonly lossScale?: LossScaleOptions | undefined;
  /** Batches per step. Default 1. */
  readonly accumulate?: number;
}

export interface StepResult {
  /** Mean over the batches of the step. */
  readonly loss: number;
  /** Of the mean gradient, before clipping; null without clipping. */
  readonly gradNorm: number | null;
  /** What the task watches; with mixed precision also the loss's scale (`lossScale`) and steps that were left out (`skippedSteps`). */
  readonly metrics: Readonly<Record<string, number>>;
  /** Whether a gradient overflowed, so that the step was left out. */
  readonly isSkipped: boolean;
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
  readonly #placement: EnginePlacement;
  readonly #scaling: LossScaleOptions | null;
  #numSkipped: number | null = null;
  readonly #step;
  readonly #accumulate;
  #sum: EngineState<Tree> | null = null;

  constructor(task: StepTask, optimizer: BuiltOptimizer, options: StepOptions) {
    this.#task = task;
    this.#optimizer = optimizer;
    const { clipNorm, seed, accumulate = 1, precision, recompute = false, lossScale = {} } = options;
    this.#scaling = precision === "mixed" ? lossScale : null;
    this.#placement = placementOf(options);
    this.#seed = seed;
    this.#numBatches = accumulate;
    const placement = { ...this.#placement, recompute, ...(precision !== undefined && { precision }) };
    this.#step = trainingStep(task, optimizer, clipNorm, placement, accumulate, undefined, lossScale);
    this.#accumulate = accumulate === 1 ? null : gradientStep(task, placement);
  }

  /** The state at step 0. */
  async init(): Promise<TrainHandle> {
    const state = await this.#step.init(
      await initialState(this.#task, this.#optimizer, this.#seed, this.#scaling),
    );
    if (this.#accumulate !== null) {
      await using zeros = compile((params: Tree) => mapArrays((p) => p.mul(0), params), {
        outputs: "engine",
      });
      this.#sum = await this.#accumulate.init(await zeros(state.leaves().params));
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
    const { params, variables, lossScale } = state.leaves();
    const inputs: unknown[] = [params, variables ?? {}, this.#task.batch(index), keep(isFirst ? 0 : 1)];
    if (lossScale !== undefined) inputs.push(lossScale.scale);
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

  /** What the program that ends a step of one batch became. */
  async inspect(state: TrainHandle) {
    return this.#step.inspect(state, ...this.#inputs(0, []));
  }

  /** One step: its batches are those from `index·accumulate` on. */
  async run(state: TrainHandle, index: number): Promise<StepResult> {
    const accumulate = this.#numBatches;
    if (this.#scaling !== null && this.#numSkipped === null)
      this.#numSkipped = (state.leaves().lossScale!.skipped as unknown as EngineArray).data[0]!;
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
    let isSkipped = false;
    if (outputs.lossScale !== undefined) {
      metrics.lossScale = (await outputs.lossScale.data())[0]!;
      const skipped = (await outputs.skippedSteps!.data())[0]!;
      isSkipped = skipped > this.#numSkipped!;
      this.#numSkipped = skipped;
      metrics.skippedSteps = skipped;
    }
    for (const [name, value] of Object.entries(outputs.metrics ?? {}))
      metrics[name] = (await value.data())[0]!;
    return {
      loss,
      gradNorm: outputs.gradNorm === undefined ? null : (await outputs.gradNorm.data())[0]!,
      metrics,
      isSkipped,
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

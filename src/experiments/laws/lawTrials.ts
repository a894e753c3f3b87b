import type { Sharpness } from "../../curvature/index.ts";
import type { Tree } from "../../optim/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import type { HorizonLosses } from "./horizons.ts";
import { LawLab } from "./lawLab.ts";
import { type LawStatistics, type LawStatisticsOptions, lawStatistics } from "./lawStatistics.ts";
import { type LawTask, openTask, type TaskName, type TaskSize } from "./lawTask.ts";
import { type MeasuredLaw, type MeasuredLawOptions, measuredLaw } from "./measuredLaw.ts";
import type { LawOptimizer } from "./optimizers.ts";
import type { RunLoss } from "./runSweep.ts";
import {
  type SharpnessMeasurement,
  type SharpnessPoint,
  sharpnessAlong,
  sharpnessAt,
} from "./sharpnessAlong.ts";
import { type StepOptimumResult, stepOptima } from "./stepOptimum.ts";

/** A task and where on its way the laws are measured: the same for all experiments, so that they share trials. */
export interface LawSetting {
  readonly task: TaskName;
  readonly size: TaskSize;
  readonly checkpoint: {
    readonly steps: number;
    readonly learningRate: number;
    readonly batchSize: number;
    readonly numGradients: number;
  };
  /** Samples of an independent batch that a step is judged by. */
  readonly probeSize: number;
}

/** Settings and results of trials: what is in the log isn't run, and no program is compiled for it. */
export class LawTrials implements AsyncDisposable {
  readonly setting: LawSetting;
  readonly #context: ExperimentContext;
  #task: LawTask | null = null;
  #lab: LawLab | null = null;

  constructor(setting: LawSetting, context: ExperimentContext) {
    // Only what decides a trial: a plan's setting may say more.
    const { task, size, checkpoint, probeSize } = setting;
    this.setting = { task, size, checkpoint, probeSize };
    this.#context = context;
  }

  async #opened(): Promise<LawLab> {
    this.#task ??= await openTask(this.setting.task, this.setting.size, this.#context.home);
    this.#lab ??= new LawLab(this.#task, this.#context.threads);
    return this.#lab;
  }

  /** Expected loss after a run of so many steps at a constant learning rate; null if it diverged. */
  async finalLoss(run: {
    readonly optimizer: LawOptimizer;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly steps: number;
  }): Promise<RunLoss> {
    const { task, size } = this.setting;
    return this.#context.trials.run({ kind: "run", task, size, ...run }, async () => {
      const lab = await this.#opened();
      const losses: number[] = [];
      using state = await lab.train(run, (_, loss) => {
        losses.push(loss);
        return hasNotDiverged(losses);
      });
      if (!hasNotDiverged(losses)) return null;
      const last = await lab.expectedLoss(state.leaves().params);
      return Number.isFinite(last) ? Number(last.toPrecision(7)) : null;
    });
  }

  /**
   * Steps of a run at a constant learning rate until the expected loss is at most `target`: between two evaluations on the line through
   * both, null if it isn't reached. The loss is evaluated every 12th of the steps done so far, and the last value is given as well; null
   * if the run diverged.
   */
  async stepsToLoss(run: {
    readonly optimizer: LawOptimizer;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly target: number;
    readonly maxSteps: number;
  }): Promise<{ readonly steps: number | null; readonly loss: number | null }> {
    const { task, size } = this.setting;
    return this.#context.trials.run({ kind: "target", task, size, ...run }, async () => {
      const lab = await this.#opened();
      const losses: number[] = [];
      let before: { step: number; loss: number } | null = null;
      let next = 1;
      let result: { steps: number | null; loss: number | null } = { steps: null, loss: null };
      using _ = await lab.train({ ...run, steps: run.maxSteps }, async (done, loss, state) => {
        losses.push(loss);
        if (!hasNotDiverged(losses)) {
          result = { steps: null, loss: null };
          return false;
        }
        if (done < next && done < run.maxSteps) return true;
        next = done + Math.max(1, Math.floor(done / 12));
        const expected = await lab.expectedLoss(state.leaves().params);
        const last = { step: done, loss: expected };
        const reached = expected <= run.target;
        const share = before === null ? 1 : (before.loss - run.target) / (before.loss - expected);
        const start = before?.step ?? 0;
        result = {
          steps: reached ? Number((start + share * (done - start)).toPrecision(6)) : null,
          loss: Number.isFinite(expected) ? Number(expected.toPrecision(6)) : null,
        };
        before = last;
        return !reached;
      });
      return result;
    });
  }

  /**
   * Sharpness, and one step's best learning rate, along a run at a constant learning rate: of samples that the run has just seen, in the units of its
   * steps. Null if it diverged.
   */
  async sharpnessAlong(
    run: {
      readonly optimizer: LawOptimizer;
      readonly batchSize: number;
      readonly learningRate: number;
      readonly seed: number;
      readonly steps: number;
    },
    measurement: SharpnessMeasurement,
  ): Promise<readonly SharpnessPoint[] | null> {
    const { task, size } = this.setting;
    return this.#context.trials.run({ kind: "sharpness", task, size, ...run, ...measurement }, async () => {
      const lab = await this.#opened();
      const found = await sharpnessAlong(lab, run, measurement);
      return found === null || !hasNotDiverged(found.losses) ? null : rounded(found.points);
    });
  }

  /** Sharpness at the checkpoint, in the units of an optimizer's steps with batches of a size. */
  async sharpnessAt(
    optimizer: LawOptimizer,
    batchSize: number,
    measurement: Omit<SharpnessMeasurement, "measureAt" | "directions">,
  ): Promise<Sharpness> {
    const settings = { kind: "checkpoint-sharpness", ...this.setting, optimizer, batchSize, ...measurement };
    return this.#context.trials.run(settings, async () => {
      const lab = await this.#opened();
      const checkpoint = await lab.checkpoint(this.setting.checkpoint);
      return rounded(await sharpnessAt(lab, checkpoint, optimizer, batchSize, measurement));
    });
  }

  /** Programs of training steps that aren't needed any more. */
  async forgetSteps(): Promise<void> {
    await this.#lab?.forgetSteps();
  }

  /** The best learning rate of one step from the checkpoint, predicted and tried, for several optimizers. */
  async stepOptima(
    optimizers: readonly LawOptimizer[],
    batchSize: number,
    repetitions: number,
  ): Promise<readonly StepOptimumResult[]> {
    const { probeSize } = this.setting;
    const settings = { kind: "step", ...this.setting, optimizers, batchSize, repetitions };
    return this.#context.trials.run(settings, async () => {
      const lab = await this.#opened();
      const checkpoint = await lab.checkpoint(this.setting.checkpoint);
      const results = await stepOptima(lab, {
        optimizers,
        params: checkpoint.params,
        secondMoment: lab.secondMoment(checkpoint, batchSize),
        batchSize,
        repetitions,
        probeSize,
      });
      return rounded(results);
    });
  }

  /** Losses after some steps from the checkpoint at a constant learning rate: by horizon, then by repetition. */
  async horizonLosses(run: {
    readonly optimizer: LawOptimizer;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly horizons: readonly number[];
    readonly repetitions: number;
  }): Promise<HorizonLosses> {
    const { horizons, repetitions, ...rest } = run;
    return this.#context.trials.run({ kind: "horizon", ...this.setting, ...run }, async () => {
      const lab = await this.#opened();
      const { params } = await lab.checkpoint(this.setting.checkpoint);
      const losses: (number | null)[][] = horizons.map(() => []);
      for (let seed = 1; seed <= repetitions; seed++) {
        const found = new Map<number, number>();
        const afterStep = async (done: number, loss: number, state: { leaves(): { params: Tree } }) => {
          if (!Number.isFinite(loss)) return false;
          if (horizons.includes(done)) found.set(done, await lab.expectedLoss(state.leaves().params));
          return true;
        };
        const settings = { ...rest, seed, steps: horizons.at(-1)!, start: params };
        using _ = await lab.train(settings, afterStep, "horizon");
        horizons.forEach((steps, h) => {
          const loss = found.get(steps);
          losses[h]!.push(loss !== undefined && Number.isFinite(loss) ? Number(loss.toPrecision(7)) : null);
        });
      }
      return losses;
    });
  }

  /** What the function behind `rotor measure` says at the checkpoint, from one set of samples. */
  async measuredLaw(
    optimizer: LawOptimizer,
    options: Omit<MeasuredLawOptions, "params" | "optimizer" | "hessianBatchSize">,
  ): Promise<MeasuredLaw> {
    const { probeSize } = this.setting;
    const settings = { kind: "measure", ...this.setting, optimizer, ...options };
    return this.#context.trials.run(settings, async () => {
      const lab = await this.#opened();
      const { params } = await lab.checkpoint(this.setting.checkpoint);
      const sizes = { ...options, hessianBatchSize: probeSize };
      return rounded(await measuredLaw(lab.task, { params, optimizer, ...sizes }, this.#context.threads));
    });
  }

  /** The sums of the closed forms at a checkpoint, and its expected loss. */
  async statistics(
    options: Omit<LawStatisticsOptions, "probeSize">,
    checkpoint = this.setting.checkpoint,
  ): Promise<LawStatistics & { readonly loss: number }> {
    const { probeSize } = this.setting;
    const settings = { kind: "statistics", ...this.setting, checkpoint, ...options };
    return this.#context.trials.run(settings, async () => {
      const lab = await this.#opened();
      const at = await lab.checkpoint(checkpoint);
      const loss = await lab.expectedLoss(at.params);
      const found = await lawStatistics(lab, at, { ...options, probeSize }, this.#context.threads);
      return rounded({ ...found, loss });
    });
  }

  /** Tells the user what is being done. */
  note(message: string): void {
    this.#context.note(`${this.setting.task}: ${message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab?.[Symbol.asyncDispose]();
    this.#task?.[Symbol.dispose]();
  }
}

/** Whether the losses so far are numbers, and the last ten not twice as high as the first. */
function hasNotDiverged(losses: readonly number[]): boolean {
  if (!Number.isFinite(losses.at(-1))) return false;
  const last = losses.slice(-10);
  return last.length < 10 || last.reduce((a, b) => a + b, 0) / 10 <= 2 * losses[0]!;
}

/** Five digits are enough for a record. */
function rounded<T>(value: T): T {
  if (typeof value === "number") return Number(value.toPrecision(5)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)])) as T;
}

import { buildOptimizer, type TrainConfig } from "../config/index.ts";
import { openTask, StepRunner } from "../train/index.ts";

/** A compiled training step that can be timed. */
export interface StepTimer extends AsyncDisposable {
  /** Steps per second, over so many seconds and at least two steps. */
  measure(seconds: number): Promise<number>;
}

/** Compiles a configuration's training step and runs it twice, so that the measurement finds it warm. */
export async function openStepTimer(config: TrainConfig, home: string, threads: number): Promise<StepTimer> {
  const task = await openTask(config, home);
  const runner = new StepRunner(task, buildOptimizer(config), { ...config.training, threads });
  const state = await runner.init();
  let index = 0;
  for (; index < 2; index++) await runner.run(state, index);
  return {
    async measure(seconds) {
      const start = performance.now();
      let [steps, elapsed] = [0, 0];
      while (steps < 2 || elapsed < seconds) {
        await runner.run(state, index++);
        steps++;
        elapsed = (performance.now() - start) / 1000;
      }
      return steps / elapsed;
    },
    async [Symbol.asyncDispose]() {
      state.dispose();
      await runner.dispose();
      await task.close();
      task[Symbol.dispose]();
    },
  };
}

import type { TrainConfig } from "../../config/index.ts";
import type { PlannedTrial } from "../planTrials.ts";
import type { SweepDefinition } from "../sweepFile.ts";
import type { NewSweep, TrialOutcome } from "../trialStore.ts";

/** A sweep for tests of stores and queues, which look at no configuration. */
export function exampleSweep(over: Partial<SweepDefinition> = {}): NewSweep {
  const definition = {
    name: "example",
    base: "tiny",
    config: {},
    parameters: { "optimizer.learningRate": [0.1] },
    derived: {},
    samples: 1,
    sampling: "quasi-random",
    seed: 0,
    seeds: [0],
    adaptive: null,
    earlyStop: null,
    attempts: 3,
    workers: 1,
    threads: 1,
    ...over,
  } satisfies SweepDefinition;
  return { definition, base: { name: "example" } as TrainConfig, codeVersion: "0.0.0" };
}

export function examplePlan(count: number, first = 1): PlannedTrial[] {
  return Array.from({ length: count }, (_, i) => ({
    values: { "optimizer.learningRate": first + i },
    seed: 0,
    config: { name: `trial ${first + i}`, training: { batchSize: 1 } } as TrainConfig,
  }));
}

export function exampleOutcome(validationLoss: number): TrialOutcome {
  return {
    status: "finished",
    message: null,
    validationLoss,
    trainLoss: validationLoss,
    steps: 5,
    seconds: 0.5,
    runId: "run",
  };
}

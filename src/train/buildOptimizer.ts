import {
  adamw,
  constantSchedule,
  type GradientTransformation,
  muon,
  muonRule,
  type PartitionRule,
  type Schedule,
  warmupCosine,
  warmupStableDecay,
} from "../optim/index.ts";
import type { TrainConfig } from "./config.ts";

/** An optimizer with what a report says of it. */
export interface BuiltOptimizer {
  readonly transformation: GradientTransformation;
  /** Learning rate of the main group, for logs. */
  readonly learningRate: Schedule;
  /** Which parameters go where. */
  readonly rule: PartitionRule;
}

function scheduled({ schedule, training }: TrainConfig, peak: number): Schedule {
  const numSteps = training.steps;
  switch (schedule.kind) {
    case "constant":
      return constantSchedule(peak);
    case "warmup-cosine": {
      const { warmupSteps, finalFraction } = schedule;
      return warmupCosine({
        peak,
        warmupSteps,
        numSteps,
        ...(finalFraction === undefined ? {} : { finalFraction }),
      });
    }
    case "warmup-stable-decay": {
      const { kind: _, ...options } = schedule;
      return warmupStableDecay({ peak, numSteps, ...defined(options) });
    }
  }
}

/** An object without the keys whose value is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** Matrices decay; norms and biases don't (GPT-2, nanoGPT). */
const decayMask = (_path: string, shape: readonly number[]) => shape.length >= 2;

/** @throws ConfigError if schedule and steps don't fit */
export function buildOptimizer(config: TrainConfig): BuiltOptimizer {
  const { optimizer } = config;
  if (optimizer.kind === "adamw") {
    const { kind: _, learningRate: peak = 1e-3, ...options } = optimizer;
    const learningRate = scheduled(config, peak);
    return {
      transformation: adamw({ ...defined(options), learningRate, mask: decayMask }),
      learningRate,
      rule: (_path, shape) => ({
        group: "adamw",
        reason: shape.length >= 2 ? "matrix, decayed" : "vector, not decayed",
      }),
    };
  }
  const { kind: _, learningRate: peak = 0.02, adamw: other = {}, ...options } = optimizer;
  const { learningRate: otherPeak = 3e-4, ...otherOptions } = other;
  const learningRate = scheduled(config, peak);
  return {
    transformation: muon({
      ...defined(options),
      learningRate,
      adamw: { ...defined(otherOptions), learningRate: scheduled(config, otherPeak), mask: decayMask },
    }),
    learningRate,
    rule: muonRule,
  };
}

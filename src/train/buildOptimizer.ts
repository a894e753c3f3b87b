import {
  adabelief,
  adam,
  adamw,
  byKind,
  chain,
  constantSchedule,
  exponentialMovingAverage,
  type GradientTransformation,
  independentStrength,
  lion,
  muon,
  muonRule,
  type PartitionRule,
  parameterKind,
  pbsgd,
  rmsprop,
  type Schedule,
  sgd,
  shampoo,
  shampooRule,
  signum,
  type Tree,
  tiger,
  type WeightDecay,
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
  /** How a parameter decays, in words; empty if it doesn't. */
  readonly decayOf: (path: string, shape: readonly number[]) => string;
  /** The part of the optimizer's state that `averagedParameters` reads; null without an average. */
  readonly averageOf: ((state: Tree) => Tree) | null;
}

type OptimizerConfig = TrainConfig["optimizer"];
type Kind = OptimizerConfig["kind"];

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

/** Each optimizer with its default learning rate and weight decay (without `matrixDecay`), for schedules and reports. */
const optimizers: Readonly<
  Record<
    Kind,
    {
      readonly make: (options: never) => GradientTransformation;
      readonly learningRate: number;
      readonly weightDecay: number;
    }
  >
> = {
  sgd: { make: sgd, learningRate: 1e-3, weightDecay: 0 },
  signum: { make: signum, learningRate: 1e-4, weightDecay: 0 },
  rmsprop: { make: rmsprop, learningRate: 0.01, weightDecay: 0 },
  adam: { make: adam, learningRate: 1e-3, weightDecay: 0 },
  adamw: { make: adamw, learningRate: 1e-3, weightDecay: 0.01 },
  adabelief: { make: adabelief, learningRate: 1e-3, weightDecay: 0 },
  lion: { make: lion, learningRate: 1e-4, weightDecay: 1e-3 },
  tiger: { make: tiger, learningRate: 1e-3, weightDecay: 0.01 },
  pbsgd: { make: pbsgd, learningRate: 0.1, weightDecay: 0 },
  muon: { make: muon, learningRate: 0.02, weightDecay: 0 },
  shampoo: { make: shampoo, learningRate: 0.1, weightDecay: 0 },
};

/** Optimizers for hidden matrices, with the rule and the default learning rate of AdamW for the rest. */
const matrixOptimizers: Readonly<
  Partial<Record<Kind, { readonly rule: PartitionRule; readonly learningRate: number }>>
> = {
  muon: { rule: muonRule, learningRate: 3e-4 },
  shampoo: { rule: shampooRule, learningRate: 1e-3 },
};

/** Peak learning rates of an optimizer: of the main group, and of AdamW beside it (the same where there is no other group). */
export function learningRatesOf(optimizer: OptimizerConfig): { main: number; other: number } {
  const main = optimizer.learningRate ?? optimizers[optimizer.kind].learningRate;
  const partitioned = matrixOptimizers[optimizer.kind];
  if (partitioned === undefined) return { main, other: main };
  const own = "adamw" in optimizer ? optimizer.adamw?.learningRate : undefined;
  return { main, other: own ?? partitioned.learningRate };
}

type MatrixDecayConfig = NonNullable<OptimizerConfig["matrixDecay"]>;

/** The decay of a configuration, for the matrices that `decays` admits. */
function matrixDecayOf(
  { independent, ...decay }: MatrixDecayConfig,
  peak: number,
  decays: (path: string, shape: readonly number[]) => boolean,
): WeightDecay {
  const strength = independent === true ? independentStrength(decay.strength, peak) : decay.strength;
  return { ...defined(decay), strength, mask: decays } as WeightDecay;
}

function describeDecay({ kind, strength, independent, ...options }: MatrixDecayConfig): string {
  const shown = Object.entries(defined(options)).map(([name, value]) => ` ${name} ${value}`);
  return `${kind} ${strength}${independent === true ? " independent" : ""}${shown.join("")}`;
}

/** @throws ConfigError if schedule and steps don't fit, or options can't be met */
export function buildOptimizer(config: TrainConfig): BuiltOptimizer {
  const { kind, learningRate: givenPeak, weightDecay: givenDecay, matrixDecay, ...rest } = config.optimizer;
  const { decayed, adamw: other, ...options } = { decayed: undefined, adamw: undefined, ...rest };
  const defaults = optimizers[kind];
  const peak = givenPeak ?? defaults.learningRate;
  const weightDecay = givenDecay ?? (matrixDecay === undefined ? defaults.weightDecay : 0);
  const learningRate = scheduled(config, peak);
  const kinds: readonly string[] = decayed ?? ["matrix"];
  const decays = (path: string, shape: readonly number[]) => kinds.includes(parameterKind(path, shape));
  const common = {
    ...defined(options),
    learningRate,
    weightDecay,
    ...(matrixDecay === undefined ? {} : { matrixDecay: matrixDecayOf(matrixDecay, peak, decays) }),
  };
  const otherDecay = other?.weightDecay ?? 0;
  const partitioned = matrixOptimizers[kind];
  const specific =
    partitioned !== undefined
      ? {
          adamw: {
            ...defined({ ...other }),
            learningRate: scheduled(config, other?.learningRate ?? partitioned.learningRate),
            mask: decayMask,
          },
        }
      : { mask: decayMask };
  const rule = partitioned?.rule ?? byKind({ matrix: kind, embedding: kind, head: kind, vector: kind });
  const optimizer = defaults.make({ ...common, ...specific } as never);
  const { emaDecay } = config.training;
  return {
    transformation: emaDecay === null ? optimizer : chain(optimizer, exponentialMovingAverage(emaDecay)),
    learningRate,
    rule,
    decayOf(path, shape) {
      const isOther = rule(path, shape).group !== kind;
      const plain = isOther ? otherDecay : weightDecay;
      return [
        ...(plain > 0 && decayMask(path, shape) ? [`frobenius ${plain}`] : []),
        ...(matrixDecay !== undefined && !isOther && decays(path, shape) ? [describeDecay(matrixDecay)] : []),
      ].join(" + ");
    },
    averageOf: emaDecay === null ? null : (state) => state[1],
  };
}

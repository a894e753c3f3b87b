import { tree } from "@jax-js/jax";
import {
  averagedParameters,
  branchSchedule,
  byKind,
  chain,
  constantSchedule,
  type DecayMask,
  exponentialMovingAverage,
  type GradientTransformation,
  independentStrength,
  type MuonScale,
  mapArrays,
  muonScale,
  type Observed,
  type OptimizerMethod,
  optimizerMethods,
  type ParameterScale,
  type PartitionRule,
  parameterKind,
  parameterScale,
  perParameter,
  type Schedule,
  scaleByPath,
  stateless,
  type Tree,
  treePaths,
  type UpdateSize,
  type WeightDecay,
  warmupCosine,
  warmupStableDecay,
  withDefaults,
} from "../optim/index.ts";
import type { MatrixDecayConfig, OptimizerConfig } from "./optimizerSchema.ts";
import { ParameterRules } from "./parameterRules.ts";
import { parametrizedModel } from "./parametrizedModel.ts";
import { resolveSchedule } from "./scheduleSchema.ts";
import type { TrainConfig } from "./schema.ts";

/** An optimizer with what a report says of it. */
export interface BuiltOptimizer {
  readonly transformation: GradientTransformation;
  /** Learning rate of the main group, for logs. */
  readonly learningRate: Schedule;
  /** What the transformation needs to know of the forward pass; null for nothing. */
  readonly observes: keyof Observed | null;
  /** Which parameters go where. */
  readonly rule: PartitionRule;
  /** How a parameter decays, in words; empty if it doesn't. */
  readonly decayOf: (path: string, shape: readonly number[]) => string;
  /** The factor on the orthogonal update of a matrix; null for parameters that have none. */
  readonly scaleOf: (path: string, shape: readonly number[]) => number | null;
  /** What the parametrization makes of a parameter; null for the standard one, which leaves all as they are. */
  readonly parameterScale: ((path: string, shape: readonly number[]) => ParameterScale) | null;
  /**
   * The parameters that are evaluated, sampled from and handed on, of those that are trained and of the optimizer's state, both consumed:
   * an average, or the sequence that Schedule-Free averages. Traceable. Null if they are the trained ones.
   */
  readonly evaluated: ((params: Tree, state: Tree) => Tree) | null;
}

function scheduled({ schedule, training }: TrainConfig, peak: number): Schedule {
  const numSteps = training.steps;
  const resolved = resolveSchedule(schedule, numSteps);
  switch (resolved.kind) {
    case "constant":
      return constantSchedule(peak);
    case "warmup-cosine": {
      const { kind: _, ...options } = resolved;
      return warmupCosine({ peak, numSteps, ...options });
    }
    case "warmup-stable-decay": {
      const { kind: _, ...options } = resolved;
      return warmupStableDecay({ peak, numSteps, ...options });
    }
    case "branch": {
      const { kind: _, ...options } = resolved;
      return branchSchedule({ peak, numSteps, ...options });
    }
  }
}

/** Peak learning rates of an optimizer: of the main group, and of AdamW beside it (the same where there is no other group). */
export function learningRatesOf(optimizer: OptimizerConfig): { main: number; other: number } {
  const { learningRate: main, adamw: other } = filledIn(optimizer);
  return { main, other: other?.learningRate ?? main };
}

/** What every optimizer's options hold, with defaults; the rest is its own. */
interface FilledOptions {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly scale?: MuonScale;
  readonly adamw?: { readonly learningRate: number; readonly weightDecay: number };
}

function filledIn({ kind, ...options }: OptimizerConfig): FilledOptions {
  const { options: table }: OptimizerMethod = optimizerMethods[kind];
  return withDefaults(table, options as object) as unknown as FilledOptions;
}

/** The decay of a configuration, for the matrices that `decays` admits. */
function matrixDecayOf(
  { independent, ...decay }: MatrixDecayConfig,
  peak: number,
  decays: (path: string, shape: readonly number[]) => boolean,
): WeightDecay {
  const strength = independent === true ? independentStrength(decay.strength, peak) : decay.strength;
  return { ...decay, strength, mask: decays };
}

function describeDecay({ kind, strength, independent, ...options }: MatrixDecayConfig): string {
  const shown = Object.entries(options).map(([name, value]) => ` ${name} ${value}`);
  return `${kind} ${strength}${independent === true ? " independent" : ""}${shown.join("")}`;
}

/** @throws ConfigError if schedule and steps don't fit, or options can't be met */
export function buildOptimizer(config: TrainConfig): BuiltOptimizer {
  const { optimizer, training } = config;
  const { kind, matrixDecay, decayed = ["matrix"], ...options } = optimizer;
  const method: OptimizerMethod = optimizerMethods[kind];
  const { learningRate: peak, weightDecay, adamw: other, ...filled } = filledIn(optimizer);
  const learningRate = scheduled(config, peak);
  const decays = (path: string, shape: readonly number[]) =>
    (decayed as readonly string[]).includes(parameterKind(path, shape));
  const isOwn = (path: string, shape: readonly number[]) =>
    method.rule === null || method.rule(path, shape).group !== "adamw";
  const model = parametrizedModel(config);
  const sizes = {
    own: method.updateSize({ ...filled, learningRate: peak, weightDecay } as never),
    adamw: optimizerMethods.adamw.updateSize({} as never),
  } satisfies Record<string, UpdateSize>;
  const scaleOf =
    model === null
      ? null
      : (path: string, shape: readonly number[]) =>
          parameterScale(model, isOwn(path, shape) ? sizes.own : sizes.adamw, path, shape);
  const perScale = (schedule: Schedule) =>
    scaleOf === null ? schedule : perParameter(schedule, (path, shape) => scaleOf(path, shape).learningRate);
  const rules = new ParameterRules("parameters" in config ? config.parameters : []);
  // Matrices decay; norms and biases don't (GPT-2, nanoGPT), unless a rule says so.
  const decayMask = (path: string, shape: readonly number[]) => rules.decays(path, shape.length >= 2);
  // A step takes ηλ of every weight, whatever its own learning rate.
  const mask: DecayMask =
    scaleOf === null
      ? decayMask
      : (path, shape) => (decayMask(path, shape) ? scaleOf(path, shape).weightDecay : 0);
  const made = method.make({
    ...options,
    learningRate: perScale(learningRate),
    weightDecay,
    ...(matrixDecay === undefined ? {} : { matrixDecay: matrixDecayOf(matrixDecay, peak, decays) }),
    ...(other === undefined || scaleOf !== null || rules.hasDecays ? { mask } : {}),
    ...(other === undefined
      ? {}
      : { adamw: { ...other, learningRate: perScale(scheduled(config, other.learningRate)), mask } }),
  } as never);
  const transformation = scaleOf === null ? made : chain(scaleGradients(scaleOf), made);
  const { emaDecay } = training;
  const evaluated = evaluatedOf(method, { ...filled, learningRate: peak, weightDecay }, training);
  const scaled = rules.hasFactors
    ? chain(
        transformation,
        scaleByPath((path) => rules.factor(path)),
      )
    : transformation;
  return {
    transformation: emaDecay === null ? scaled : chain(scaled, exponentialMovingAverage(emaDecay)),
    parameterScale: scaleOf,
    learningRate,
    observes: method.observes ?? null,
    rule: method.rule ?? byKind({ matrix: kind, embedding: kind, head: kind, vector: kind }),
    decayOf(path, shape) {
      const plain = isOwn(path, shape) ? weightDecay : other!.weightDecay;
      return [
        ...(plain > 0 && decayMask(path, shape) ? [`frobenius ${plain}`] : []),
        ...(matrixDecay !== undefined && isOwn(path, shape) && decays(path, shape)
          ? [describeDecay(matrixDecay)]
          : []),
      ].join(" + ");
    },
    scaleOf: (path, shape) =>
      filled.scale === undefined || !isOwn(path, shape)
        ? null
        : muonScale(filled.scale, shape[0]!, shape[1]!),
    evaluated:
      evaluated === null || scaleOf === null ? evaluated : withoutScales(evaluated, emaDecay !== null),
  };
}

/** Gradients as adaptive updates are to see them, which divides their ε. */
function scaleGradients(scaleOf: (path: string, shape: readonly number[]) => ParameterScale) {
  return stateless((updates, params) => {
    tree.dispose(params);
    const factors = treePaths(updates).map(({ path, array }) => scaleOf(path, array.shape).gradient);
    let index = 0;
    return mapArrays((g) => {
      const factor = factors[index++]!;
      return factor === 1 ? g : g.mul(factor);
    }, updates);
  });
}

/** What is evaluated, from a state that has {@link scaleGradients} before the optimizer's own. */
function withoutScales(evaluated: NonNullable<BuiltOptimizer["evaluated"]>, hasAverage: boolean) {
  const inner = ([scales, own]: Tree) => {
    tree.dispose(scales);
    return own;
  };
  return (params: Tree, state: Tree) =>
    evaluated(params, hasAverage ? [inner(state[0]), state[1]] : inner(state));
}

/** What is evaluated instead of the parameters: the average that is asked for, or what the optimizer says. */
function evaluatedOf(
  method: OptimizerMethod,
  options: object,
  { emaDecay, evaluateAverage }: TrainConfig["training"],
): BuiltOptimizer["evaluated"] {
  if (evaluateAverage) {
    return (params, state) => {
      tree.dispose(params);
      tree.dispose(state[0]);
      return averagedParameters(state[1]);
    };
  }
  const own = method.evaluated?.(options as never);
  if (own === undefined) return null;
  if (emaDecay === null) return own;
  return (params, [state, average]) => {
    tree.dispose(average);
    return own(params, state);
  };
}

import { flattenState } from "../checkpoint/index.ts";
import { compile, EngineArray } from "../compile/index.ts";
import type { TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import {
  type LeafDirection,
  type OptimizerMethod,
  optimizerMethods,
  orthogonalize,
  type ParameterScale,
  type StateReader,
  type Tree,
  withDefaults,
} from "../optim/index.ts";
import { effectiveBatches } from "../scaling/index.ts";

interface Leaf {
  readonly path: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly direction: LeafDirection;
  /** Factors on the gradient that the direction is taken of, and on the direction. */
  readonly before: number;
  readonly after: number;
}

/** What is known of the noise where the direction is taken. */
export interface DirectionNoise {
  /** `|g|²` and `tr Σ` of one sample, for clipping. */
  readonly gradientSquared: number;
  readonly covarianceTrace: number;
  /** Variances of one sample's gradient, element by element. */
  readonly variance: Float32Array;
  /** Unbiased squares of the mean gradient: what the mean squares hold beside noise if the optimizer has taken no step yet. */
  readonly meanSquares: Float32Array;
}

export interface UpdateDirectionOptions {
  /** `optimizer` of a configuration. */
  readonly optimizer: TrainConfig["optimizer"];
  /** Samples of one step of the run: those by which the optimizer's state was made. */
  readonly runBatchSize: number;
  /** Largest norm of a gradient. Default null. */
  readonly clipNorm?: number | null;
  /** Parameters and state of the optimizer, in the engine. */
  readonly params: Tree;
  readonly state: Tree;
  /**
   * Mean squares of Adam and its like: `"rescaled"` to what they would be after training with B, `v_B = (v − Σ/B_run)₊ + Σ/B` element
   * by element, or as `"stored"`. Default `"rescaled"`.
   */
  readonly secondMoment?: "rescaled" | "stored";
  /** What the parametrization makes of a parameter. Default: nothing. */
  readonly parameterScale?: ((path: string, shape: readonly number[]) => ParameterScale) | null;
}

/** The direction φ of an optimizer's update `−η·φ`, as a function of the gradient of a batch. */
export interface UpdateDirection {
  /** φ in words; its η is the configuration's learning rate. */
  readonly description: string;
  /** What the direction leaves out or takes for granted, a sentence each. */
  readonly notes: readonly string[];
  readonly family: "sgd" | "sign" | null;
  /** Number of batches τ that an update remembers, where it isn't linear in them; 1 otherwise. */
  readonly memory: number;
  /**
   * `"gradient"`: a multiple of the gradient; `"linear"`: linear in the gradient and symmetric, for each batch size; `"nonlinear"`.
   */
  readonly kind: "gradient" | "linear" | "nonlinear";
  /** Of the gradient, for `"gradient"`. */
  readonly scale: number;
  readonly clipNorm: number | null;
  /** φ of a gradient as from batches of this size; all elements one after the other, in the order of the leaves. */
  apply(
    gradient: Float32Array<ArrayBuffer>,
    batchSize: number,
    noise: DirectionNoise,
  ): Promise<Float32Array<ArrayBuffer>>;
  dispose(): Promise<void>;
}

/** The first part of a state that has this name, with what stands beside it. */
function findPart(state: unknown, name: string): Record<string, unknown> | null {
  if (typeof state !== "object" || state === null || state instanceof EngineArray) return null;
  if (Object.hasOwn(state, name)) return state as Record<string, unknown>;
  for (const value of Object.values(state)) {
    const found = findPart(value, name);
    if (found !== null) return found;
  }
  return null;
}

const readerOf =
  (state: Tree): StateReader =>
  (name) => {
    const part = findPart(state, name);
    if (part === null) return null;
    const leaves = [...flattenState(part[name])].map(
      ([path, { data }]) => [path, data as Float32Array] as const,
    );
    return {
      values: new Map(leaves),
      count: part.count instanceof EngineArray ? part.count.data[0]! : null,
    };
  };

/**
 * The direction φ of a run's optimizer at a checkpoint, with the optimizer's state as far as it isn't a momentum.
 *
 * Momentum that updates are linear in (SGD, Adam's mean) moves parameters as the gradient alone would, over the steps that follow, so
 * it is a factor at most. Where a sign or msign is taken of a momentum, `memory` is the number τ of batches that it averages:
 * updates are to be measured on gradients of τ·B samples, and as τ updates share their noise, it counts τ times in the curvature.
 * That is exact for updates linear in the momentum, and a rule for others. Weight decay is no part of φ. Clipping is, by the norm that gradients
 * of a batch size have on average.
 *
 * @throws ConfigError for an optimizer without such a direction, CheckpointError if the state belongs to another optimizer
 */
export function updateDirection({
  optimizer,
  runBatchSize,
  clipNorm = null,
  params,
  state,
  secondMoment = "rescaled",
  parameterScale = null,
}: UpdateDirectionOptions): UpdateDirection {
  const method: OptimizerMethod = optimizerMethods[optimizer.kind];
  const filled = withDefaults(method.options, optimizer as object);
  const plan = method.direction?.(filled, readerOf(state));
  if (plan === undefined) {
    const known = Object.entries<OptimizerMethod>(optimizerMethods).filter(([, own]) => own.direction);
    throw new ConfigError(
      `optimizer ${optimizer.kind}: its direction can't be measured: ${method.noDirection}; expected one of ${known.map(([name]) => name).join(", ")}`,
    );
  }
  let offset = 0;
  const leaves: Leaf[] = [...flattenState(params)].map(([path, { shape, data }]) => {
    const start = offset;
    offset += data.length;
    const { gradient: before = 1, learningRate: after = 1 } = parameterScale?.(path, shape) ?? {};
    const direction = plan.of(path, shape, data as Float32Array);
    return { path, shape, start, end: offset, direction, before, after };
  });
  const kinds = new Set(leaves.map(({ direction }) => direction.kind));
  const isLinear = kinds.size === 1 && kinds.has("linear");
  const isAdaptive = leaves.some(
    ({ direction }) => direction.kind === "linear" && direction.squares !== null,
  );
  // One factor for all elements.
  const isMultiple = isLinear && !isAdaptive && parameterScale === null;
  const matrices = leaves.filter(({ direction }) => direction.kind === "orthogonal");
  const orthogonal =
    matrices.length === 0
      ? null
      : compile((own: Tree) => orthogonalize(own, plan.orthogonalize ?? {}), {
          outputs: "engine",
          name: "msign",
        });
  const clipFactor = ({ gradientSquared, covarianceTrace }: DirectionNoise, batchSize: number) => {
    const norm = Math.sqrt(Math.max(0, gradientSquared + covarianceTrace / batchSize));
    return clipNorm === null || norm <= clipNorm ? 1 : clipNorm / norm;
  };
  const decays = (filled as { weightDecay: number }).weightDecay > 0 || optimizer.matrixDecay !== undefined;
  return {
    description: plan.description,
    family: plan.family,
    memory: plan.pastWeights === null ? 1 : effectiveBatches(plan.pastWeights),
    kind: !isLinear ? "nonlinear" : isMultiple ? "gradient" : "linear",
    scale: isMultiple ? (leaves[0]!.direction as { scale: number }).scale : 1,
    clipNorm,
    notes: [
      ...plan.notes,
      ...(isAdaptive
        ? [
            secondMoment === "stored"
              ? `v as stored, from batches of ${runBatchSize}`
              : `v as training with B would leave it: that of the state, with its noise rescaled from batches of ${runBatchSize} to B`,
          ]
        : []),
      ...(clipNorm === null
        ? []
        : [`gradients clipped to ${clipNorm}, by their root mean squared norm at each B`]),
      ...(decays ? ["weight decay is no part of φ"] : []),
      ...(parameterScale === null
        ? []
        : ["each parameter's factor on the learning rate, by the parametrization, is part of φ"]),
    ],
    async apply(gradient, batchSize, noise) {
      const result = new Float32Array(gradient.length);
      const clip = clipFactor(noise, batchSize);
      const runClip = clipFactor(noise, runBatchSize);
      for (const { start, end, direction, before: factor, after } of leaves) {
        if (direction.kind === "linear") {
          const { squares, eps, epsRoot, floor } = direction;
          const scale = after * factor * direction.scale;
          for (let i = start; i < end; i++) {
            if (squares === null) {
              result[i] = scale * clip * gradient[i]!;
              continue;
            }
            const perSample = factor ** 2 * noise.variance[i]!;
            const before = squares.length === 0 ? null : squares[i - start]!;
            // Squares before the first step are those of the gradient itself.
            const signal =
              before === null
                ? factor ** 2 * noise.meanSquares[i]!
                : Math.max(0, before / runClip ** 2 - perSample / runBatchSize);
            const square =
              secondMoment === "stored" && before !== null
                ? before
                : clip ** 2 * (signal + perSample / batchSize);
            const deviation = Math.sqrt(square + epsRoot);
            const root = floor === "sum" ? deviation + eps : Math.max(deviation, eps);
            result[i] = root > 0 ? (scale * clip * gradient[i]!) / root : 0;
          }
        } else if (direction.kind === "sign") {
          const { eps } = direction;
          const scale = after * direction.scale;
          for (let i = start; i < end; i++) {
            const g = factor * clip * gradient[i]!;
            result[i] = g === 0 ? 0 : (scale * g) / Math.hypot(g, eps);
          }
        } else if (direction.kind === "power") {
          const { power } = direction;
          const scale = after * direction.scale;
          for (let i = start; i < end; i++) {
            const g = clip * gradient[i]!;
            result[i] = scale * Math.sign(g) * Math.abs(g) ** power;
          }
        }
      }
      if (orthogonal !== null) {
        const inputs = Object.fromEntries(
          matrices.map(({ path, shape, start, end }) => {
            const own = gradient.slice(start, end);
            return [path, EngineArray.from(plan.prepare?.(own) ?? own, shape)];
          }),
        );
        const outputs = (await orthogonal(inputs)) as Record<string, EngineArray>;
        for (const { path, shape, start, after } of matrices) {
          const orthogonal = outputs[path]!.data as Float32Array;
          const finished = plan.finish?.(path, shape, orthogonal) ?? orthogonal;
          result.set(after === 1 ? finished : finished.map((value) => value * after), start);
        }
      }
      return result;
    },
    async dispose() {
      await orthogonal?.dispose();
    },
  };
}

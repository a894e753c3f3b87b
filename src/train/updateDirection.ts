import { compile, EngineArray } from "../compile/index.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import { muonRule, type OrthogonalizeOptions, orthogonalize, type Tree } from "../optim/index.ts";
import { effectiveBatches } from "../scaling/index.ts";
import { learningRatesOf } from "./buildOptimizer.ts";
import { flattenState } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";

/** What an update is of the gradient, for one parameter. */
type LeafDirection =
  | {
      readonly kind: "linear";
      readonly scale: number;
      /** Mean squares of gradients, corrected, by whose roots the gradient is divided; null for a gradient as it is. */
      readonly squares: Float32Array | null;
      readonly eps: number;
      readonly epsRoot: number;
    }
  | { readonly kind: "sign"; readonly scale: number; readonly eps: number }
  | { readonly kind: "power"; readonly scale: number; readonly power: number }
  | { readonly kind: "orthogonal" };

interface Leaf {
  readonly path: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly direction: LeafDirection;
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

/** The first part of an optimizer's state that has mean squares, wherever it is. */
function squaresIn(state: unknown): Record<string, unknown> | null {
  if (typeof state !== "object" || state === null || state instanceof EngineArray) return null;
  if ("nu" in state) return state as Record<string, unknown>;
  for (const value of Object.values(state)) {
    const found = squaresIn(value);
    if (found !== null) return found;
  }
  return null;
}

/** `v/(1 − b2ᵗ)` by path; null before the first step. */
function correctedSquares(
  state: Tree,
  b2: number | null,
  centered: boolean,
): ReadonlyMap<string, Float32Array> | null {
  const part = squaresIn(state);
  if (part === null)
    throw new CheckpointError("optimizer state: has no mean squares: it belongs to another optimizer");
  const count = part.count instanceof EngineArray ? part.count.data[0]! : null;
  if (b2 !== null && count === 0) return null;
  const correction = b2 === null || b2 === 0 ? 1 : 1 - b2 ** count!;
  const means = centered ? flattenState(part.mu) : null;
  const squares = [...flattenState(part.nu)].map(([path, { data }]) => {
    const mean = means?.get(path)?.data as Float32Array | undefined;
    const values = (data as Float32Array).map((v, i) =>
      mean === undefined ? v / correction : Math.max(0, v - mean[i]! ** 2),
    );
    return [path, values] as const;
  });
  if (b2 === null && squares.every(([, values]) => values.every((v) => v === 0))) return null;
  return new Map(squares);
}

/** Weights of past gradients in a momentum, newest first, until they no longer matter. */
function momentumWeights(first: number, second: number, decay: number): number[] {
  const weights = [first];
  for (let weight = second; weight > 1e-9 * first && weights.length < 1e5; weight *= decay)
    weights.push(weight);
  return weights;
}

/** Which mean squares an Adam has, in the form `correctedSquares` asks for. */
interface Adaptive {
  readonly eps: number;
  readonly epsRoot: number;
  readonly squares: ReadonlyMap<string, Float32Array> | null;
}

/** A path's direction, and what to say about it. */
interface Plan {
  readonly description: string;
  readonly family: "sgd" | "sign" | null;
  readonly memory: number;
  readonly notes: readonly string[];
  readonly orthogonal?: OrthogonalizeOptions;
  of(path: string, shape: readonly number[], data: Float32Array): LeafDirection;
}

const linear = (scale: number): LeafDirection => ({
  kind: "linear",
  scale,
  squares: null,
  eps: 0,
  epsRoot: 0,
});

function adaptive({ eps, epsRoot, squares }: Adaptive, scale: number) {
  return (path: string, size: number): LeafDirection => {
    const own = squares === null ? new Float32Array(0) : squares.get(path);
    if (own === undefined || (own.length !== size && own.length !== 0))
      throw new CheckpointError(`optimizer state: has no mean squares of "${path}"`);
    return { kind: "linear", scale, squares: own, eps, epsRoot };
  };
}

/** Defined values laid over defaults. */
function withDefaults<T extends object>(defaults: T, given: object): T {
  return {
    ...defaults,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

const rootMeanSquare = (data: Float32Array) =>
  Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);

function adamPlan(
  what: string,
  state: Tree,
  options: object,
  defaults: { b2: number; eps: number; epsRoot: number },
) {
  const { b2, eps, epsRoot } = withDefaults(defaults, options);
  return {
    what: `${what}, eps ${eps}`,
    direction: (scale: number) =>
      adaptive({ eps, epsRoot, squares: correctedSquares(state, b2, false) }, scale),
  };
}

/** @throws ConfigError for an optimizer without a direction of its own here */
function planOf(optimizer: TrainConfig["optimizer"], state: Tree): Plan {
  const linearMomentum = (momentum: number) =>
    momentum === 0
      ? []
      : [
          `momentum ${momentum} is in the scale: one gradient moves the parameters by ${short(1 / (1 - momentum))}·η in all`,
        ];
  switch (optimizer.kind) {
    case "sgd": {
      const momentum = optimizer.momentum ?? 0;
      return {
        description: momentum === 0 ? "φ = g̃" : `φ = g̃/(1 − ${momentum})`,
        family: "sgd",
        memory: 1,
        notes: linearMomentum(momentum),
        of: () => linear(1 / (1 - momentum)),
      };
    }
    case "signum":
    case "tiger": {
      const isTiger = optimizer.kind === "tiger";
      const momentum = optimizer.momentum ?? (isTiger ? 0.965 : 0.9);
      const eps = optimizer.kind === "signum" ? (optimizer.eps ?? 0) : 0;
      return {
        description: isTiger
          ? "φ = RMS(w)·sign(m), ½·sign(m) for vectors"
          : eps === 0
            ? "φ = sign(m)"
            : `φ = m/√(m² + ${eps}²)`,
        family: isTiger || eps > 0 ? null : "sign",
        memory: effectiveBatches(momentumWeights(1, momentum, momentum)),
        notes: [],
        of: (_path, shape, data) => ({
          kind: "sign",
          scale: isTiger ? (shape.length >= 2 ? rootMeanSquare(data) : 0.5) : 1,
          eps,
        }),
      };
    }
    case "lion": {
      const [b1, b2] = [optimizer.b1 ?? 0.9, optimizer.b2 ?? 0.99];
      return {
        description: "φ = sign(m)",
        family: "sign",
        memory: effectiveBatches(momentumWeights(1 - b1, b1 * (1 - b2), b2)),
        notes: [],
        of: () => ({ kind: "sign", scale: 1, eps: 0 }),
      };
    }
    case "pbsgd": {
      const [momentum, power] = [optimizer.momentum ?? 0, optimizer.power ?? 0.7];
      return {
        description: `φ = sign(g̃)·|g̃|^${power}${momentum === 0 ? "" : `/(1 − ${momentum})`}`,
        family: null,
        memory: 1,
        notes: linearMomentum(momentum),
        of: () => ({ kind: "power", scale: 1 / (1 - momentum), power }),
      };
    }
    case "adam":
    case "adamw":
    case "adabelief": {
      const belief = optimizer.kind === "adabelief";
      const { what, direction } = adamPlan("φ = g̃/(√v + eps)", state, optimizer, {
        b2: 0.999,
        eps: belief ? 1e-16 : 1e-8,
        // AdaBelief adds it to the state itself.
        epsRoot: 0,
      });
      const leaf = direction(1);
      return {
        description: what,
        family: "sign",
        memory: 1,
        notes: [],
        of: (path, _shape, data) => leaf(path, data.length),
      };
    }
    case "rmsprop": {
      const { momentum, eps, epsRoot, centered } = withDefaults(
        { momentum: 0, eps: 1e-8, epsRoot: 0, centered: false },
        optimizer,
      );
      const leaf = adaptive(
        { eps, epsRoot, squares: correctedSquares(state, null, centered) },
        1 / (1 - momentum),
      );
      return {
        description: `φ = g̃/(√v + eps)${momentum === 0 ? "" : `/(1 − ${momentum})`}, eps ${eps}`,
        family: momentum === 0 ? "sign" : null,
        memory: 1,
        notes: linearMomentum(momentum),
        of: (path, _shape, data) => leaf(path, data.length),
      };
    }
    case "muon": {
      const momentum = optimizer.momentum ?? 0.95;
      const nesterov = optimizer.nesterov ?? true;
      const { main, other } = learningRatesOf(optimizer);
      if (!(main > 0))
        throw new ConfigError(
          `optimizer.learningRate ${main}: expected a number > 0 to measure AdamW's against`,
        );
      const { what, direction } = adamPlan("g̃/(√v + eps)", state, optimizer.adamw ?? {}, {
        b2: 0.95,
        eps: 1e-10,
        epsRoot: 0,
      });
      const leaf = direction(other / main);
      const { steps, scale, coefficients } = optimizer;
      return {
        description: `φ = msign(m) of the hidden matrices, ${short(other / main)}·${what}, of the rest`,
        family: null,
        memory: effectiveBatches(
          nesterov
            ? momentumWeights(1 + momentum, momentum ** 2, momentum)
            : momentumWeights(1, momentum, momentum),
        ),
        notes: [`AdamW's learning rate stays ${short(other / main)} of Muon's; η is Muon's`],
        orthogonal: withDefaults({}, { steps, scale, coefficients }),
        of: (path, shape, data) =>
          muonRule(path, shape).group === "muon" ? { kind: "orthogonal" } : leaf(path, data.length),
      };
    }
    default:
      throw new ConfigError(
        `optimizer ${optimizer.kind}: its direction can't be measured; expected sgd, signum, tiger, lion, pbsgd, adam, adamw, adabelief, rmsprop or muon`,
      );
  }
}

const short = (value: number) => String(Number(value.toPrecision(3)));

/**
 * The direction φ of a run's optimizer at a checkpoint, with the optimizer's state as far as it isn't a momentum.
 *
 * Momentum that updates are linear in (SGD, Adam's mean) moves parameters as the gradient alone would, over the steps that follow, so
 * it is a factor at most. Where a sign or msign is taken of a momentum, `memory` is the number τ of batches that it averages:
 * updates are to be measured on gradients of τ·B samples, and as τ updates share their noise, it counts τ times in the curvature.
 * That is exact for updates linear in the momentum, and a rule for others. Weight decay is no part of φ. Clipping is, by the norm that gradients
 * of a batch size have on average.
 *
 * @throws ConfigError for Shampoo, CheckpointError if the state belongs to another optimizer
 */
export function updateDirection({
  optimizer,
  runBatchSize,
  clipNorm = null,
  params,
  state,
  secondMoment = "rescaled",
}: UpdateDirectionOptions): UpdateDirection {
  const plan = planOf(optimizer, state);
  let offset = 0;
  const leaves: Leaf[] = [...flattenState(params)].map(([path, { shape, data }]) => {
    const start = offset;
    offset += data.length;
    return { path, shape, start, end: offset, direction: plan.of(path, shape, data as Float32Array) };
  });
  const kinds = new Set(leaves.map(({ direction }) => direction.kind));
  const isLinear = kinds.size === 1 && kinds.has("linear");
  const isAdaptive = leaves.some(
    ({ direction }) => direction.kind === "linear" && direction.squares !== null,
  );
  const matrices = leaves.filter(({ direction }) => direction.kind === "orthogonal");
  const orthogonal =
    matrices.length === 0
      ? null
      : compile((own: Tree) => orthogonalize(own, plan.orthogonal ?? {}), {
          outputs: "engine",
          name: "msign",
        });
  const clipFactor = ({ gradientSquared, covarianceTrace }: DirectionNoise, batchSize: number) => {
    const norm = Math.sqrt(Math.max(0, gradientSquared + covarianceTrace / batchSize));
    return clipNorm === null || norm <= clipNorm ? 1 : clipNorm / norm;
  };
  const decays =
    (optimizer.weightDecay ?? 0) > 0 || optimizer.matrixDecay !== undefined || optimizer.kind === "adamw";
  return {
    description: plan.description,
    family: plan.family,
    memory: plan.memory,
    kind: !isLinear ? "nonlinear" : isAdaptive ? "linear" : "gradient",
    scale: isLinear && !isAdaptive ? (leaves[0]!.direction as { scale: number }).scale : 1,
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
    ],
    async apply(gradient, batchSize, noise) {
      const result = new Float32Array(gradient.length);
      const clip = clipFactor(noise, batchSize);
      const runClip = clipFactor(noise, runBatchSize);
      for (const { start, end, direction } of leaves) {
        if (direction.kind === "linear") {
          const { scale, squares, eps, epsRoot } = direction;
          for (let i = start; i < end; i++) {
            if (squares === null) {
              result[i] = scale * clip * gradient[i]!;
              continue;
            }
            const perSample = noise.variance[i]!;
            const before = squares.length === 0 ? null : squares[i - start]!;
            // Squares before the first step are those of the gradient itself.
            const signal =
              before === null
                ? noise.meanSquares[i]!
                : Math.max(0, before / runClip ** 2 - perSample / runBatchSize);
            const square =
              secondMoment === "stored" && before !== null
                ? before
                : clip ** 2 * (signal + perSample / batchSize);
            const root = Math.sqrt(square + epsRoot) + eps;
            result[i] = root > 0 ? (scale * clip * gradient[i]!) / root : 0;
          }
        } else if (direction.kind === "sign") {
          const { scale, eps } = direction;
          for (let i = start; i < end; i++) {
            const g = clip * gradient[i]!;
            result[i] = g === 0 ? 0 : (scale * g) / Math.hypot(g, eps);
          }
        } else if (direction.kind === "power") {
          const { scale, power } = direction;
          for (let i = start; i < end; i++) {
            const g = clip * gradient[i]!;
            result[i] = scale * Math.sign(g) * Math.abs(g) ** power;
          }
        }
      }
      if (orthogonal !== null) {
        const inputs = Object.fromEntries(
          matrices.map(({ path, shape, start, end }) => [
            path,
            EngineArray.from(gradient.slice(start, end), shape),
          ]),
        );
        const outputs = (await orthogonal(inputs as never)) as Record<string, EngineArray>;
        for (const { path, start } of matrices) result.set(outputs[path]!.data as Float32Array, start);
      }
      return result;
    },
    async dispose() {
      await orthogonal?.dispose();
    },
  };
}

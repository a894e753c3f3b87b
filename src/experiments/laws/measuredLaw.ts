import { flattenState } from "../../checkpoint/index.ts";
import { compile, EngineArray } from "../../compile/index.ts";
import { type CheckpointProblem, measureCheckpoint, type UpdateDirection } from "../../measure/index.ts";
import type { Tree } from "../../optim/index.ts";
import type { Estimate } from "../../scaling/index.ts";
import type { LawTask } from "./lawTask.ts";
import { type LawOptimizer, optimizerName, stepDirection } from "./optimizers.ts";

/** What `measureCheckpoint`, the function behind `rotor measure`, says of one optimizer. */
export interface MeasuredLaw {
  /** η* by batch size; null where there is no finite one. */
  readonly optima: readonly {
    readonly batchSize: number;
    readonly basis: string;
    readonly learningRate: Estimate | null;
  }[];
  /** Samples whose gradient was taken, and products with Hessians. */
  readonly gradientSamples: number;
  readonly hessianProducts: number;
}

export interface MeasuredLawOptions {
  readonly params: Tree;
  readonly optimizer: LawOptimizer;
  readonly batchSizes: readonly number[];
  /** As `measureCheckpoint` takes them. */
  readonly samples: number;
  readonly probes: number;
  readonly hessianBatchSize: number;
}

const stream = 9_000;

/** The direction of an optimizer on flat vectors, as `measureCheckpoint` takes it. */
function flatDirection(
  params: Tree,
  optimizer: LawOptimizer,
  options: { readonly threads?: number },
): UpdateDirection {
  // A flat record by path: the rules of partitions see the same paths.
  const places = [...flattenState(params)].map(([path, { shape, size }]) => ({ path, shape, size }));
  const program = compile(
    (gradient: Tree, secondMoment: Tree) => stepDirection(optimizer)(gradient, secondMoment) as Tree,
    { ...options, outputs: "engine" },
  );
  const recordOf = (vector: Float32Array<ArrayBuffer>) => {
    let start = 0;
    return Object.fromEntries(
      places.map(({ path, shape, size }) => {
        start += size;
        return [path, EngineArray.from(vector.slice(start - size, start), shape)];
      }),
    );
  };
  return {
    description: optimizerName(optimizer),
    notes: [],
    family:
      optimizer.kind === "sgd"
        ? "sgd"
        : optimizer.kind === "sign" || optimizer.kind === "adam"
          ? "sign"
          : null,
    memory: 1,
    kind: optimizer.kind === "sgd" ? "gradient" : "nonlinear",
    scale: 1,
    clipNorm: null,
    async apply(gradient, batchSize, { meanSquares, variance }) {
      const secondMoment = meanSquares.map((square, i) => square + variance[i]! / batchSize);
      const update = (await program(recordOf(gradient), recordOf(secondMoment))) as Record<
        string,
        EngineArray
      >;
      const result = new Float32Array(gradient.length);
      let start = 0;
      for (const { path, size } of places) {
        result.set(update[path]!.data as Float32Array, start);
        start += size;
      }
      return result;
    },
    dispose: () => program.dispose(),
  };
}

/** Measures the law at a checkpoint from one set of samples for all batch sizes, as a user does. */
export async function measuredLaw(
  task: LawTask,
  { params, optimizer, batchSizes, ...sizes }: MeasuredLawOptions,
  threads: number | undefined,
): Promise<MeasuredLaw> {
  const options = threads === undefined ? {} : { threads };
  const direction = flatDirection(params, optimizer, options);
  try {
    const problem: CheckpointProblem = {
      params,
      loss: (p, batch) => task.loss(p, batch),
      batch: (start, count) => task.samples(stream, start, count),
      direction,
    };
    const { optima, cost } = await measureCheckpoint(problem, { ...sizes, ...options, batchSizes });
    return {
      optima: batchSizes.flatMap((batchSize) => {
        const found = optima.find((optimum) => Math.abs(Math.log(optimum.batchSize / batchSize)) < 1e-3);
        if (found === undefined) return [];
        const { learningRate, basis } = found;
        const exists = learningRate.value > 0 && Number.isFinite(learningRate.high);
        return [{ batchSize, basis, learningRate: exists ? learningRate : null }];
      }),
      gradientSamples: cost.gradientSamples,
      hessianProducts: cost.hessianProducts,
    };
  } finally {
    await direction.dispose();
  }
}

import { random, tree } from "@jax-js/jax";
import { compile, EngineArray } from "../../compile/index.ts";
import {
  type CurvatureSums,
  curvatureSample,
  curvatureSums,
  type IndependentBatches,
  type MeanEstimate,
  RunningMoments,
} from "../../curvature/index.ts";
import type { Tree } from "../../optim/index.ts";
import type { Checkpoint, LawLab } from "./lawLab.ts";
import { batchOf } from "./lawTask.ts";

/** The sums that the closed forms of the laws take, at one checkpoint; noise is that of one sample. */
export interface LawStatistics {
  readonly numParameters: number;
  /** `gᵀg` and `tr Σ`. */
  readonly squaredGradient: MeanEstimate;
  readonly noise: MeanEstimate;
  /** `gᵀHg` and `tr ΣH`. */
  readonly gradientCurvature: MeanEstimate;
  readonly noiseCurvature: MeanEstimate;
  /** `tr H`. */
  readonly trace: MeanEstimate;
  /** For each ε, with `ν = softsign(ĝ, ε)` of a mean gradient of other batches: `νᵀg` and `νᵀHν`. ε = 0 is the sign. */
  readonly soft: readonly {
    readonly epsilon: number;
    readonly alignment: MeanEstimate;
    readonly curvature: MeanEstimate;
  }[];
}

export interface LawStatisticsOptions {
  readonly epsilons: readonly number[];
  /** Samples of one batch, and how many times three independent ones are drawn. */
  readonly probeSize: number;
  readonly repetitions: number;
}

const stream = 8_000;

/** Measures the sums at a checkpoint. */
export async function lawStatistics(
  lab: LawLab,
  { params, mean }: Checkpoint,
  { epsilons, probeSize, repetitions }: LawStatisticsOptions,
  threads: number | undefined,
): Promise<LawStatistics> {
  const { task } = lab;
  const directions = epsilons.map((epsilon) =>
    tree.map(
      (g: EngineArray) =>
        EngineArray.from(
          (g.data as Float32Array).map((value) => (value === 0 ? 0 : value / Math.hypot(value, epsilon))),
          g.shape,
        ),
      mean,
    ),
  );
  await using sample = compile(
    curvatureSample((p, batch) => task.loss(p, batch)),
    threads === undefined ? {} : { threads },
  );
  const batch = (index: number) => batchOf(task, stream, probeSize, index);
  const sums: CurvatureSums<MeanEstimate> = await curvatureSums(
    (r) =>
      sample(
        params,
        { first: batch(4 * r), second: batch(4 * r + 1), third: batch(4 * r + 2) } as IndependentBatches,
        directions[0] as Tree,
        random.key(r),
      ),
    repetitions,
  );
  const soft = new RunningMoments(2 * epsilons.length);
  for (let r = 0; r < repetitions; r++) {
    const { alignment, curvature } = await lab.moments(params, directions, batch(4 * r + 3));
    soft.add([...Array.from(alignment), ...Array.from(curvature)]);
  }
  const perSample = ({ value, standardError, count }: MeanEstimate): MeanEstimate => ({
    value: value * probeSize,
    standardError: standardError * probeSize,
    count,
  });
  const leaves = tree.leaves(params) as EngineArray[];
  return {
    numParameters: leaves.reduce((sum, { size }) => sum + size, 0),
    squaredGradient: sums.squaredGradient,
    noise: perSample(sums.noise),
    gradientCurvature: sums.gradientCurvature,
    noiseCurvature: perSample(sums.noiseCurvature),
    trace: sums.trace,
    soft: epsilons.map((epsilon, i) => ({
      epsilon,
      alignment: soft.estimate(i),
      curvature: soft.estimate(epsilons.length + i),
    })),
  };
}

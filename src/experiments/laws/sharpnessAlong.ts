import { tree } from "@jax-js/jax";
import { EngineArray } from "../../compile/index.ts";
import type { Sharpness } from "../../curvature/index.ts";
import type { Tree } from "../../optim/index.ts";
import { type Checkpoint, type LawLab, type RunState, streams } from "./lawLab.ts";
import { batchOf, type EngineBatch } from "./lawTask.ts";
import { adamB2, type LawOptimizer } from "./optimizers.ts";

/** How sharpness is measured. */
export interface SharpnessMeasurement {
  /** Steps after which it is. */
  readonly measureAt: readonly number[];
  /** Samples of the Hessian, at most: fewer where a run hasn't seen so many. */
  readonly probeSize: number;
  /** Products with the Hessian. */
  readonly products: number;
  /** Batches for one step's best learning rate. */
  readonly directions: number;
}

/** What is measured at one place of a run. */
export interface SharpnessPoint {
  readonly step: number;
  /** The expected loss. */
  readonly loss: number;
  /** `λ_max(P⁻¹H)`: P is 1 for SGD, `√v̂ + ε` for Adam. */
  readonly sharpness: Sharpness;
  /** `E[φ̃]ᵀg/E[φ̃ᵀHφ̃]` of updates without momentum; null if one of them isn't positive. */
  readonly greedy: number | null;
}

const elements = (root: Tree): Float32Array[] =>
  (tree.leaves(root) as EngineArray[]).map(({ data }) => data as Float32Array);

/** `√v + ε`, one array after the other; null for optimizers without a second moment. */
function preconditionerOf(
  optimizer: LawOptimizer,
  secondMoment: Tree,
): { readonly preconditioner: Float64Array } | null {
  if (optimizer.kind !== "adam") return null;
  const values = elements(secondMoment).flatMap((leaf) => Array.from(leaf));
  return { preconditioner: Float64Array.from(values, (v) => Math.sqrt(v) + optimizer.epsilon) };
}

/** Adam's v̂ after so many steps; of others the parameters' own tree, which isn't looked at. */
function secondMomentOf({ params, optimizer: state }: RunState, optimizer: LawOptimizer, step: number): Tree {
  if (optimizer.kind !== "adam") return params;
  const correction = 1 - adamB2 ** step;
  return tree.map(
    (v: EngineArray) =>
      EngineArray.from(
        (v.data as Float32Array).map((value) => value / correction),
        v.shape,
      ),
    (state as { nu: Tree }).nu,
  );
}

/** What one step from here would best be: directions of batches that the run hasn't seen, judged by the probe, which they don't know. */
async function greedyRate(
  lab: LawLab,
  place: { readonly params: Tree; readonly secondMoment: Tree; readonly probe: EngineBatch },
  run: { readonly optimizer: LawOptimizer; readonly batchSize: number; readonly stream: number },
  first: number,
  count: number,
): Promise<number | null> {
  let [alignment, curvature] = [0, 0];
  for (let i = 0; i < count; i++) {
    const batch = batchOf(lab.task, run.stream, run.batchSize, first + i);
    const directions = await lab.directions(place.params, [run.optimizer], place.secondMoment, batch);
    const sums = await lab.moments(place.params, directions, place.probe);
    alignment += sums.alignment[0]!;
    curvature += sums.curvature[0]!;
  }
  return alignment > 0 && curvature > 0 ? alignment / curvature : null;
}

/** Points of a run and the losses of its batches; null if one of them overflowed. */
export async function sharpnessAlong(
  lab: LawLab,
  run: {
    readonly optimizer: LawOptimizer;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly seed: number;
    readonly steps: number;
  },
  { measureAt, probeSize, products, directions }: SharpnessMeasurement,
): Promise<{ readonly points: readonly SharpnessPoint[]; readonly losses: readonly number[] } | null> {
  const { optimizer, batchSize, seed } = run;
  const stream = streams.run + seed;
  const points: SharpnessPoint[] = [];
  const losses: number[] = [];
  using _ = await lab.train(run, async (done, loss, state) => {
    losses.push(loss);
    if (!Number.isFinite(loss)) return false;
    if (!measureAt.includes(done)) return true;
    const leaves = state.leaves() as unknown as RunState;
    const expected = await lab.expectedLoss(leaves.params);
    if (!Number.isFinite(expected)) return false;
    const secondMoment = secondMomentOf(leaves, optimizer, done);
    // Rows of embeddings that no batch has had yet have no second moment, and no curvature on these.
    const seen = Math.min(probeSize, done * batchSize);
    const probe = lab.task.samples(stream, done * batchSize - seen, seen);
    points.push({
      step: done,
      loss: expected,
      sharpness: await lab.sharpness(leaves.params, probe, {
        products,
        ...preconditionerOf(optimizer, secondMoment),
      }),
      greedy: await greedyRate(
        lab,
        { params: leaves.params, secondMoment, probe },
        { optimizer, batchSize, stream },
        done,
        directions,
      ),
    });
    return true;
  });
  return losses.every(Number.isFinite) && points.length === measureAt.length ? { points, losses } : null;
}

/** At a checkpoint, where Adam's second moment is that of batches of a size. */
export async function sharpnessAt(
  lab: LawLab,
  checkpoint: Checkpoint,
  optimizer: LawOptimizer,
  batchSize: number,
  { probeSize, products }: Pick<SharpnessMeasurement, "probeSize" | "products">,
): Promise<Sharpness> {
  const probe = lab.task.samples(streams.moments, 0, Math.min(probeSize, checkpoint.numSamples));
  return lab.sharpness(checkpoint.params, probe, {
    products,
    ...preconditionerOf(optimizer, lab.secondMoment(checkpoint, batchSize)),
  });
}

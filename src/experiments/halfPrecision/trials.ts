import { DType, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { type CompiledStep, compile, compileStep, type EngineArray } from "../../compile/index.ts";
import { mapArrays, type Tree } from "../../optim/index.ts";
import type { Estimate } from "../../scaling/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import { batchOf, type EngineBatch, type LawTask, openTask } from "../laws/lawTask.ts";
import { parabolaVertex } from "../learningRateSweep.ts";
import { interval } from "../statistics.ts";
import { b1, b2, firstExponent, type Mode, mixedScale, modes, type Plan } from "./plan.ts";

/** A training with one learning rate. */
export interface Run {
  /** Mean loss of the evaluation batches at the end; null if a number was no longer finite. */
  readonly loss: number | null;
  /** Step whose loss, or whose parameters after it, weren't finite; null if all were. */
  readonly brokeAt: number | null;
  /** Share of the elements with a mean gradient (m ≠ 0) whose mean square is 0, at the end; null if it broke. */
  readonly vanished: number | null;
}

/** The best of several learning rates. */
export interface Best {
  readonly mode: Mode;
  readonly epsilon: number;
  readonly batchSize: number;
  /** By seed, at the best learning rate; empty if every run broke. */
  readonly losses: readonly number[];
  /** With a 90 % interval over the seeds; null if every run broke, or the best is the largest or the smallest that was tried. */
  readonly learningRate: Estimate | null;
  readonly vanished: number | null;
  /** Of runs at any learning rate, the last step that one reached with finite numbers; null if one reached the end. */
  readonly brokeBy: number | null;
}

export interface Results {
  /** All modes and every ε, at the plan's anchor. */
  readonly anchors: readonly Best[];
  /** Every batch size, of float32. */
  readonly growth: readonly Best[];
}

interface State {
  readonly params: Tree;
  readonly mu: Tree;
  readonly nu: Tree;
  readonly count: np.Array;
}

type Step = CompiledStep<State, [batch: Tree, learningRate: np.Array, epsilon: np.Array], np.Array>;

/** Rounded to float16, and back. */
const half = (x: np.Array): np.Array => x.astype(DType.Float16).astype(DType.Float32);
const same = (x: np.Array): np.Array => x;

/**
 * A step of Adam, `m̂/(√v̂ + ε)` as Kingma & Ba have it. With moments of float16 every result is rounded: the gradient, both moments, the
 * corrected ones, the root, ε and the quotient.
 */
function adamStep(task: LawTask, mode: Mode, threads: number | undefined): Step {
  const round = mode === "float16" ? half : same;
  // With its moments a float16 training has its gradients, unscaled: that is what ε is said of.
  const scale = mode === "mixed" ? mixedScale : 1;
  return compileStep(
    (state: State, batch: Tree, learningRate: np.Array, epsilon: np.Array) => {
      const [scaled, gradients] = valueAndGrad((p: Tree) => task.loss(p, batch).mul(scale))(
        tree.ref(state.params),
      ) as [np.Array, Tree];
      const count = state.count.add(1);
      const g = mapArrays((x) => round(x.mul(1 / scale)), gradients);
      const mu = mapArrays(
        (m, x) => round(round(m.mul(b1)).add(round(x.mul(1 - b1)))),
        state.mu,
        tree.ref(g),
      );
      const nu = mapArrays(
        (v, x) => round(round(v.mul(b2)).add(round(round(np.square(x)).mul(1 - b2)))),
        state.nu,
        g,
      );
      const correction = (b: number) => np.negative(np.exp(count.ref.mul(Math.log(b)))).add(1);
      const [c1, c2] = [correction(b1), correction(b2)];
      const added = round(epsilon);
      const params = mapArrays(
        (w, m, v) => {
          const root = round(np.sqrt(round(v.div(c2.ref))));
          const quotient = round(round(m.div(c1.ref)).div(round(root.add(added.ref))));
          return w.sub(quotient.mul(learningRate.ref));
        },
        state.params,
        tree.ref(mu),
        tree.ref(nu),
      );
      tree.dispose([c1, c2, added, learningRate]);
      return [{ params, mu, nu, count }, scaled.mul(1 / scale)] as const;
    },
    {
      ...(threads === undefined ? {} : { threads }),
      ...(mode === "float32" ? {} : { precision: "mixed" as const }),
      name: "adam",
    },
  ) as unknown as Step;
}

const rounded = (value: number) => Number(value.toPrecision(6));

/** Trains, and says how it went. */
async function train(
  task: LawTask,
  step: Step,
  evaluate: (params: Tree, batch: EngineBatch) => Promise<np.Array>,
  settings: { epsilon: number; learningRate: number; batchSize: number; seed: number; steps: number },
): Promise<Run> {
  const { epsilon, learningRate, batchSize, seed, steps } = settings;
  const params = task.init(seed);
  const zeros = () => mapArrays((p) => np.zeros(p.shape), params);
  const initial = { params, mu: zeros(), nu: zeros(), count: np.array(0) };
  using state = await step.init(initial as never);
  const leavesOf = (part: keyof State) => tree.leaves(state.leaves()[part]) as unknown as EngineArray[];
  for (let i = 0; i < steps; i++) {
    const batch = batchOf(task, seed, batchSize, i);
    const loss = await step(state, batch as never, learningRate as never, epsilon as never);
    const isWhole = Number.isFinite((await loss.data())[0]);
    const areFinite = leavesOf("params").every(({ data }) => data.every((value) => Number.isFinite(value)));
    if (!isWhole || !areFinite) return { loss: null, brokeAt: i + 1, vanished: null };
  }
  let [moving, without] = [0, 0];
  const squares = leavesOf("nu").map(({ data }) => data);
  for (const [i, { data }] of leavesOf("mu").entries()) {
    for (const [j, m] of data.entries()) {
      if (m === 0) continue;
      moving++;
      if (squares[i]![j] === 0) without++;
    }
  }
  let sum = 0;
  const batches = task.evaluation();
  for (const batch of batches) sum += (await (await evaluate(state.leaves().params, batch)).data())[0]!;
  const loss = sum / batches.length;
  if (!Number.isFinite(loss)) return { loss: null, brokeAt: steps, vanished: null };
  return { loss: rounded(loss), brokeAt: null, vanished: moving === 0 ? 0 : rounded(without / moving) };
}

/** Looks for the best learning rate: powers of 2 from a first one, in both directions as far as losses fall. */
async function findBest(
  plan: Plan,
  choice: Pick<Best, "mode" | "epsilon" | "batchSize">,
  seeds: readonly number[],
  run: (learningRate: number, seed: number) => Promise<Run>,
): Promise<Best> {
  const runs = new Map<number, Run[]>();
  const lossAt = (exponent: number) => {
    const losses = (runs.get(exponent) ?? []).map(({ loss }) => loss ?? Number.POSITIVE_INFINITY);
    return losses.length === 0 ? null : losses.reduce((a, b) => a + b, 0) / losses.length;
  };
  const tryAt = async (exponent: number) => {
    const made: Run[] = [];
    for (const seed of seeds) made.push(await run(2 ** exponent, seed));
    runs.set(exponent, made);
  };
  const first = firstExponent(choice.epsilon);
  for (const exponent of [first, first + 1, first - 1]) await tryAt(exponent);
  let best = first;
  for (;;) {
    for (const exponent of runs.keys()) if (lossAt(exponent)! < lossAt(best)!) best = exponent;
    // Where all break, smaller steps may not.
    const next = Number.isFinite(lossAt(best)!)
      ? [best + 1, best - 1].find((exponent) => !runs.has(exponent))
      : Math.min(...runs.keys()) - 1;
    if (next === undefined || runs.size >= plan.maxRates) break;
    await tryAt(next);
  }
  const all = [...runs.values()].flat();
  const isWhole = all.some(({ brokeAt }) => brokeAt === null);
  const brokeBy = isWhole ? null : Math.max(...all.map(({ brokeAt }) => brokeAt!));
  const chosen = runs.get(best)!;
  const losses = chosen.flatMap(({ loss }) => loss ?? []);
  if (losses.length < chosen.length)
    return { ...choice, losses: [], learningRate: null, vanished: null, brokeBy };
  const at = (exponent: number, i: number) => runs.get(exponent)?.[i]?.loss ?? Number.POSITIVE_INFINITY;
  const isInside = runs.has(best - 1) && runs.has(best + 1);
  const { mean, low, high } = interval(
    losses.map((loss, i) => best + parabolaVertex(at(best - 1, i), loss, at(best + 1, i))),
    0.9,
  );
  const vanished = chosen.reduce((sum, run) => sum + run.vanished!, 0) / chosen.length;
  return {
    ...choice,
    losses,
    learningRate: isInside ? { value: 2 ** mean, low: 2 ** low, high: 2 ** high } : null,
    vanished,
    brokeBy,
  };
}

/** Runs what isn't in the log. */
export async function measure(plan: Plan, context: ExperimentContext): Promise<Results> {
  using task = await openTask("mnist", plan.task, context.home);
  await using evaluation = compile((params: Tree, batch: Tree) => task.loss(params, batch));
  const evaluate = evaluation as unknown as (params: Tree, batch: EngineBatch) => Promise<np.Array>;
  const [anchors, growth]: [Best[], Best[]] = [[], []];
  for (const mode of modes) {
    await using step = adamStep(task, mode, context.threads);
    const best = (epsilon: number, batchSize: number, seeds: readonly number[]) => {
      context.note(`${mode}, ε ${epsilon}, batches of ${batchSize}`);
      return findBest(plan, { mode, epsilon, batchSize }, seeds, (learningRate, seed) => {
        const settings = { epsilon, learningRate, batchSize, seed, steps: plan.steps };
        return context.trials.run({ ...settings, mode, ...plan.task }, () =>
          train(task, step, evaluate, settings),
        );
      });
    };
    for (const epsilon of plan.epsilons) anchors.push(await best(epsilon, plan.anchor, plan.seeds));
    if (mode !== "float32") continue;
    for (const epsilon of plan.growthEpsilons) {
      for (const batchSize of plan.batchSizes) growth.push(await best(epsilon, batchSize, plan.growthSeeds));
    }
  }
  return { anchors, growth };
}

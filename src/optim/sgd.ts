import { flag, fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { linear, linearMomentum } from "./direction.ts";
import { chain, type GradientTransformation, identity } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, type DecayMask, scaleByLearningRate, trace } from "./transforms.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

export interface SgdOptions {
  /** Default 1e-3 (torch.optim.SGD). */
  readonly learningRate?: ScheduleOrNumber;
  /** Default 0 (torch.optim.SGD). */
  readonly momentum?: number;
  /** Default false (torch.optim.SGD). */
  readonly nesterov?: boolean;
  /** Added to the gradient before the momentum, as in torch.optim.SGD. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, after the momentum. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
}

const sgdTable = {
  learningRate: nonNegative(1e-3, "torch.optim.SGD"),
  weightDecay: nonNegative(0, "torch.optim.SGD"),
  momentum: fraction(0, "torch.optim.SGD"),
  nesterov: flag(false, "torch.optim.SGD"),
} satisfies OptionTable;

/**
 * `m ← momentum·m + (g + λw)`, `w ← w − ηm`: steepest descent under the Euclidean norm.
 *
 * Source: Sutskever et al., 2013; semantics and defaults of torch.optim.SGD.
 *
 * @example
 * ```ts
 * const { update, init } = sgd({ learningRate: 0.1, momentum: 0.9 });
 * const w = np.array([1, 2]);
 * const [first, state] = update(np.array([1, -1]), init(w.ref), w.ref);
 * const [second] = update(np.array([1, -1]), state, w);
 * first; // => [-0.100, 0.100]
 * second; // => [-0.190, 0.190]
 * ```
 */
export function sgd(options: SgdOptions = {}): GradientTransformation {
  const { learningRate, momentum, nesterov, weightDecay, matrixDecay, mask } = withDefaults(
    sgdTable,
    options,
  );
  return chain(
    addDecayedWeights(weightDecay, mask),
    momentum === 0 ? identity() : trace({ momentum, nesterov }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}

export const sgdMethod = optimizerMethod({
  options: sgdTable,
  make: sgd,
  rule: null,
  updateSize: () => ({ kind: "elements", degree: 1 }),
  state: { trace: "m, if momentum > 0" },
  direction: ({ momentum }) => ({
    description: momentum === 0 ? "φ = g̃" : `φ = g̃/(1 − ${momentum})`,
    family: "sgd",
    pastWeights: null,
    notes: linearMomentum(momentum),
    of: () => linear(1 / (1 - momentum)),
  }),
  update: "`m`, `m ← βm + g + λw`; Nesterov: `g + λw + βm`",
});

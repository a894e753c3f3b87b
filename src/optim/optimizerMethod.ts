import type { AllOptions, OptionTable } from "../options/index.ts";
import type { MethodDirection, StateReader } from "./direction.ts";
import type { GradientTransformation, Observed, Tree } from "./gradientTransformation.ts";
import type { PartitionRule } from "./partition.ts";
import type { UpdateSize } from "./updateSize.ts";

/**
 * An optimizer in one piece: what configurations, checkpoints, measurements and the documentation know of it. A new one is a file with
 * this row in it, a name in `optimizerMethods`, and the rows of the tests whose types ask for it.
 */
export interface OptimizerMethod<Table extends OptionTable = OptionTable> {
  /** Options that a configuration may set, with defaults and ranges. `learningRate` and `weightDecay` are among them. */
  readonly options: Table;
  /**
   * The transformation of the options, of a schedule for `learningRate`, and of `mask`, `matrixDecay` and for an optimizer of matrices
   * `adamw`.
   */
  readonly make: (options: never) => GradientTransformation;
  /**
   * Which parameters are its own, for an optimizer of hidden matrices: AdamW, with options of its own, takes those of the group `"adamw"`.
   * Null for all.
   */
  readonly rule: PartitionRule | null;
  /** How large updates of its own parameters are, which decides how a parametrization scales their learning rates. */
  updateSize(options: AllOptions<Table>): UpdateSize;
  /** That `weightDecay` goes through what makes the gradient a direction, so that no factor on it gives a decay of ηλ. */
  readonly decaysInside?: boolean;
  /** Parts of its state by name, as a checkpoint has them, and what each holds. */
  readonly state: Readonly<Record<string, string>>;
  /** The part of its state that is orthogonalised. */
  readonly orthogonalized?: string;
  /** What `update` needs to know of the forward pass. */
  readonly observes?: keyof Observed;
  /** The direction of its update, for `measure`. */
  direction?(options: AllOptions<Table>, state: StateReader): MethodDirection;
  /** Why it has none. */
  readonly noDirection?: string;
  /**
   * The parameters that are evaluated, sampled from and handed on, of those that are trained and of its own state, both consumed.
   * Traceable. Absent if they are the trained ones.
   */
  evaluated?(options: AllOptions<Table>): (params: Tree, state: Tree) => Tree;
  /** The update of w, divided by −η, for the table of the documentation. */
  readonly update: string;
}

/** A row, with the types of its options. */
export const optimizerMethod = <Table extends OptionTable>(method: OptimizerMethod<Table>) => method;

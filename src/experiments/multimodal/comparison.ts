import { mean } from "simple-statistics";
import type { ExperimentContext, ExperimentSize, Table, Verdict } from "../experiment.ts";
import type { Plot } from "../plot.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import { settleWithSeeds } from "../toSettle.ts";
import { askedSets, type DocumentSet, type Task } from "./task.ts";
import { type Arm, curveParts, type TaskResult, type TaskSettings, tasks, taskTrial } from "./taskTrial.ts";

/** What is trained: every arm with every seed. */
export interface ComparisonPlan {
  readonly settings: Omit<TaskSettings, keyof Arm | "seed">;
  readonly arms: Readonly<Record<string, Arm>>;
  readonly seeds: readonly number[];
}

/**
 * The same small model and training for every comparison; for seconds instead of minutes only to see that it runs.
 *
 * @param steps - of a full run
 */
export function comparisonPlans({
  task,
  arms,
  steps,
}: {
  readonly task: TaskSettings["task"];
  readonly arms: ComparisonPlan["arms"];
  readonly steps: number;
}): Readonly<Record<ExperimentSize, ComparisonPlan>> {
  const rates = { muonLearningRate: 0.03, adamwLearningRate: 0.01 };
  const model = { task, headDim: 32, ropeBase: 1000, ...rates };
  return {
    full: {
      settings: {
        ...model,
        numLayers: 3,
        modelDim: 64,
        numHeads: 2,
        steps,
        batchSize: 16,
        numDocuments: 640,
      },
      arms,
      seeds: [1, 2, 3],
    },
    quick: {
      settings: {
        ...model,
        numLayers: 1,
        modelDim: 32,
        numHeads: 1,
        steps: 2,
        batchSize: 4,
        numDocuments: 8,
      },
      arms,
      seeds: [1],
    },
  };
}

/** Results of all arms, in the order of the seeds. */
export interface Comparison extends ComparisonPlan {
  readonly task: Task;
  readonly results: Readonly<Record<string, readonly TaskResult[]>>;
}

export async function compareArms(
  plan: ComparisonPlan,
  { trials, threads, note }: ExperimentContext,
): Promise<Comparison> {
  const results: Record<string, TaskResult[]> = {};
  for (const seed of plan.seeds) {
    for (const [name, arm] of Object.entries(plan.arms)) {
      note(`${name}, seed ${seed}: ${plan.settings.steps} steps`);
      const settings: TaskSettings = { ...plan.settings, ...arm, seed };
      const result = await trials.run({ ...settings }, () => taskTrial(settings, threads));
      results[name] = [...(results[name] ?? []), result];
    }
  }
  return { ...plan, task: tasks[plan.settings.task], results };
}

/** Kinds of questions that a set asks. */
const kindsOf = ({ task }: Comparison, set: DocumentSet) =>
  set === "held-out" ? task.heldOutKinds : task.kinds;

/** Accuracy of one kind, or the mean over the kinds of the set, by seed. */
export function accuracies(
  comparison: Comparison,
  arm: string,
  set: DocumentSet,
  kinds: readonly string[] = kindsOf(comparison, set),
): number[] {
  return comparison.results[arm]!.map(({ scores }) =>
    mean(
      kinds.map((kind) => {
        const { right, asked } = scores[set]?.[kind] ?? { right: 0, asked: 0 };
        return asked === 0 ? 0 : right / asked;
      }),
    ),
  );
}

const percent = (value: Interval) =>
  formatInterval({ ...value, mean: 100 * value.mean, low: 100 * value.low, high: 100 * value.high }, 1);

/** `first` minus `second`, seed by seed: both saw the same documents from the same start. */
export function difference(
  comparison: Comparison,
  [first, second]: readonly [string, string],
  set: DocumentSet,
  kinds?: readonly string[],
): Interval {
  const [a, b] = [first, second].map((arm) => accuracies(comparison, arm, set, kinds)) as [
    number[],
    number[],
  ];
  return interval(a.map((value, i) => value - b[i]!));
}

/** A claim that one arm answers better than others. */
export interface ArmClaim {
  readonly claim: string;
  readonly better: string;
  readonly than: readonly string[];
  readonly set: DocumentSet;
  /** Default: all of the set. */
  readonly kinds?: readonly string[];
}

const setNames: Readonly<Record<DocumentSet, string>> = {
  train: "of training",
  seen: "as in training",
  "held-out": "held-out compositions",
  larger: "larger than in training",
};

/** Holds if the interval of every difference lies above 0, fails if one lies below it; else no significant difference decides. */
export function armVerdict(comparison: Comparison, { claim, better, than, set, kinds }: ArmClaim): Verdict {
  const rows = than.map((other) => ({
    other,
    value: difference(comparison, [better, other], set, kinds),
  }));
  const signs = rows.map(({ value: { low, high, count } }) =>
    count < 2 ? 0 : low > 0 ? 1 : high < 0 ? -1 : 0,
  );
  const found = rows.map(({ other, value }, i) => {
    const remark = signs[i] === 0 ? " (no significant difference)" : "";
    return `${better} − ${other} ${percent(value)} points${remark}`;
  });
  const what =
    kinds === undefined ? "mean accuracy over the kinds of questions" : `accuracy of ${kinds.join(", ")}`;
  return {
    claim,
    expected: `${what}, ${setNames[set]}: ${better} above ${than.join(", ")}`,
    found: found.join("; "),
    verdict: signs.every((sign) => sign > 0) ? "holds" : signs.some((sign) => sign < 0) ? "fails" : "open",
    toSettle: settleWithSeeds(
      rows.map(({ other, value }) => ({ name: `${better} − ${other}`, interval: value })),
    ),
  };
}

/** Share of the most frequent answer of each kind: what a guess that knows no document gets. */
export function guesses(
  { task, settings, seeds }: Comparison,
  set: DocumentSet,
): ReadonlyMap<string, number> {
  const answers = new Map<string, Map<string, number>>();
  for (let index = 0; index < settings.numDocuments; index++) {
    for (const { kind, answer } of task.document(set, index, seeds[0]!).questions) {
      const own = answers.get(kind) ?? new Map<string, number>();
      own.set(answer.join(), (own.get(answer.join()) ?? 0) + 1);
      answers.set(kind, own);
    }
  }
  return new Map(
    [...answers].map(([kind, counts]) => {
      const all = [...counts.values()];
      return [kind, Math.max(...all) / all.reduce((a, b) => a + b, 0)];
    }),
  );
}

/** Accuracy by kind and arm, one table per set. */
export function accuracyTables(comparison: Comparison): Table[] {
  const arms = Object.keys(comparison.arms);
  return askedSets.map((set) => {
    const kinds = kindsOf(comparison, set);
    const guess = guesses(comparison, set);
    const row = (label: string, own: readonly string[]) => [
      label,
      ...arms.map((arm) => percent(interval(accuracies(comparison, arm, set, own)))),
      (100 * mean(own.map((kind) => guess.get(kind) ?? 0))).toFixed(1),
    ];
    return {
      kind: "table",
      title: `Right answers in percent, ${setNames[set]} (${comparison.seeds.length} seeds)`,
      columns: ["question", ...arms, "most frequent answer"],
      rows: [...kinds.map((kind) => row(kind, [kind])), row("mean", kinds)],
    };
  });
}

/** Mean accuracy of each arm, best first, in one line. */
export function ranking(comparison: Comparison, set: DocumentSet): string {
  return Object.keys(comparison.arms)
    .map((arm) => ({ arm, value: interval(accuracies(comparison, arm, set)) }))
    .sort((a, b) => b.value.mean - a.value.mean)
    .map(({ arm, value }) => `${arm} ${percent(value)}`)
    .join(", ");
}

export function lossPlot({ arms, results, settings, seeds }: Comparison): Plot {
  return {
    kind: "plot",
    file: "losses",
    title: `Training loss, mean of ${seeds.length} seeds`,
    x: { label: "step" },
    y: { label: "nats per token of an answer" },
    series: Object.keys(arms).map((name) => ({
      name,
      points: Array.from({ length: results[name]![0]!.losses.length }, (_, i) => ({
        x: Math.round(((i + 0.5) * settings.steps) / curveParts),
        y: mean(results[name]!.map(({ losses }) => losses[i]!)),
      })),
    })),
  };
}

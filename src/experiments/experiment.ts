import type { Plot } from "./plot.ts";
import type { TrialLog } from "./trialLog.ts";

/** What was expected of a claim, what came out, and whether the two agree. */
export interface Verdict {
  /** The claim, with its source. */
  readonly claim: string;
  /** What would have to be seen. */
  readonly expected: string;
  /** What was seen, with numbers of this run. */
  readonly found: string;
  /** `"open"`: these measurements can't decide it. */
  readonly verdict: "holds" | "fails" | "open";
  /** What would settle it, if it is open; the report of a claim that isn't leaves it out. */
  readonly toSettle?: string;
}

/** A table of a report; cells are text, numbers are formatted by the experiment. */
export interface Table {
  readonly kind: "table";
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A paragraph of a report. */
export interface Paragraph {
  readonly kind: "text";
  readonly text: string;
}

/** What a report shows below its verdicts. */
export type Section = Table | Plot | Paragraph;

/** What an experiment found. */
export interface ExperimentReport {
  /** One or two sentences: what was run, what came out. */
  readonly summary: string;
  readonly verdicts: readonly Verdict[];
  readonly sections: readonly Section[];
}

/** `"full"` is what the committed report shows; `"quick"` takes seconds and shows that the experiment runs. */
export type ExperimentSize = "quick" | "full";

/** What an experiment is given to run its trials with. */
export interface ExperimentContext {
  /** Finished trials: an interrupted experiment continues with what is missing. */
  readonly trials: TrialLog;
  /** Threads of one operator. */
  readonly threads: number | undefined;
  /** Folder below which token files are kept. */
  readonly home: string;
  /** Tells the user what is being done, in one line. */
  note(message: string): void;
}

/**
 * Claims put to the test: `rotor experiment <name>`. A plan says what is measured, its trials give results, and these alone decide
 * what the report says: from stored trials it is the same text again.
 */
export interface Experiment<Plan = unknown, Results = unknown> {
  readonly name: string;
  /** One line for lists and the head of the report. */
  readonly title: string;
  /** Papers or posts that the claims come from. */
  readonly sources: readonly string[];
  /** Experiments with trials in common: those that lie in their logs are taken from there. */
  readonly sharesTrialsWith?: readonly string[];
  readonly plans: Readonly<Record<ExperimentSize, Plan>>;
  /** Runs what isn't in the log of {@link ExperimentContext.trials}. */
  trials(plan: Plan, context: ExperimentContext): Promise<Results>;
  verdicts(results: Results, plan: Plan): readonly Verdict[];
  sections(results: Results, plan: Plan): readonly Section[];
  summary(results: Results, plan: Plan, verdicts: readonly Verdict[]): string;
}

/** Runs the trials of a plan and says what they show. */
export async function runExperiment<Plan, Results>(
  experiment: Experiment<Plan, Results>,
  size: ExperimentSize,
  context: ExperimentContext,
): Promise<ExperimentReport> {
  const plan = experiment.plans[size];
  const results = await experiment.trials(plan, context);
  const verdicts = experiment.verdicts(results, plan).map(({ toSettle, ...verdict }): Verdict => {
    if (verdict.verdict !== "open") return verdict;
    return {
      ...verdict,
      toSettle:
        toSettle ??
        "Another measurement: more seeds of this one can't decide it, as it is not a mean over seeds.",
    };
  });
  return {
    summary: experiment.summary(results, plan, verdicts),
    verdicts,
    sections: experiment.sections(results, plan),
  };
}

/** How many claims hold, fail and stay open, for a summary. */
export function countVerdicts(verdicts: readonly Verdict[]): string {
  const count = (verdict: Verdict["verdict"]) => verdicts.filter((row) => row.verdict === verdict).length;
  return `${count("holds")} claims hold, ${count("fails")} fail, ${count("open")} stay open`;
}

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

/** What an experiment found. */
export interface ExperimentReport {
  /** One or two sentences: what was run, what came out. */
  readonly summary: string;
  readonly verdicts: readonly Verdict[];
  readonly sections: readonly (Table | Plot | Paragraph)[];
}

/** What an experiment is given. */
export interface ExperimentContext {
  /** `"full"` is what the committed report shows; `"quick"` takes seconds and shows that the experiment runs. */
  readonly size: "quick" | "full";
  /** Finished trials: an interrupted experiment continues with what is missing. */
  readonly trials: TrialLog;
  /** Threads of one operator. */
  readonly threads: number | undefined;
  /** Tells the user what is being done, in one line. */
  note(message: string): void;
}

/** A claim of METHODS.md put to the test: `rotor experiment <name>`. */
export interface Experiment {
  readonly name: string;
  /** One line for lists and the head of the report. */
  readonly title: string;
  /** Papers or posts that the claims come from. */
  readonly sources: readonly string[];
  /** Experiments with trials in common: those that lie in their logs are taken from there. */
  readonly sharesTrialsWith?: readonly string[];
  run(context: ExperimentContext): Promise<ExperimentReport>;
}

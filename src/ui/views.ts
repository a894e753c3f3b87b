import type { RunEvent, RunStatus, StoredMeasurement } from "../runs/index.ts";
import type { TrialRecord } from "../sweeps/index.ts";

/** A run as the table of runs shows it. */
export interface RunView {
  readonly id: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly message: string | null;
  readonly task: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly codeVersion: string;
  readonly seed: number;
  readonly summary: Readonly<Record<string, number>>;
  readonly tags: readonly string[];
  readonly note: string;
  readonly trial: string | null;
  /** Sweep of its trial, or null. */
  readonly sweep: string | null;
  readonly step: number;
  /** Null if the configuration doesn't say it. */
  readonly numSteps: number | null;
  /** Seconds that it will take yet; null if it doesn't run, or nobody knows. */
  readonly secondsLeft: number | null;
  readonly learningRate: number | null;
  readonly batchSize: number | null;
  readonly optimizer: string | null;
}

export interface RunsView {
  readonly home: string;
  /** Newest first. */
  readonly runs: readonly RunView[];
  /** How many there are, of which these are the newest. */
  readonly count: number;
  /** The last that a person started. */
  readonly latest: string | null;
  /** What is wrong with the store, in one line each. */
  readonly problems: readonly string[];
}

/** A few points of a curve, evenly spaced. */
export type SparksView = Readonly<Record<string, readonly number[]>>;

/** Time of training steps against steps, without pauses. */
export interface ClockView {
  readonly steps: readonly number[];
  readonly seconds: readonly number[];
  readonly itemsPerSecond: readonly number[];
}

export interface DifferenceView {
  readonly path: string;
  /** JSON; null where there is nothing. */
  readonly values: readonly (string | null)[];
}

export interface RunDetailView {
  readonly run: RunView;
  readonly config: unknown;
  /** What differs from the preset that is nearest; null if none is of its task. */
  readonly preset: { readonly name: string; readonly differences: readonly DifferenceView[] } | null;
  readonly metricNames: readonly string[];
  readonly item: string;
  readonly itemsPerStep: number | null;
  readonly flopsPerStep: number | null;
  readonly clock: ClockView;
  /** Without those of the clock. */
  readonly events: readonly RunEvent[];
  readonly checkpoints: readonly number[];
  readonly samples: readonly { readonly step: number; readonly text: string }[];
  readonly pictures: readonly { readonly step: number; readonly file: string }[];
  readonly histograms: readonly { readonly step: number; readonly file: string }[];
}

/** Points of a metric; `before` counts those up to the step that was asked for, so that a reader sees when they were made anew. */
export interface SeriesView {
  readonly steps: readonly number[];
  readonly values: readonly number[];
  readonly before: number;
}

export type MetricsView = Readonly<Record<string, SeriesView>>;

export interface CompareView {
  readonly by: "loss" | "bitsPerByte" | null;
  readonly notes: readonly string[];
  readonly runs: readonly (RunView & {
    readonly itemsPerStep: number | null;
    readonly flopsPerStep: number | null;
    readonly item: string;
    readonly clock: ClockView;
  })[];
  readonly differences: readonly DifferenceView[];
  /** Metrics that all of them have. */
  readonly commonMetrics: readonly string[];
}

export interface SweepView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly codeVersion: string;
  readonly counts: Readonly<Record<TrialRecord["status"], number>>;
  readonly parameters: readonly string[];
  readonly isAdaptive: boolean;
}

export interface SweepsView {
  readonly location: string;
  readonly sweeps: readonly SweepView[];
  readonly problems: readonly string[];
}

export interface TrialView {
  readonly id: string;
  readonly number: number;
  readonly round: number;
  readonly status: TrialRecord["status"];
  readonly values: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly worker: string | null;
  readonly step: number;
  readonly numSteps: number;
  readonly loss: number | null;
  readonly validationLoss: number | null;
  readonly message: string | null;
  readonly run: string | null;
  readonly attempts: number;
}

export interface SweepDetailView extends SweepView {
  readonly learningRatePath: string;
  readonly trials: readonly TrialView[];
  /** The results as `rotor sweep export` writes them; null before the first. */
  readonly csv: string | null;
}

/** A measurement that goes on, or how the last one ended. */
export interface MeasureJobView {
  readonly run: string;
  readonly step: number;
  /** Gradients and products with Hessians. */
  readonly done: number;
  /** Null until it is known. */
  readonly total: number | null;
  readonly status: "running" | "finished" | "failed" | "stopped";
  /** Why it failed, in one line. */
  readonly message: string | null;
}

export interface MeasurementsView {
  readonly run: RunView;
  readonly checkpoints: readonly number[];
  readonly measurements: readonly StoredMeasurement[];
  /** Of any run: there is one at a time. */
  readonly job: MeasureJobView | null;
}

export interface TokenView {
  readonly id: number;
  /** As it is read alone: a part of a character is U+FFFD. */
  readonly text: string;
}

/** What could come next, by the model's own probabilities. */
export interface ChoiceView extends TokenView {
  readonly probability: number;
}

export interface DrawnTokenView extends ChoiceView {
  /** Whether the text ends here. */
  readonly isEnd: boolean;
  /** In nats, of the next token. */
  readonly entropy: number;
  /** The likeliest, which this one needn't be among. */
  readonly choices: readonly ChoiceView[];
}

export interface ContinuationView {
  readonly prompt: readonly TokenView[];
  /** After the prompt, as a person chose them. */
  readonly chosen: readonly TokenView[];
  readonly tokens: readonly DrawnTokenView[];
}

export interface AttentionView {
  readonly tokens: readonly TokenView[];
  readonly numLayers: number;
  readonly layer: number;
  /** By head and query: the weights of the keys up to the query's own. */
  readonly heads: readonly (readonly (readonly number[])[])[];
}

/** Small images of one size. */
export interface PicturesView {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** Bytes in base64, image by image, row by row. */
  readonly pixels: string;
}

export interface AtlasView {
  readonly codebookSizes: readonly number[];
  /** Code of the first picture. */
  readonly from: number;
  readonly pictures: PicturesView;
}

export interface BetweenView {
  readonly codes: readonly [number, number];
  /** Of the way from the first to the last. */
  readonly shares: readonly number[];
  readonly pictures: PicturesView;
}

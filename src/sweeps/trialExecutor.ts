import type { Claim, TrialOutcome, TrialProgress } from "./trialStore.ts";

/** How an attempt ended. */
export type Attempt =
  | { readonly kind: "outcome"; readonly outcome: TrialOutcome }
  /** Stopped by the signal; it continues from its checkpoint. */
  | { readonly kind: "stopped" }
  /** The run is being trained by another process, which can't be for long: its claim is lost. */
  | { readonly kind: "held"; readonly message: string }
  /** Something went wrong that another attempt may not meet. */
  | {
      readonly kind: "broken";
      readonly message: string;
      /** Whether the process that met it is of no use any more, as one whose device is lost. */
      readonly isSpent?: true;
    };

/** What runs one trial at a time. */
export interface TrialExecutor extends AsyncDisposable {
  /**
   * @param onProgress - is told of every step, or nearly
   * @param signal - asks for an orderly end: with a checkpoint
   */
  run(claim: Claim, onProgress: (progress: TrialProgress) => void, signal: AbortSignal): Promise<Attempt>;
  /** Ends what is running at once, because its claim is lost. */
  kill(): void;
}

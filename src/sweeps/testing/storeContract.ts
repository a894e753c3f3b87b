import type { TrialStore } from "../trialStore.ts";

/** A kind of store, as the tests that all kinds must pass open it. */
export interface StoreContract {
  readonly name: string;
  /** Opens the same store again and again, as several processes do. @param now - seconds of a clock */
  readonly open: (now?: () => number) => Promise<TrialStore>;
  /** Sets the store's own clock an hour ahead of all that happened, if it has one. */
  readonly age?: () => Promise<void>;
}

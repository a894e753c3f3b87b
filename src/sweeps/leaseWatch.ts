import { lifeOf } from "./workerName.ts";

/** What a store shows of a trial that runs. */
export interface Sign {
  readonly trialId: string;
  readonly worker: string;
  /** Number of the claim. */
  readonly fence: number;
  /** Grows with each heartbeat. */
  readonly beat: number;
}

interface Watched {
  readonly fence: number;
  readonly beat: number;
  /** Since the last heartbeat that was seen. */
  readonly silentSeconds: number;
  /** Whether a heartbeat has come since it is watched. */
  readonly wasHeard: boolean;
}

/** Seconds of a clock that is never set. */
const monotonicSeconds = () => performance.now() / 1000;

/**
 * Tells which trials were abandoned by their workers. A worker of this machine is asked for by its process: one that has ended has abandoned
 * its trial at once, one that lives keeps it, be it stopped for hours. Of others, heartbeats tell: a lease has ended when this process
 * has itself seen none for so long. No clock is compared with another one, and a time in which this process was asleep or
 * stopped doesn't count, as the other may have been, too.
 */
export class LeaseWatch {
  readonly #leaseSeconds: number;
  readonly #now: () => number;
  readonly #watched = new Map<string, Watched>();
  #lastLook: number | null = null;

  /** @param now - seconds; by default of a monotonic clock */
  constructor(leaseSeconds: number, now: () => number = monotonicSeconds) {
    this.#leaseSeconds = leaseSeconds;
    this.#now = now;
  }

  /**
   * Takes a look at all trials that run.
   *
   * @returns those that were abandoned, and of how many it will take up to a lease to know
   */
  look<T extends Sign>(running: readonly T[]): { readonly abandoned: T[]; readonly undecided: number } {
    const now = this.#now();
    // Workers send heartbeats every quarter of a lease. A longer time between two looks may have been sleep, or a clock that was set.
    const passed =
      this.#lastLook === null ? 0 : Math.min(Math.max(now - this.#lastLook, 0), this.#leaseSeconds / 4);
    this.#lastLook = now;
    const ids = new Set(running.map(({ trialId }) => trialId));
    for (const id of this.#watched.keys()) if (!ids.has(id)) this.#watched.delete(id);
    const abandoned: T[] = [];
    let undecided = 0;
    for (const sign of running) {
      const life = lifeOf(sign.worker);
      if (life === "ended") abandoned.push(sign);
      if (life !== "unknown") continue;
      const before = this.#watched.get(sign.trialId);
      const isSame = before?.fence === sign.fence;
      const isSilent = isSame && before.beat === sign.beat;
      const watched = {
        fence: sign.fence,
        beat: sign.beat,
        silentSeconds: isSilent ? before.silentSeconds + passed : 0,
        wasHeard: isSame && (before.wasHeard || !isSilent),
      };
      this.#watched.set(sign.trialId, watched);
      if (watched.silentSeconds >= this.#leaseSeconds) abandoned.push(sign);
      else if (!watched.wasHeard) undecided++;
    }
    return { abandoned, undecided };
  }
}
